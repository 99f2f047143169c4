import { describe, expect, it } from 'vitest'
import { parseSwitch } from '../../src/kit/switch-word.ts'

describe('a switch', () => {
  it.each(['true', 'TRUE', ' 1 ', 'Yes', 'on\n'])('is on where it says %j', (text) => {
    expect(parseSwitch(text)).toBe(true)
  })

  it.each(['false', '0', 'NO', 'Off'])('is off where it says %j', (text) => {
    expect(parseSwitch(text)).toBe(false)
  })

  it.each(['', ' ', 'maybe', '2', 'truee', 'constructor', '__proto__'])(
    'is neither where it says %j',
    (text) => {
      expect(parseSwitch(text)).toBeUndefined()
    },
  )
})
