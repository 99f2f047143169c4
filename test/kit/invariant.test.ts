import { describe, expect, it } from 'vitest'
import { InvariantError, invariant } from '../../src/kit/invariant.ts'

describe('an invariant', () => {
  it('that holds narrows the type and says nothing', () => {
    const strike: number | undefined = [24_300][0]
    invariant(strike !== undefined, 'no strike')
    expect(strike + 100).toBe(24_400)
  })

  it.each([false, undefined, null, 0, ''])('that is %j throws its message', (broken) => {
    expect(() => invariant(broken, 'sequence has a hole')).toThrow(
      new InvariantError('sequence has a hole'),
    )
  })
})
