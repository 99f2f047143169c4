import { describe, expect, it } from 'vitest'
import { dayVolumes, type VolumeMinute } from '../../../src/backend/candles/day-volumes.ts'
import { minute } from './ingest-under-test.ts'

const nothing = { endOf: () => null, startOf: () => null }

function traded(n: number, volume: number, over: Partial<VolumeMinute> = {}): VolumeMinute {
  const seen = { shown: null, isShownAtEnd: false, opensSession: n === 0 }
  return { minuteMs: minute(n), volume, ...seen, ...over }
}

describe('the day’s volume of candles', () => {
  it('is their sum from the open of the session', () => {
    expect(dayVolumes([traded(0, 10), traded(1, 5), traded(2, 0)], nothing)).toEqual([10, 15, 15])
  })

  it('is not known where nothing tells where it began', () => {
    expect(dayVolumes([traded(5, 10), traded(6, 5)], nothing)).toEqual([null, null])
  })

  it('goes on from the stored minute before it, but over no missing one', () => {
    const stored = { ...nothing, endOf: (ms: number) => (ms === minute(4) ? 100 : null) }
    expect(dayVolumes([traded(5, 10), traded(6, 5), traded(8, 1)], stored)).toEqual([
      110,
      115,
      null,
    ])
  })

  it('goes back from packets that tell of a minute’s end', () => {
    const shown = traded(7, 20, { shown: 500, isShownAtEnd: true })
    expect(dayVolumes([traded(5, 10), traded(6, 5), shown], nothing)).toEqual([475, 480, 500])
  })

  it('does not take packets for the end of a minute in which they stopped', () => {
    const cut = traded(6, 20, { shown: 500 })
    expect(dayVolumes([cut, traded(7, 5)], nothing)).toEqual([null, null])
    const known = { ...nothing, endOf: () => 490 }
    expect(dayVolumes([cut, traded(7, 5)], known)).toEqual([510, 515])
  })

  it('goes back from the start of a stored minute after it, and never below 0', () => {
    const stored = { ...nothing, startOf: (ms: number) => (ms === minute(7) ? 12 : null) }
    expect(dayVolumes([traded(5, 10), traded(6, 5)], stored)).toEqual([7, 12])
    expect(dayVolumes([traded(5, 10), traded(6, 50)], stored)).toEqual([null, 12])
  })
})
