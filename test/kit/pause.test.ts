import { describe, expect, it } from 'vitest'
import { pause } from '../../src/kit/pause.ts'
import { TestClock } from '../ticker/support/test-clock.ts'

describe('a pause', () => {
  it('ends when its time has passed, and not before', async () => {
    const { clock, hasEnded } = begun(new AbortController())
    clock.advance(999)
    expect(await hasEnded()).toBe(false)
    clock.advance(1)
    expect(await hasEnded()).toBe(true)
  })

  it('ends at once when it is cut short, and leaves no timer', async () => {
    const stopping = new AbortController()
    const { clock, hasEnded } = begun(stopping)
    stopping.abort()
    expect(await hasEnded()).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('does not begin where the stop came before', async () => {
    const stopping = new AbortController()
    stopping.abort()
    const { clock, hasEnded } = begun(stopping)
    expect(await hasEnded()).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('may be one of many on the same signal, without a warning', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const stopping = new AbortController()
    for (let i = 0; i < 20; i++) begun(stopping)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })
})

function begun({ signal }: AbortController) {
  const clock = new TestClock()
  let ended = false
  void pause(clock, 1_000, signal).then(() => {
    ended = true
  })
  const hasEnded = async () => {
    await Promise.resolve()
    return ended
  }
  return { clock, hasEnded }
}
