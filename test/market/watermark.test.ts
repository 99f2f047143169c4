import { describe, expect, it } from 'vitest'
import { Watermark } from '../../src/market/watermark.ts'

const T0_S = 1_795_000_000

describe('market time', () => {
  it('is not known before two instruments have shown a second', () => {
    const watermark = new Watermark(1, undefined, 0)
    watermark.observe(1, T0_S, 0)
    watermark.observe(1, T0_S + 5, 0)
    expect(watermark.at(10)).toBeUndefined()
    watermark.observe(2, T0_S + 3, 20)
    expect(watermark.at(20)).toBe((T0_S + 3) * 1000)
  })

  it('goes on with the monotonic clock at the speed of the market', () => {
    const watermark = new Watermark(10, T0_S * 1000, 0)
    expect(watermark.at(250)).toBe(T0_S * 1000 + 2500)
  })

  it('is not moved by one instrument with a wild time', () => {
    const watermark = new Watermark(1, T0_S * 1000, 0)
    watermark.observe(1, T0_S + 86_400, 10)
    watermark.observe(2, T0_S + 1, 10)
    watermark.observe(3, T0_S + 2, 10)
    expect(watermark.at(10)).toBe((T0_S + 2) * 1000)
  })

  it('never goes back', () => {
    const watermark = new Watermark(1, T0_S * 1000, 0)
    const seen: number[] = []
    for (let i = 0; i < 200; i++) {
      watermark.observe(i % 7, T0_S + ((i * 37) % 50), i * 100)
      seen.push(watermark.at(i * 100) ?? 0)
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    watermark.advanceTo(1, 20_000)
    expect(watermark.at(20_000)).toBeGreaterThan(T0_S * 1000)
  })
})
