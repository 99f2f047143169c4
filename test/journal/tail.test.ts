import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LOG_START, type Position, type TailItem } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { until } from '../until.ts'
import {
  bench,
  clockRecord,
  controlBatch,
  instrument,
  Reading,
  range,
  read,
  readToEnd,
  tickBatch,
} from './journal-fixture.ts'

/** Takes what it is given only when told to. */
class SlowReader {
  readonly reading: Reading
  readonly #items: AsyncIterator<TailItem>
  readonly #abort = new AbortController()

  constructor(journal: Journal, from: Position = LOG_START) {
    this.reading = new Reading(from)
    this.#items = journal.tail(0, from, this.#abort.signal)[Symbol.asyncIterator]()
  }

  async take(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { value, done } = await this.#items.next()
      if (done) return
      this.reading.add(value)
    }
  }

  async takeUntil(token: number): Promise<void> {
    while (this.reading.tokens.at(-1) !== token) await this.take(1)
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#items.return?.()
  }
}

/** Journal of 300 ticks in batches of 1 to 7 over many segments. */
async function longJournal(journal: Journal, count = 300): Promise<void> {
  for (let token = 1; token <= count; ) {
    const size = 1 + (token % 7)
    await journal.append(0, tickBatch(range(token, Math.min(count, token + size - 1))))
    token += size
  }
}

describe('a reader', () => {
  it('is counted with what waits for it while it is there, and after it has left', async () => {
    const journal = await bench().open()
    const reader = new SlowReader(journal)
    const waited = () => journal.status().partitions[0]?.highWaterQueueBytes
    await journal.append(0, tickBatch([1]))
    await reader.takeUntil(1)
    const taking = reader.take(1)
    await until(() => journal.status().partitions[0]?.readers[0]?.isLive === true)
    expect(waited()).toBe(0)
    await journal.append(0, tickBatch([2]))
    await taking
    const one = waited() ?? 0
    expect(one).toBeGreaterThan(0)
    await journal.append(0, tickBatch([3]))
    await journal.append(0, tickBatch([4]))
    expect(waited()).toBe(2 * one)
    await reader.stop()
    expect(waited()).toBe(2 * one)
  })

  it('gets exactly the records after any position', async () => {
    const journal = await bench().open()
    await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(1) }]))
    await longJournal(journal, 120)
    const whole = await readToEnd(journal)
    const all = new Map(whole.tokens.map((token, i) => [token, i]))
    expect(all.size).toBe(120)
    const { sequence: last } = whole.position
    for (const sequence of range(0, last)) {
      const reading = new Reading({ epoch: journal.epoch, sequence })
      const part = await readToEnd(journal, reading.position)
      expect(part.position).toEqual(whole.position)
      expect(part.tokens).toEqual(whole.tokens.slice(whole.tokens.length - part.tokens.length))
      expect(part.openings).toHaveLength(1)
      expect(part.openings[0]?.oldest).toEqual({ epoch: journal.epoch, sequence: 0 })
    }
  })

  it('is told first which instruments are known at its position', async () => {
    const journal = await bench().open()
    for (const token of range(1, 40)) {
      await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(token) }]))
    }
    await journal.append(
      0,
      controlBatch([{ kind: 'instrument', instrument: instrument(3, 'NEW') }]),
    )
    const known = async (sequence: number) => {
      const { openings } = await readToEnd(journal, { epoch: journal.epoch, sequence })
      return openings[0]?.instruments.map((one) => one.tradingsymbol)
    }
    expect(journal.status().partitions[0]?.segments).toBeGreaterThan(2)
    expect(await known(0)).toEqual([])
    expect(await known(3)).toEqual(['SYM1', 'SYM2'])
    const end = journal.status().partitions[0]?.newest.sequence ?? 0
    expect((await known(end - 1))?.[2]).toBe('SYM3')
    expect((await known(end))?.[2]).toBe('NEW')
    expect(await known(end)).toHaveLength(40)
  })

  it('goes on from one epoch to the next, also from beyond what the log has kept', async () => {
    const { open } = bench()
    const first = await open()
    await first.append(0, tickBatch([1, 2, 3]))
    await first.close()
    const second = await open()
    await second.append(0, tickBatch([4]))
    for (const sequence of [4, 5, 1_000]) {
      const { tokens, openings, breaks } = await readToEnd(second, { epoch: first.epoch, sequence })
      expect(tokens).toEqual([4])
      expect(breaks).toEqual([])
      expect(openings[0]?.oldest.epoch).toBeLessThanOrEqual(first.epoch)
    }
  })

  it('of an epoch that was never written to the disk goes on in the next one', async () => {
    const { open } = bench()
    const first = await open()
    await first.close()
    const second = await open()
    await second.append(0, tickBatch([1]))
    const lostEpoch = { epoch: first.epoch + 0.5, sequence: 9 }
    const { tokens, openings } = await readToEnd(second, lostEpoch)
    expect(tokens).toEqual([1])
    expect(openings[0]?.oldest).toEqual({ epoch: first.epoch, sequence: 0 })
  })

  it('is told where the log goes on when it wants what was deleted', async () => {
    const { open, clock } = bench({ maxAgeMs: 0 })
    const journal = await open()
    await longJournal(journal)
    journal.committed('backend', 0, { epoch: journal.epoch, sequence: 150 })
    clock.advance(1)
    await journal.deleteOldSegments()
    const { oldest } = journal.status().partitions[0] ?? {}
    const reading = await readToEnd(journal, { epoch: journal.epoch, sequence: 10 })
    expect(oldest?.sequence).toBeGreaterThan(100)
    expect(reading.openings[0]?.oldest).toEqual(oldest)
    expect(reading.losses).toHaveLength(1)
    expect(reading.breaks).toEqual([])
    expect(reading.tokens.at(-1)).toBe(300)
  })

  it('that has read to the end of a deleted epoch has lost nothing', async () => {
    const { open, clock } = bench({ maxAgeMs: 0 })
    const first = await open()
    await first.append(0, tickBatch([1]))
    await first.close()
    const second = await open()
    await second.append(0, tickBatch([2]))
    second.committed('backend', 0, { epoch: first.epoch, sequence: 2 })
    clock.advance(1)
    await second.deleteOldSegments()
    expect(second.status().partitions[0]?.oldest.epoch).toBe(second.epoch)
    const position = { epoch: first.epoch, sequence: 2 }
    const { openings, tokens } = await readToEnd(second, position)
    expect(openings[0]?.oldest).toEqual(position)
    expect(tokens).toEqual([2])
  })

  it('that is ahead of the log waits for what is new to it', async () => {
    const journal = await bench().open()
    const reader = new SlowReader(journal, { epoch: journal.epoch, sequence: 3 })
    await reader.take(1)
    expect(reader.reading.openings[0]?.newest.sequence).toBe(1)
    await journal.append(0, tickBatch([1]))
    await journal.append(0, tickBatch([2]))
    await journal.append(0, tickBatch([3]))
    await reader.take(1)
    expect(reader.reading.tokens).toEqual([3])
    await reader.stop()
  })

  it('ends with the journal, having read it all', async () => {
    const journal = await bench().open()
    await longJournal(journal, 50)
    const live = read(journal)
    await until(() => journal.status().partitions[0]?.readers[0]?.isLive === true)
    await journal.append(0, tickBatch([51]))
    await journal.stopWriting()
    expect((await live).tokens).toEqual(range(1, 51))
    expect((await read(journal)).tokens).toEqual(range(1, 51))
    await journal.close()
  })

  it('ends at once when it is stopped, and leaves nothing behind', async () => {
    const journal = await bench().open()
    const reader = new SlowReader(journal)
    await reader.take(2)
    const waiting = reader.take(1)
    await until(() => journal.status().partitions[0]?.readers[0]?.isLive === true)
    await reader.stop()
    await waiting
    expect(journal.status().partitions[0]?.readers).toEqual([])
  })

  it('that stops early leaves the others alone', async () => {
    const journal = await bench().open()
    const [early, late] = [new SlowReader(journal), new SlowReader(journal)]
    await early.take(2)
    await early.stop()
    await journal.append(0, tickBatch([1]))
    await late.take(3)
    expect(late.reading.tokens).toEqual([1])
    await late.stop()
  })
})

describe('a slow reader', () => {
  const limits = { segmentMaxBytes: 4_000, reserveBytes: 100, readerQueueMaxBytes: 1_000 }

  it('goes back to files and misses nothing', async () => {
    const journal = await bench({ limits }).open()
    const reader = new SlowReader(journal)
    await reader.take(2)
    const status = () => journal.status().partitions[0]?.readers[0]
    const pending = reader.take(1)
    await until(() => status()?.isLive === true)
    await longJournal(journal)
    await pending
    expect(status()?.queuedBytes).toBeLessThanOrEqual(1_000)
    expect(status()?.lagRecords).toBeGreaterThan(200)
    await reader.takeUntil(300)
    expect(reader.reading.tokens).toEqual(range(1, 300))
    expect(reader.reading.breaks).toEqual([])
    expect(reader.reading.openings).toHaveLength(1)
    await reader.stop()
  })

  it('keeps nobody else waiting', async () => {
    const journal = await bench({ limits }).open()
    const [slow, fast] = [new SlowReader(journal), new SlowReader(journal)]
    await slow.take(2)
    await fast.take(2)
    for (const token of range(1, 100)) {
      await journal.append(0, tickBatch([token]))
      await fast.takeUntil(token)
    }
    expect(fast.reading.tokens).toEqual(range(1, 100))
    await slow.takeUntil(100)
    expect(slow.reading.tokens).toEqual(range(1, 100))
    await Promise.all([slow.stop(), fast.stop()])
  })
})

describe('readers of a journal that is being written', () => {
  it('each get every record once, wherever they begin and however slow they are', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          act: fc.constant('append' as const),
          n: fc.integer({ min: 1, max: 30 }),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          act: fc.constant('take' as const),
          n: fc.integer({ min: 1, max: 12 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ act: fc.constant('join' as const), n: fc.nat(1_000) }) },
      {
        weight: 1,
        arbitrary: fc.record({ act: fc.constant('failSync' as const), n: fc.constant(1) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          act: fc.constant('idle' as const),
          n: fc.integer({ min: 1, max: 5 }),
        }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const { open, disk, clock } = bench({
          limits: { segmentMaxBytes: 3_000, reserveBytes: 100, readerQueueMaxBytes: 1_500 },
        })
        const journal = await open()
        const readers = [{ reader: new SlowReader(journal), joinedAt: 0 }]
        const appends: Promise<unknown>[] = []
        let token = 0
        for (const { act, n } of steps) {
          if (act === 'append') {
            const tokens = range(token + 1, token + n)
            token += n
            appends.push(journal.append(0, tickBatch(tokens)))
            if (n % 5 === 0) appends.push(journal.append(0, controlBatch([clockRecord])))
          } else if (act === 'take') {
            for (const { reader } of readers) void reader.take(n)
          } else if (act === 'join') {
            const { newest } = journal.status().partitions[0] ?? { newest: LOG_START }
            const sequence = n % (newest.sequence + 1)
            const reader = new SlowReader(journal, { epoch: journal.epoch, sequence })
            readers.push({ reader, joinedAt: sequence })
          } else if (act === 'failSync') {
            disk.failSyncs = 1
            clock.advance(50)
          } else {
            for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
          }
        }
        await Promise.all(appends)
        const { newest } = journal.status().partitions[0] ?? { newest: LOG_START }
        const whole = await readToEnd(journal)
        expect(whole.tokens).toEqual(range(1, token))
        for (const { reader, joinedAt } of readers) {
          const { reading } = reader
          const rest = reader.take(10_000)
          await until(() => reading.position.sequence >= newest.sequence)
          expect(reading.tokens).toEqual(whole.tokens.slice(token - reading.tokens.length))
          // The batch that holds the first record wanted comes whole.
          expect(reading.breaks.length).toBeLessThanOrEqual(joinedAt > 0 ? 1 : 0)
          expect(reading.openings).toHaveLength(1)
          await reader.stop()
          await rest
        }
        await journal.close()
      }),
      { numRuns: 60 },
    )
  }, 240_000)
})
