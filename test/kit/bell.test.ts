/** Whoever waits hears the next ring, once. */
import { describe, expect, it } from 'vitest'
import { Bell } from '../../src/kit/bell.ts'

describe('bell', () => {
  it('ends the wait of all who wait, and of nobody who comes after', async () => {
    const bell = new Bell()
    const heard: string[] = []
    const first = bell.heard().then(() => heard.push('first'))
    const second = bell.heard().then(() => heard.push('second'))
    bell.ring()
    void bell.heard().then(() => heard.push('late'))
    await Promise.all([first, second])
    await Promise.resolve()
    expect(heard).toEqual(['first', 'second'])
  })

  it('counts its rings, heard or not', () => {
    const bell = new Bell()
    bell.ring()
    bell.ring()
    expect(bell.rings).toBe(2)
  })
})
