import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { LatencyHistogram } from '../../../src/kit/latency-histogram.ts'
import type { Count } from '../../../src/kit/metrics.ts'
import { FrameWriter, HEARTBEAT } from '../../../src/kite/frame-writer.ts'
import { TICKER_GAP_LOOKBACK_MS } from '../../../src/limits.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { Feed } from '../../../src/ticker/feed/feed.ts'
import type { FeedSession } from '../../../src/ticker/feed/feed-session.ts'
import type { IntakeLimits } from '../../../src/ticker/feed/intake-gate.ts'
import { MarketTime } from '../../../src/ticker/feed/market-time.ts'
import type { OpenGap } from '../../../src/ticker/feed/stream.ts'
import { frameOf, full, NIFTY, option, START_S, sensexOption } from '../support/contracts.ts'
import { JournalRefusal, MemoryJournal } from '../support/memory-journal.ts'
import { keptLog } from '../support/silent-log.ts'
import { START_MS, TestClock } from '../support/test-clock.ts'

const SLOT = { account: 'main', connection: 1 }
const OTHER_SLOT = { account: 'main', connection: 2 }
const CALL = option(26_000, 'CE')
const PUT = option(26_000, 'PE')
const NOT_JUDGED = {
  leastMs: Number.POSITIVE_INFINITY,
  onSocketHeard: () => undefined,
  onStreamsHeard: () => undefined,
}

let clock: TestClock
let journal: MemoryJournal
let log: ReturnType<typeof keptLog>
let pauses: boolean[]
let gaps: string[]
let rejections: Map<string, Count>

beforeEach(() => {
  clock = new TestClock()
  journal = new MemoryJournal(1)
  log = keptLog()
  pauses = []
  gaps = []
  rejections = new Map()
})

describe('the first tick of an instrument', () => {
  it('is preceded by its instrument record and by the beginning of its coverage', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    expect(journal.records().map(({ kind }) => kind)).toEqual(['instrument', 'covered', 'tick'])
    expect(journal.controls('covered')).toEqual([
      {
        kind: 'covered',
        begin: [{ token: CALL.token, mode: 'full', fromMs: START_MS + 1 }],
        end: [],
      },
    ])
  })

  it('begins coverage at its exchange second, but never further back than the broker lags', async () => {
    const { feed, session } = start([CALL, PUT])
    clock.advance(1_400)
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + 1 }))
    receive(session, frameOf([PUT.token], { exchangeTimeS: START_S - 600 }))
    await settle(feed)
    const begun = journal.controls('covered').flatMap(({ begin }) => begin)
    expect(begun.map(({ fromMs }) => fromMs - START_MS)).toEqual([1_000, 1_400])
  })

  it('makes one record for all that begin in one frame', async () => {
    const calls = Array.from({ length: 50 }, (_, i) => option(25_000 + 50 * i, 'CE'))
    const { feed, session } = start(calls)
    receive(session, frameOf(calls.map(({ token }) => token)))
    await settle(feed)
    expect(journal.controls('covered')).toHaveLength(1)
    expect(journal.controls('covered')[0]?.begin).toHaveLength(50)
    expect(journal.ticks()).toHaveLength(50)
  })

  it('in a lower mode than wanted covers no more than it shows, until the wanted mode comes', async () => {
    const { feed, session } = start([CALL])
    receive(session, quoteFrame(CALL.token))
    clock.advance(2_000)
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + 2 }))
    await settle(feed)
    const begun = journal.controls('covered').flatMap(({ begin }) => begin)
    expect(begun.map(({ mode }) => mode)).toEqual(['quote', 'full'])
    expect(journal.controls('covered')[1]?.end).toEqual([
      { token: CALL.token, toMs: START_MS + 2_000 },
    ])
  })
})

describe('each tick', () => {
  it('carries its connection, arrival and market time, and all of its values', async () => {
    const { feed, session } = start([CALL])
    clock.advance(700)
    receive(session, frameOf([CALL.token]))
    await settle(feed)
    expect(journal.ticks()[0]).toMatchObject({
      token: CALL.token,
      mode: 'full',
      connection: 1,
      receivedAtMs: START_MS + 700,
      marketTimeMs: START_MS + 700,
      lastPrice: 12_345,
      dayVolume: 6_500,
      openInterest: 130_000,
      lastTradeTimeS: START_S,
      exchangeTimeS: START_S,
      bidPrice: 12_340,
      askQuantity: 130,
    })
  })

  it('goes to the partition of its underlying', async () => {
    journal = new MemoryJournal(4)
    const sensex = sensexOption(80_000, 'CE')
    const { feed, session } = start([CALL, PUT, NIFTY, sensex], 4)
    receive(session, frameOf([CALL.token, sensex.token, PUT.token, NIFTY.token]))
    await settle(feed)
    const where = [0, 1, 2, 3].map((partition) => journal.ticks(partition).map((t) => t.token))
    expect(
      where
        .filter((tokens) => tokens.length > 0)
        .map((tokens) => tokens.length)
        .sort(),
    ).toEqual([1, 3])
    expectBalanced(feed, [session])
  })

  it('of market time goes on with the second that two instruments confirm', async () => {
    const { feed, session } = start([CALL, PUT])
    receive(session, frameOf([CALL.token, PUT.token], { exchangeTimeS: START_S + 30 }))
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + 30 }))
    await settle(feed)
    expect(journal.ticks().map((t) => t.marketTimeMs - START_MS)).toEqual([30_000, 30_000, 30_000])
  })
})

describe('a clock of this machine that is ahead', () => {
  it('is known from the exchange’s own seconds', () => {
    const marketTime = new MarketTime({ clock, speed: 1, startMs: START_MS })
    expect(marketTime.aheadOfExchangeMs).toBeUndefined()
    clock.advance(2_000)
    marketTime.observe(1, START_S + 1, clock.elapsedMs())
    expect(marketTime.aheadOfExchangeMs).toBe(1_000)
    marketTime.observe(2, START_S - 90, clock.elapsedMs())
    expect(marketTime.aheadOfExchangeMs).toBe(1_000)
    clock.advance(61_000)
    expect(marketTime.aheadOfExchangeMs).toBeUndefined()
  })
})

describe('a clock of this machine that is behind', () => {
  const BEHIND_S = 180

  it('covers nothing of the time that it takes to be noticed, not to the second instrument', async () => {
    const { feed, session } = start([CALL, PUT])
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + BEHIND_S }))
    clock.advance(50)
    receive(session, frameOf([PUT.token], { exchangeTimeS: START_S + BEHIND_S }))
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + BEHIND_S + 1 }))
    await settle(feed)
    const [gap] = journal.controls('gap_open')
    expect(gap).toMatchObject({ reason: 'clock_step', tokens: [CALL.token] })
    expect(gap?.fromMs).toBeLessThanOrEqual(START_MS)
    expect(journal.controls('gap_close').map(({ ends }) => ends)).toEqual([
      [{ token: CALL.token, toMs: START_MS + BEHIND_S * 1000 + 1, mode: 'full' }],
    ])
    const begun = journal.controls('covered').flatMap(({ begin }) => begin)
    expect(begun.map(({ token, fromMs }) => [token, fromMs])).toEqual([
      [CALL.token, START_MS + 1],
      [PUT.token, START_MS + BEHIND_S * 1000 + 1],
    ])
  })

  it('by as little as packets may run ahead says nothing', async () => {
    const { feed, session } = start([CALL, PUT])
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + 4 }))
    receive(session, frameOf([PUT.token], { exchangeTimeS: START_S + 4 }))
    await settle(feed)
    expect(journal.controls('gap_open')).toEqual([])
  })
})

describe('what is no tick', () => {
  it('of an unknown token, or one that nobody wants, is rejected and counted', async () => {
    const { feed, session } = start([CALL, PUT])
    feed.coverage.unwant(PUT.token)
    receive(session, frameOf([999 * 256 + 2, CALL.token, PUT.token]))
    await settle(feed)
    expect(feed.totals).toEqual({ received: 3, rejected: 2, journaled: 1, dropped: 0 })
    expect(rejections.get('unknown_token')?.value).toBe(2)
    expectBalanced(feed, [session])
  })

  it('leaves the whole packets of a broken frame and is one rejected ordinal', async () => {
    const { feed, session } = start([CALL, PUT])
    const frame = frameOf([CALL.token, PUT.token])
    receive(session, frame.subarray(0, frame.length - 5))
    receive(session, frameOf([PUT.token]))
    await settle(feed)
    expect(journal.ticks().map((t) => t.token)).toEqual([CALL.token, PUT.token])
    expect(feed.totals).toEqual({ received: 3, rejected: 1, journaled: 2, dropped: 0 })
    expect(rejections.get('truncated')?.value).toBe(1)
    expectBalanced(feed, [session])
  })

  it('is logged with its bytes once a minute', () => {
    const { session } = start([CALL])
    const malformed = () => log.lines.filter(({ message }) => message === 'Malformed frame')
    receive(session, Buffer.from([0, 1, 0, 9, 1, 2]))
    receive(session, Buffer.from([0, 1, 0, 9, 1, 2]))
    expect(malformed()).toHaveLength(1)
    expect(malformed()[0]?.fields).toMatchObject({ code: 'truncated', sample: '000100090102' })
    clock.advance(60_000)
    receive(session, Buffer.from([0, 1, 0, 9, 1, 2]))
    expect(malformed()[1]?.fields).toMatchObject({ faults: 2 })
  })

  it('is a heartbeat: no packet, no life', () => {
    const { feed, session } = start([CALL])
    expect(session.onFrame(HEARTBEAT, clock.nowMs())).toBe(false)
    expect(session.packets).toBe(0)
    expect(session.lastHeartbeatAtMs).toBe(START_MS)
    expect(session.lastTickAtMs).toBeUndefined()
    expect(feed.totals.received).toBe(0)
  })
})

describe('the books', () => {
  it('balance whatever bytes come, on every connection, whenever the journal takes them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame(), { maxLength: 40 }), async (frames) => {
        journal = new MemoryJournal(3)
        const sensex = sensexOption(80_000, 'CE')
        const { feed, session } = start([CALL, PUT, NIFTY, sensex], 3)
        const second = feed.openSession(OTHER_SLOT)
        for (const [i, { bytes, isHeld }] of frames.entries()) {
          receive(i % 3 === 0 ? second : session, bytes)
          if (isHeld) journal.hold()
          else journal.letGo()
          await Promise.resolve()
        }
        journal.letGo()
        await settle(feed)
        expectBalanced(feed, [session, second])
      }),
      { numRuns: 100 },
    )
  })

  it('carry what was rejected with the next record, and no later than the next clock', async () => {
    const { feed, session } = start([CALL])
    receive(session, Buffer.from([0, 1, 0, 9, 1, 2]))
    await settle(feed, false)
    expect(journal.books().size).toBe(0)
    feed.writeClock()
    await settle(feed, false)
    expect(journal.books().get(1)).toMatchObject({ firstOrdinal: 1, lastOrdinal: 1, rejected: 1 })
  })

  it('say the second in every partition', async () => {
    journal = new MemoryJournal(2)
    const { feed } = start([], 2)
    clock.advance(1_000)
    feed.writeClock()
    await settle(feed, false)
    for (const partition of [0, 1]) {
      expect(journal.controls('clock', partition)).toEqual([
        { kind: 'clock', marketTimeMs: START_MS + 1_000, wallTimeMs: START_MS + 1_000 },
      ])
    }
  })
})

describe('a batch', () => {
  it('leaves at once while the journal is idle, and gathers while it is not', async () => {
    const { feed, session } = start([CALL])
    journal.hold()
    for (let i = 0; i < 5; i++) {
      receive(session, frameOf([CALL.token], { dayVolume: i }))
      await Promise.resolve()
    }
    journal.letGo()
    await settle(feed, false)
    expect(journal.headers().map(({ recordCount }) => recordCount)).toEqual([3, 4])
    expect(journal.ticks().map((t) => t.dayVolume)).toEqual([0, 1, 2, 3, 4])
  })

  describe('with a pause between them', () => {
    const PAUSE_MS = 5

    /** The first batch has left just now, with one tick. */
    async function firstLeft() {
      const { feed, session } = start([CALL], 1, undefined, PAUSE_MS)
      receive(session, frameOf([CALL.token], { dayVolume: 0 }))
      await settle(feed, false)
      expect(journal.headers()).toHaveLength(1)
      return { feed, session }
    }

    it('leaves only when it is over, by itself and with all that has gathered', async () => {
      const { feed, session } = await firstLeft()
      for (let i = 1; i < PAUSE_MS; i++) {
        receive(session, frameOf([CALL.token], { dayVolume: i }))
        await settle(feed, false)
        clock.advance(1)
        await settle(feed, false)
        expect(journal.headers()).toHaveLength(1)
      }
      clock.advance(1)
      await settle(feed, false)
      expect(journal.headers().map(({ recordCount }) => recordCount)).toEqual([3, 4])
      expect(journal.ticks().map((t) => t.dayVolume)).toEqual([0, 1, 2, 3, 4])
      expectBalanced(feed, [session])
    })

    it('leaves at once when it is over already', async () => {
      const { feed, session } = await firstLeft()
      clock.advance(PAUSE_MS)
      receive(session, frameOf([CALL.token], { dayVolume: 1 }))
      await settle(feed, false)
      expect(journal.headers()).toHaveLength(2)
      expect(clock.pendingTimers).toBe(0)
    })

    it('waits once however often it is asked for, and for the one before it as well', async () => {
      const { feed, session } = await firstLeft()
      clock.advance(PAUSE_MS)
      journal.hold()
      receive(session, frameOf([CALL.token], { dayVolume: 1 }))
      await settle(feed, false)
      for (let i = 2; i < 5; i++) {
        receive(session, frameOf([CALL.token], { dayVolume: i }))
        await settle(feed, false)
        clock.advance(PAUSE_MS)
      }
      expect(clock.pendingTimers).toBe(0)
      journal.letGo()
      await settle(feed, false)
      expect(journal.headers().map(({ recordCount }) => recordCount)).toEqual([3, 1, 3])
      receive(session, frameOf([CALL.token], { dayVolume: 5 }))
      await settle(feed, false)
      receive(session, frameOf([CALL.token], { dayVolume: 6 }))
      await settle(feed, false)
      expect(clock.pendingTimers).toBe(1)
    })

    it('is not waited for at the end', async () => {
      const { feed, session } = await firstLeft()
      receive(session, frameOf([CALL.token], { dayVolume: 1 }))
      await settle(feed, false)
      expect(journal.headers()).toHaveLength(1)
      await feed.end()
      expect(journal.ticks().map((t) => t.dayVolume)).toEqual([0, 1])
      expect(journal.records().at(-1)?.kind).toBe('epoch_end')
      expect(clock.pendingTimers).toBe(0)
      const batches = journal.headers().length
      clock.advance(10 * PAUSE_MS)
      await settle(feed, false)
      expect(journal.headers()).toHaveLength(batches)
      expectBalanced(feed, [session])
    })
  })
})

describe('back-pressure', () => {
  const small: IntakeLimits = { resumeBytes: 200, pauseBytes: 1_000, maxBytes: 3_000 }

  it('pauses the sockets while too much waits, and lets them go on once it is written', async () => {
    const { feed, session } = start([CALL], 1, small)
    journal.hold()
    for (let i = 0; i < 15; i++) receive(session, frameOf([CALL.token]))
    expect(pauses).toEqual([true])
    journal.letGo()
    await settle(feed)
    expect(pauses).toEqual([true, false])
    expect(feed.totals).toEqual({ received: 15, rejected: 0, journaled: 15, dropped: 0 })
  })

  it('drops what comes on top, counted and inside a gap, and ends the gap with the next tick', async () => {
    const { feed, session } = start([CALL], 1, small)
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    journal.hold()
    for (let i = 0; i < 60; i++) receive(session, frameOf([CALL.token]))
    journal.letGo()
    await settle(feed, false)
    clock.advance(5_000)
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S + 5 }))
    await settle(feed)
    const { dropped, received } = feed.totals
    expect(received).toBe(62)
    expect(dropped).toBeGreaterThan(10)
    expectBalanced(feed, [session])
    expect(journal.controls('gap_open')).toMatchObject([
      { reason: 'overflow', fromMs: START_MS - TICKER_GAP_LOOKBACK_MS, tokens: [CALL.token] },
    ])
    expect(journal.controls('gap_close')).toMatchObject([
      { ends: [{ token: CALL.token, toMs: START_MS + 5_000, mode: 'full' }] },
    ])
  })
})

describe('a journal that refuses', () => {
  it('on a full disk drops the ticks inside a gap, keeps every control record, and goes on later', async () => {
    const { feed, session } = start([CALL, PUT])
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    journal.isDiskFull = true
    journal.refusal = { error: new JournalRefusal('disk_full'), isTicksOnly: true }
    clock.advance(1_000)
    receive(session, frameOf([PUT.token, CALL.token], { exchangeTimeS: START_S + 1 }))
    await settle(feed, false)
    receive(session, frameOf([CALL.token]))
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000)
      feed.writeClock()
      receive(session, frameOf([CALL.token]))
      await settle(feed, false)
    }
    expect(feed.totals).toEqual({ received: 7, rejected: 0, journaled: 1, dropped: 6 })
    expect(journal.controls('instrument')).toHaveLength(2)
    expect(journal.controls('gap_open')).toHaveLength(1)
    expect(journal.controls('gap_open')).toMatchObject([
      { reason: 'disk_full', fromMs: START_MS + 1_000 - TICKER_GAP_LOOKBACK_MS },
    ])
    expect(journal.controls('gap_open')[0]?.tokens.toSorted()).toEqual(
      [CALL.token, PUT.token].toSorted(),
    )
    journal.isDiskFull = false
    journal.refusal = undefined
    clock.advance(1_000)
    feed.writeClock()
    await settle(feed, false)
    receive(session, frameOf([CALL.token, PUT.token]))
    await settle(feed)
    expect(journal.controls('gap_close')).toHaveLength(1)
    expect(gaps).toEqual(['opened disk_full 2', 'closed disk_full 2'])
    expectBalanced(feed, [session])
  })

  it('everything for a while is tried again without filling the memory', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    journal.refusal = { error: new JournalRefusal('write_failed'), isTicksOnly: false }
    for (let i = 0; i < 50; i++) {
      clock.advance(1_000)
      receive(session, frameOf([CALL.token]))
      feed.writeClock()
      await settle(feed, false)
    }
    expect(feed.totals.dropped).toBe(50)
    journal.refusal = undefined
    clock.advance(1_000)
    feed.writeClock()
    await settle(feed, false)
    receive(session, frameOf([CALL.token]))
    await settle(feed)
    expect(journal.controls('gap_open')).toHaveLength(1)
    expect(journal.controls('clock').length).toBeLessThan(5)
    expectBalanced(feed, [session])
  })
})

describe('packets that were read long after they were sent', () => {
  const HELD_UP_MS = 20_000
  const SENT_S = START_S + 10

  /** Both have begun; then the call is read `HELD_UP_MS` late, while market time goes on. */
  async function readLate() {
    const { feed, session } = start([CALL, PUT])
    receive(session, frameOf([CALL.token, PUT.token]))
    clock.advance(10_000 + HELD_UP_MS)
    await settle(feed, false)
    return { feed, session, late: frameOf([CALL.token], { exchangeTimeS: SENT_S }) }
  }

  it('let a gap of their socket begin before their sending', async () => {
    const { feed, session, late } = await readLate()
    receive(session, late)
    feed.openGap('disconnect', SLOT, session)
    await settle(feed)
    expect(journal.ticks().at(-1)?.marketTimeMs).toBe(START_MS + 10_000 + HELD_UP_MS)
    expect(journal.controls('gap_open')[0]?.fromMs).toBe(SENT_S * 1000 - TICKER_GAP_LOOKBACK_MS)
  })

  it('let a gap of their instrument begin before their sending', async () => {
    const { feed, session, late } = await readLate()
    receive(session, late)
    const stream = feed.coverage.streams.get(CALL.token)
    feed.openMuteGap(stream === undefined ? [] : [stream])
    await settle(feed)
    expect(journal.controls('gap_open')[0]?.fromMs).toBe(SENT_S * 1000 - TICKER_GAP_LOOKBACK_MS)
  })

  it('let a gap of what is dropped begin before their sending', async () => {
    const { feed, session, late } = await readLate()
    journal.refusal = { error: new JournalRefusal('write_failed'), isTicksOnly: false }
    receive(session, late)
    await settle(feed, false)
    journal.refusal = undefined
    clock.advance(1_000)
    await settle(feed)
    expect(journal.controls('gap_open')[0]?.fromMs).toBe(SENT_S * 1000 - TICKER_GAP_LOOKBACK_MS)
  })

  it('are not old snapshots, which take nothing back', async () => {
    const { feed, session } = await readLate()
    receive(session, frameOf([CALL.token], { exchangeTimeS: START_S - 600 }))
    feed.openGap('disconnect', SLOT, session)
    await settle(feed)
    expect(journal.controls('gap_open')[0]?.fromMs).toBe(START_MS - TICKER_GAP_LOOKBACK_MS)
  })
})

describe('a gap', () => {
  it('lists what had begun on the connection, from its last data on, and ends at each first packet', async () => {
    const { feed, session } = start([CALL, PUT, NIFTY])
    receive(session, frameOf([CALL.token, PUT.token]))
    clock.advance(10_000)
    session.onFrame(HEARTBEAT, clock.nowMs())
    feed.openGap('disconnect', SLOT, session)
    const next = feed.openSession(SLOT)
    clock.advance(2_000)
    receive(next, frameOf([CALL.token], { exchangeTimeS: START_S + 12 }))
    await settle(feed, false)
    expect(gaps).toEqual(['opened disconnect 2'])
    clock.advance(1_000)
    receive(next, frameOf([PUT.token, NIFTY.token], { exchangeTimeS: START_S + 13 }))
    await settle(feed)
    expect(gaps).toEqual(['opened disconnect 2', 'closed disconnect 2'])
    const [opened] = journal.controls('gap_open')
    expect(opened).toEqual({
      kind: 'gap_open',
      gapId: 't1-1000-1',
      reason: 'disconnect',
      account: 'main',
      connection: 1,
      fromMs: START_MS - TICKER_GAP_LOOKBACK_MS,
      tokens: [CALL.token, PUT.token],
    })
    expect(journal.controls('gap_close').flatMap(({ ends }) => ends)).toEqual([
      { token: CALL.token, toMs: START_MS + 12_000, mode: 'full' },
      { token: PUT.token, toMs: START_MS + 13_000, mode: 'full' },
    ])
    expect(journal.ticks().at(-1)?.connection).toBe(2)
    expectBalanced(feed, [session, next])
  })

  it('stands before the first tick that ends it', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    feed.openGap('mute', SLOT, session)
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    expect(journal.records().map(({ kind }) => kind)).toEqual([
      'instrument',
      'covered',
      'tick',
      'gap_open',
      'gap_close',
      'tick',
    ])
  })

  it('is not opened for a connection on which nothing has begun, nor twice for an instrument', async () => {
    const { feed, session } = start([CALL, PUT])
    feed.openGap('disconnect', SLOT, session)
    receive(session, frameOf([CALL.token]))
    feed.openGap('disconnect', SLOT, session)
    receive(session, frameOf([PUT.token]))
    feed.openGap('disconnect', SLOT, session)
    await settle(feed)
    expect(journal.controls('gap_open').map(({ tokens }) => tokens)).toEqual([
      [CALL.token],
      [PUT.token],
    ])
  })

  it('ends without a mode for an instrument that nobody wants any more', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    feed.openGap('disconnect', SLOT, session)
    clock.advance(500)
    feed.coverage.unwant(CALL.token)
    await settle(feed)
    expect(journal.controls('gap_close')).toMatchObject([
      { ends: [{ token: CALL.token, toMs: START_MS + 500, mode: null }] },
    ])
    expect(gaps).toEqual(['opened disconnect 1', 'closed disconnect 1'])
  })
})

describe('an instrument that is no longer wanted', () => {
  it('ends its coverage', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    clock.advance(750)
    feed.coverage.unwant(CALL.token)
    await settle(feed)
    expect(journal.controls('covered').at(-1)).toEqual({
      kind: 'covered',
      begin: [],
      end: [{ token: CALL.token, toMs: START_MS + 750 }],
    })
  })

  it('and never ticked, leaves no word', async () => {
    const { feed } = start([CALL])
    feed.coverage.unwant(CALL.token)
    await settle(feed, false)
    expect(journal.records()).toEqual([])
  })
})

describe('a changed mode', () => {
  it('promises less at once', async () => {
    const { feed, session } = start([CALL])
    receive(session, frameOf([CALL.token]))
    clock.advance(400)
    feed.coverage.want(CALL, 'ltp', SLOT)
    receive(session, frameOf([CALL.token]))
    await settle(feed)
    expect(journal.controls('covered').slice(1)).toEqual([
      {
        kind: 'covered',
        begin: [{ token: CALL.token, mode: 'ltp', fromMs: START_MS + 400 }],
        end: [{ token: CALL.token, toMs: START_MS + 400 }],
      },
    ])
  })
})

describe('a restart', () => {
  const recovered = {
    last: { epoch: 900, sequence: 50 },
    lastMarketTimeMs: START_MS - 60_000,
    lastReceivedAtMs: START_MS - 65_000,
    knownUntilMs: [],
    instruments: [CALL, PUT, NIFTY],
    covered: [
      { token: CALL.token, mode: 'full' as const },
      { token: NIFTY.token, mode: 'full' as const },
    ],
    openGaps: [
      {
        kind: 'gap_open' as const,
        gapId: 't1-900-3',
        reason: 'mute' as const,
        account: 'main',
        connection: 1,
        fromMs: START_MS - 100_000,
        tokens: [PUT.token],
      },
    ],
  }

  it('is a gap for what was covered, and leaves the gaps open that were', async () => {
    const { feed, session } = start([])
    feed.coverage.recover([recovered], recovered.lastReceivedAtMs)
    feed.coverage.want(CALL, 'full', SLOT)
    feed.coverage.want(PUT, 'full', SLOT)
    feed.coverage.dropUnclaimed()
    receive(session, frameOf([CALL.token, PUT.token]))
    await settle(feed)
    expect(journal.controls('instrument').map(({ instrument }) => instrument.token)).toEqual([
      PUT.token,
      CALL.token,
      NIFTY.token,
    ])
    expect(journal.controls('gap_open')).toMatchObject([
      { gapId: 't1-900-3', reason: 'mute', fromMs: START_MS - 100_000, tokens: [PUT.token] },
      {
        gapId: 't1-1000-1',
        reason: 'restart',
        fromMs: START_MS - 65_000 - TICKER_GAP_LOOKBACK_MS,
        tokens: [CALL.token, NIFTY.token],
      },
    ])
    const ends = journal.controls('gap_close').flatMap((r) => r.ends.map((e) => [r.gapId, e]))
    expect(ends).toEqual([
      ['t1-1000-1', { token: NIFTY.token, toMs: START_MS, mode: null }],
      ['t1-1000-1', { token: CALL.token, toMs: START_MS + 1, mode: 'full' }],
      ['t1-900-3', { token: PUT.token, toMs: START_MS + 1, mode: 'full' }],
    ])
    expect(gaps).toEqual(['opened restart 2', 'closed restart 2', 'closed mute 1'])
  })

  it('over several partitions is one gap with one beginning: that of the one known least far', async () => {
    journal = new MemoryJournal(4)
    const sensex = sensexOption(80_000, 'CE')
    const { feed } = start([], 4)
    const covered = (token: number) => [{ token, mode: 'full' as const }]
    const nothing = { lastReceivedAtMs: undefined, openGaps: [] }
    feed.coverage.recover(
      [
        { ...recovered, ...nothing, covered: covered(CALL.token) },
        {
          ...{ ...recovered, ...nothing, instruments: [sensex], covered: covered(sensex.token) },
          lastMarketTimeMs: START_MS - 63_000,
        },
        // Where nothing was streamed, nothing is missing.
        { ...recovered, ...nothing, covered: [], lastMarketTimeMs: START_MS - 600_000 },
      ],
      undefined,
    )
    const open = feed.coverage.openGaps
    await settle(feed)
    const told = [0, 1, 2, 3].flatMap((partition) => journal.controls('gap_open', partition))
    const fromMs = START_MS - 63_000 - TICKER_GAP_LOOKBACK_MS
    expect(told).toMatchObject([{ fromMs }, { fromMs }])
    expect(told.map(({ gapId }) => gapId)).toEqual(['t1-1000-1', 't1-1000-1'])
    expect(open).toMatchObject([{ gapId: 't1-1000-1', fromMs, instruments: 2 }])
  })

  it('with fewer partitions than before tells each gap once in each of them', async () => {
    const { feed } = start([])
    const parts = [CALL, PUT, NIFTY].map((instrument, i) => ({
      ...recovered,
      instruments: [instrument],
      covered: i === 2 ? [] : [{ token: instrument.token, mode: 'full' as const }],
      openGaps: recovered.openGaps.map((gap) => ({ ...gap, tokens: i === 2 ? [NIFTY.token] : [] })),
    }))
    feed.coverage.recover(parts, undefined)
    await settle(feed)
    expect(journal.controls('gap_open').map(({ gapId, tokens }) => [gapId, tokens])).toEqual([
      ['t1-900-3', [NIFTY.token]],
      ['t1-1000-1', [CALL.token, PUT.token]],
    ])
  })

  it.each([
    ['held up, with older packets unread', [-90_000], -90_000],
    ['with one connection behind the other', [-61_000, -66_000], -66_000],
    ['with a connection that was quiet for long', [-61_000, -600_000], -61_000],
  ])('%s breaks off where its last packets say', async (_, known, from) => {
    const { feed } = start([])
    const knownUntilMs = known.map((ms) => START_MS + ms)
    feed.coverage.recover([{ ...recovered, knownUntilMs }], undefined)
    await settle(feed)
    expect(journal.controls('gap_open').at(-1)).toMatchObject({
      reason: 'restart',
      fromMs: START_MS + from - TICKER_GAP_LOOKBACK_MS,
    })
  })

  it('on a token that the exchange has given away ends the old contract before the new one', async () => {
    const { feed, session } = start([])
    feed.coverage.recover([recovered], undefined)
    const successor: Instrument = { ...PUT, tradingsymbol: 'NIFTY26D0826000PE', token: CALL.token }
    feed.coverage.want(successor, 'full', SLOT)
    receive(session, frameOf([CALL.token]))
    await settle(feed, false)
    const kinds = journal.records().map(({ kind }) => kind)
    expect(kinds.slice(-4)).toEqual(['gap_close', 'instrument', 'covered', 'tick'])
    expect(journal.controls('instrument').at(-1)?.instrument).toEqual(successor)
  })
})

describe('the end', () => {
  it('is the last word in every partition', async () => {
    journal = new MemoryJournal(2)
    const { feed, session } = start([CALL], 2)
    receive(session, frameOf([CALL.token]))
    await feed.end()
    expect([0, 1].map((partition) => journal.records(partition).at(-1)?.kind)).toEqual([
      'epoch_end',
      'epoch_end',
    ])
    expectBalanced(feed, [session])
  })

  it.each([0, 5])(
    'with a pause of %i ms is written before it is said to be over, also where ticks are refused',
    async (pauseMs) => {
      const { feed, session } = start([CALL], 1, undefined, pauseMs)
      receive(session, frameOf([CALL.token], { dayVolume: 0 }))
      await settle(feed, false)
      journal.refusal = { error: new JournalRefusal('disk_full'), isTicksOnly: true }
      journal.isDiskFull = true
      receive(session, frameOf([CALL.token], { dayVolume: 1 }))
      await feed.end()
      expect(journal.ticks().map((t) => t.dayVolume)).toEqual([0])
      expect(journal.controls('gap_open')).toMatchObject([{ reason: 'disk_full' }])
      expect(journal.controls('epoch_end')).toHaveLength(1)
      expectBalanced(feed, [session])
    },
  )
})

function start(
  instruments: readonly Instrument[],
  partitions = 1,
  intakeLimits?: IntakeLimits,
  batchPauseMs = 0,
) {
  const feed = new Feed({
    journal,
    partitions,
    clock,
    log,
    marketTime: new MarketTime({ clock, speed: 1, startMs: START_MS }),
    journalLatency: new LatencyHistogram(),
    silences: NOT_JUDGED,
    rejections: (reason) => {
      const count = rejections.get(reason) ?? { value: 0 }
      rejections.set(reason, count)
      return count
    },
    onPause: (isPaused) => pauses.push(isPaused),
    onFirstTick: () => undefined,
    onGapOpened: (gap) => gaps.push(`opened ${described(gap)}`),
    onGapClosed: (gap) => gaps.push(`closed ${described(gap)}`),
    onTakenOver: () => undefined,
    batchPauseMs,
    ...(intakeLimits === undefined ? {} : { intakeLimits }),
  })
  for (const instrument of instruments) feed.coverage.want(instrument, 'full', SLOT)
  return { feed, session: feed.openSession(SLOT) }
}

function described({ reason, instruments }: OpenGap): string {
  return `${reason} ${instruments}`
}

function receive(session: FeedSession, bytes: Buffer): void {
  session.onFrame(bytes, clock.nowMs())
}

/** Lets everything that waits be written; with a clock at the end, so that the books are complete. */
async function settle(feed: Feed, withClock = true): Promise<void> {
  feed.scheduleFlush()
  for (let i = 0; i < 20; i++) await Promise.resolve()
  if (!withClock) return
  feed.writeClock()
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

/** Every packet stands in exactly one batch, and the totals say the same. */
function expectBalanced(feed: Feed, sessions: readonly FeedSession[]): void {
  const { received, rejected, journaled, dropped } = feed.totals
  expect(received).toBe(journaled + rejected + dropped)
  expect(sessions.reduce((sum, { packets }) => sum + packets, 0)).toBe(received)
  const books = journal.books()
  for (const { connection, packets } of sessions) {
    const book = books.get(connection)
    const sum = (book?.journaled ?? 0) + (book?.rejected ?? 0) + (book?.dropped ?? 0)
    expect(sum).toBe(packets)
    if (packets > 0) expect([book?.firstOrdinal, book?.lastOrdinal]).toEqual([1, packets])
  }
  const partitions = [...Array(4).keys()]
  const ticks = partitions.reduce((sum, partition) => sum + journal.ticks(partition).length, 0)
  expect(ticks).toBe(journaled)
}

function quoteFrame(token: number): Buffer {
  const writer = new FrameWriter()
  writer.quote(full(token))
  return writer.take()
}

function anyFrame() {
  const tokens = [CALL.token, PUT.token, NIFTY.token, sensexOption(80_000, 'CE').token, 77]
  const whole = fc
    .array(fc.constantFrom(...tokens), { maxLength: 6 })
    .map((chosen) => frameOf(chosen))
  const cut = fc
    .tuple(whole, fc.nat(200))
    .map(([frame, bytes]) => frame.subarray(0, Math.max(1, frame.length - bytes)))
  const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
  return fc.record({ bytes: fc.oneof(whole, cut, noise), isHeld: fc.boolean() })
}
