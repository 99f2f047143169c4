/**
 * A restart while one connection is behind another: the gap must begin where the one that is behind
 * had brought everything, whatever the log holds of the others.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Journal } from '../../../src/journal/journal.ts'
import { LatencyHistogram } from '../../../src/kit/latency-histogram.ts'
import { TICKER_GAP_LOOKBACK_MS } from '../../../src/limits.ts'
import { Feed } from '../../../src/ticker/feed/feed.ts'
import type { FeedSession } from '../../../src/ticker/feed/feed-session.ts'
import { MarketTime } from '../../../src/ticker/feed/market-time.ts'
import { type Bench, bench } from '../../journal/journal-fixture.ts'
import { silentLog } from '../../silent-log.ts'
import { frameOf, option, START_S, sensexOption } from '../support/contracts.ts'
import { START_MS, TestClock } from '../support/test-clock.ts'

const PARTITIONS = 4
/** Each connection feeds two partitions. */
const CARRIED = [
  [option(26_000, 'CE'), sensexOption(80_000, 'CE')],
  [option(26_000, 'PE'), sensexOption(80_000, 'PE')],
  [option(26_100, 'CE'), sensexOption(80_100, 'CE')],
]
const ENDS = ['a kill', 'an ordered stop'] as const
type End = (typeof ENDS)[number]
/** One frame larger than a segment may be, and one with room for all that is written here. */
const SEGMENT_BYTES = [1, 4_000, 1e9]

describe('a restart with one connection 5 s behind the other', () => {
  it.each(ENDS)('after %s begins its gap where the one that is behind ended', async (end) => {
    const run = await Run.start(2)
    for (let second = 0; second <= 20; second++) {
      await run.second([second, Math.max(0, second - 5)])
    }
    expect(await run.gapAfter(end)).toBe(gapFrom(15))
  })

  it('does so where that one had nothing in the last segment of the log', async () => {
    const run = await Run.start(2, 1)
    await run.second([0, 0])
    await run.second([20, 15])
    for (let second = 21; second <= 30; second++) await run.second([second, undefined])
    expect(await run.gapAfter('a kill')).toBe(gapFrom(15))
  })

  it('leaves out a connection that has been opened anew', async () => {
    const run = await Run.start(2)
    await run.second([0, 0])
    run.reopen(1)
    for (let second = 1; second <= 30; second++) await run.second([second, second])
    expect(await run.gapAfter('a kill')).toBe(gapFrom(30))
  })
})

describe('a restart', () => {
  it('begins its gap where the connection that is furthest behind ended, whatever was before', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(), async ({ seconds, reopened, segmentBytes, end }) => {
        const run = await Run.start(CARRIED.length, segmentBytes)
        await run.second(CARRIED.map(() => 0))
        for (const [i, lags] of seconds.entries()) {
          if (reopened?.second === i) run.reopen(reopened.connection)
          await run.second(lags.map((lag) => (lag === null ? undefined : Math.max(0, i + 1 - lag))))
        }
        const fromMs = await run.gapAfter(end)
        expect(fromMs).toBe(gapFrom(Math.min(...run.lastSent())))
        for (const { lastDataMarketMs } of run.heard()) {
          expect(fromMs).toBeLessThanOrEqual(lastDataMarketMs - TICKER_GAP_LOOKBACK_MS)
        }
      }),
      { numRuns: 60 },
    )
  })
})

function anyHistory() {
  const lag = fc.option(fc.nat(20), { freq: 3 })
  const lags = fc.tuple(...CARRIED.map(() => lag))
  return fc.record({
    seconds: fc.array(lags, { minLength: 1, maxLength: 40 }),
    reopened: fc.option(fc.record({ second: fc.nat(40), connection: fc.nat(CARRIED.length - 1) }), {
      nil: undefined,
    }),
    segmentBytes: fc.constantFrom(...SEGMENT_BYTES),
    end: fc.constantFrom<End>(...ENDS),
  })
}

/** Market time, epoch ms. */
function gapFrom(second: number): number {
  return START_MS + second * 1000 - TICKER_GAP_LOOKBACK_MS
}

interface Socket {
  session: FeedSession
  /** The newest exchange second that it brought; undefined before its first frame. */
  lastSent: number | undefined
}

/** A ticker's feed on a journal that is left and opened again. */
class Run {
  readonly #disk: Bench
  readonly #journal: Journal
  readonly #feed: Feed
  readonly #clock: TestClock
  readonly #sockets: Socket[]

  private constructor(disk: Bench, journal: Journal, clock: TestClock, connections: number) {
    this.#disk = disk
    this.#journal = journal
    this.#clock = clock
    this.#feed = feedOn(journal, clock)
    this.#sockets = CARRIED.slice(0, connections).map((instruments, i) => {
      for (const one of instruments) this.#feed.coverage.want(one, 'full', slot(i))
      return this.#open(i)
    })
  }

  static async start(connections: number, segmentMaxBytes = 1e9): Promise<Run> {
    const clock = new TestClock()
    const limits = { segmentMaxBytes, reserveBytes: 0, diskFloorBytes: 0 }
    const disk = bench({ clock, partitions: PARTITIONS, limits })
    return new Run(disk, await disk.open(), clock, connections)
  }

  /** A second passes, in which each connection brings a frame of its second, or none. */
  async second(sent: readonly (number | undefined)[]): Promise<void> {
    this.#clock.advance(1_000)
    for (const [i, exchangeS] of sent.entries()) {
      const socket = this.#sockets[i]
      if (socket === undefined || exchangeS === undefined) continue
      const tokens = (CARRIED[i] ?? []).map(({ token }) => token)
      const frame = frameOf(tokens, { exchangeTimeS: START_S + exchangeS })
      socket.session.onFrame(frame, this.#clock.nowMs())
      socket.lastSent = Math.max(socket.lastSent ?? 0, exchangeS)
    }
    this.#feed.writeClock()
    const { received } = this.#feed.totals
    while (this.#feed.totals.journaled < received) await new Promise(setImmediate)
  }

  /** The connection drops and is there again. */
  reopen(i: number): void {
    const socket = this.#sockets[i]
    if (socket === undefined) return
    this.#feed.openGap('disconnect', slot(i), socket.session)
    this.#sockets[i] = this.#open(i)
  }

  /** Where the gap of the next start begins. */
  async gapAfter(end: End): Promise<number | undefined> {
    if (end === 'an ordered stop') {
      await this.#feed.end()
      await this.#journal.close()
    }
    const journal = await this.#disk.open()
    const { coverage } = feedOn(journal, this.#clock)
    coverage.recover(journal.recovered.values(), undefined)
    return coverage.openGaps.find(({ reason }) => reason === 'restart')?.fromMs
  }

  lastSent(): number[] {
    return this.#sockets.flatMap(({ lastSent }) => lastSent ?? [])
  }

  /** Those whose instruments are covered. */
  heard(): FeedSession[] {
    return this.#sockets.flatMap(({ session, lastSent }) => (lastSent === undefined ? [] : session))
  }

  #open(i: number): Socket {
    return { session: this.#feed.openSession(slot(i)), lastSent: undefined }
  }
}

function slot(i: number) {
  return { account: 'main', connection: i + 1 }
}

function feedOn(journal: Journal, clock: TestClock): Feed {
  return new Feed({
    journal,
    partitions: PARTITIONS,
    clock,
    log: silentLog,
    marketTime: new MarketTime({ clock, speed: 1, startMs: START_MS }),
    journalLatency: new LatencyHistogram(),
    silences: {
      leastMs: Number.POSITIVE_INFINITY,
      onSocketHeard: () => undefined,
      onStreamsHeard: () => undefined,
    },
    rejections: () => ({ value: 0 }),
    onPause: () => undefined,
    onFirstTick: () => undefined,
    onGapOpened: () => undefined,
    onGapClosed: () => undefined,
    onTakenOver: () => undefined,
  })
}
