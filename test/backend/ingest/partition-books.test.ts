import { describe, expect, it } from 'vitest'
import { PartitionBooks } from '../../../src/backend/ingest/partition-books.ts'
import type { BatchHeader } from '../../../src/contract/journal-record.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { begins, OPEN_MS, OPTIONS, packet } from '../scenario.ts'

const OPTION = OPTIONS[4] as Instrument
const SESSION = { openMs: OPEN_MS, closeMs: OPEN_MS + 375 * 60_000 }

/** Books of one producer, whose rows need not be read from a store, and the ticks that were observed. */
function emptyBooks() {
  const observed: number[] = []
  const source = { producer: 't1', generation: 1, position: { epoch: 0, sequence: 0 } }
  const state = {
    partition: 0,
    sources: [{ ...source, marketTimeMs: null }],
    coverage: [],
    coverageFromMs: 0,
    openGaps: [],
    ledger: [],
    due: [],
    atMostOnce: new Set<string>(),
  }
  const books = new PartitionBooks(state, () => SESSION, {
    receiverOf: () => (tick) => observed.push(tick.lastPrice),
  })
  const header: BatchHeader = {
    ...{ version: 1, producer: 't1', partition: 0, epoch: 1, firstSequence: 1, recordCount: 100 },
    ...{ connections: [], marketTimeMs: OPEN_MS, byteLength: 0 },
  }
  books.enterBatch('t1', header, 1)
  let sequence = 0
  return {
    books,
    observed,
    tell: (instrument: Instrument) =>
      books.applyControl('t1', ++sequence, { kind: 'instrument', instrument }),
    cover: (instrument: Instrument) => {
      for (const record of begins([instrument], OPEN_MS)) {
        books.applyControl('t1', ++sequence, record)
      }
      books.instruments.forEach((bars) => {
        bars.isLoaded = true
      })
    },
    fold: (instrument: Instrument, second: number, rupees: number) =>
      books.foldTick(
        't1',
        packet(instrument, OPEN_MS + second * 1_000, rupees, { dayVolume: 65 * second }),
        ++sequence,
      ),
    take: () => [...books.changedBars.take(0, OPEN_MS)],
  }
}

describe('an instrument that is told anew', () => {
  it.each([
    ['lot size', { ...OPTION, lotSize: 75 }],
    ['price step', { ...OPTION, tickSize: 0.1 }],
    ['token', { ...OPTION, token: OPTION.token + 256 }],
  ])('with another %s keeps what is folded and not committed, and goes on with it', (_, anew) => {
    const { books, cover, tell, fold, take, observed } = emptyBooks()
    cover(OPTION)
    const [before] = books.instruments.values()
    expect(fold(OPTION, 1, 50)).toBe('folded')
    expect(fold(OPTION, 2, 40)).toBe('folded')
    tell(anew)
    expect(books.changedBars.size).toBe(1)
    expect(fold(anew, 3, 45)).toBe('folded')
    const taken = take()
    expect(taken).toEqual([before])
    const [bars] = taken
    expect(bars?.instrument).toEqual(anew)
    expect(bars?.changed).toEqual([bars?.bars.get(OPEN_MS)])
    expect(bars?.changed[0]).toMatchObject({
      ...{ open: 5_000, high: 5_000, low: 4_000, close: 4_500 },
      ...{ tickCount: 3, dayVolume: 195, isChanged: true },
    })
    expect(bars?.coverage.current).toMatchObject({ fromMs: OPEN_MS })
    expect(observed).toEqual([5_000, 4_000, 4_500])
  })

  it('with nothing new is the same object with the same figures', () => {
    const { books, cover, tell, fold, take } = emptyBooks()
    cover(OPTION)
    const [before] = books.instruments.values()
    const told = before?.instrument
    fold(OPTION, 1, 50)
    tell({ ...OPTION })
    expect(take()).toEqual([before])
    expect(before?.instrument).toBe(told)
    expect(books.instruments.size).toBe(1)
  })
})
