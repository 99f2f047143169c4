import { describe, expect, it } from 'vitest'
import { InvariantError } from '../../src/kit/invariant.ts'
import { Releasers } from '../../src/kit/releasers.ts'

function acquired(...names: string[]): { releasers: Releasers; released: string[] } {
  const releasers = new Releasers()
  const released: string[] = []
  for (const name of names) {
    releasers.push(name, async () => {
      await Promise.resolve()
      released.push(name)
    })
  }
  return { releasers, released }
}

describe('releasers', () => {
  it('let go in reverse order, one after another', async () => {
    const { releasers, released } = acquired('folder', 'journal', 'server')
    await releasers.release()
    expect(released).toEqual(['server', 'journal', 'folder'])
  })

  it('release once, however often they are asked', async () => {
    const { releasers, released } = acquired('folder')
    await Promise.all([releasers.release(), releasers.release()])
    await releasers.release()
    expect(released).toEqual(['folder'])
  })

  it('go on after an error and name what failed', async () => {
    const { releasers, released } = acquired('folder')
    releasers.push('socket', () => {
      throw new Error('already closed')
    })
    releasers.push('server', () => Promise.reject(new Error('timeout')))
    const failure = await releasers.release().catch((error: unknown) => error)
    expect(released).toEqual(['folder'])
    expect(failure).toBeInstanceOf(AggregateError)
    const { errors } = failure as AggregateError
    expect(errors.map(({ message }) => message)).toEqual([
      'could not release server',
      'could not release socket',
    ])
  })

  it('release what is acquired while they release', async () => {
    const { releasers, released } = acquired('folder')
    releasers.push('starting', () => {
      releasers.push('late socket', () => released.push('late socket'))
    })
    await releasers.release()
    expect(released).toEqual(['late socket', 'folder'])
  })

  it('refuse what is acquired when all is released', async () => {
    const { releasers } = acquired('folder')
    await releasers.release()
    expect(() => releasers.push('socket', () => undefined)).toThrow(InvariantError)
  })
})
