import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { ChainViews } from '../../../src/backend/api/chain-views.ts'
import {
  type MarketView,
  requireSeries,
  requireSymbol,
} from '../../../src/backend/api/series-lookup.ts'
import type { StreamSocket } from '../../../src/backend/api/stream/stream-client.ts'
import {
  type SaidBackfill,
  type SaidHealth,
  StreamHub,
} from '../../../src/backend/api/stream/stream-hub.ts'
import { applyDelta } from '../../../src/contract/api/chain-delta.ts'
import { ServerMessage } from '../../../src/contract/api/stream.ts'
import type { StreamChain } from '../../../src/contract/api/strike-distribution.ts'
import {
  STREAM_BEAT_MS,
  STREAM_CLIENTS,
  STREAM_MESSAGES_PER_SECOND,
  STREAM_SLOW_CLIENT_MS,
  STREAM_SUBSCRIPTIONS_PER_CLIENT,
  STREAM_UNREAD_MAX_BYTES,
} from '../../../src/limits.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { formatIst } from '../../../src/market/ist.ts'
import { silentLog } from '../../silent-log.ts'
import { EXPIRY, NIFTY, OPEN_MS } from '../scenario.ts'
import { calendar, LISTED, LiveMarket, NEXT_EXPIRY } from './live-market.ts'
import { SteppedClock } from './stepped-clock.ts'

const isServerMessage = Compile(ServerMessage)

/** A socket whose reading a test controls. */
class FakeSocket implements StreamSocket {
  bufferedAmount = 0
  readonly sent: ServerMessage[] = []
  pings = 0
  closedWith: readonly [number, string] | undefined
  isTerminated = false

  send(text: string): void {
    const message: unknown = JSON.parse(text)
    if (!isServerMessage.Check(message))
      throw new Error(`not of the protocol: ${text.slice(0, 300)}`)
    this.sent.push(message)
  }

  ping(): void {
    this.pings++
  }

  close(code: number, reason: string): void {
    this.closedWith = [code, reason]
  }

  terminate(): void {
    this.isTerminated = true
  }

  of<Op extends ServerMessage['op']>(op: Op): Extract<ServerMessage, { op: Op }>[] {
    return this.sent.filter((m): m is Extract<ServerMessage, { op: Op }> => m.op === op)
  }
}

/** What a client makes of the messages of one subscription. */
function replay(sent: readonly ServerMessage[], id = 'chain'): StreamChain {
  let chain: StreamChain | undefined
  let sequence = 0
  for (const message of sent) {
    if ((message.op !== 'snapshot' && message.op !== 'delta') || message.id !== id) continue
    expect(message.sequence).toBe(sequence + 1)
    sequence = message.sequence
    if (message.op === 'snapshot') chain = message.chain
    else if (chain !== undefined) chain = applyDelta(chain, message)
    else throw new Error('a delta before the first snapshot')
  }
  if (chain === undefined) throw new Error('nothing came')
  return chain
}

function setUp(nowMs = OPEN_MS) {
  const market = new LiveMarket()
  const clock = new SteppedClock(nowMs)
  const view: MarketView = {
    chains: market.chains,
    clock,
    feed: 'kite',
    calendar,
    calendarMode: 'exchange',
  }
  const views = new ChainViews(view)
  const health: SaidHealth = {
    at: formatIst(nowMs),
    feed: 'kite',
    status: 'ok',
    message: null,
    market_time: formatIst(nowMs),
    market_time_age_ms: 0,
    calendar: {
      mode: 'exchange',
      covered_through: '2026-12-31',
      assumed: false,
      session: 'open',
      next_change_at: null,
    },
    gaps_open: 0,
  }
  const backfill: SaidBackfill = {
    queue: {
      waiting: 3,
      running: 1,
      later: 0,
      requests_per_second: 3,
      eta_ms: 1_333,
      waits_for: null,
    },
    backfills: [],
  }
  const asked = { health: 0 }
  const hub = new StreamHub(
    {
      chain: ({ symbol, expiry, eachSide }) => views.chain(symbol, expiry, eachSide),
      ageMs: (presented) => views.ageMs(presented),
      requireSymbol: (text) => requireSymbol(market.chains.master, text),
      requireExpiry: (symbol, expiry) => requireSeries(view, symbol, expiry ?? undefined).expiry,
      health: () => {
        asked.health++
        return health
      },
      backfill: () => backfill,
    },
    clock,
    silentLog,
  )
  const connect = () => {
    const socket = new FakeSocket()
    const client = hub.connect(socket)
    const say = (message: unknown) => client.onMessage(JSON.stringify(message), false)
    return { socket, client, say }
  }
  const rest = (eachSide: number | null = null) => views.chain('NIFTY50', EXPIRY, eachSide)?.chain
  return { market, clock, views, hub, connect, rest, health, backfill, asked }
}

/** A market that moves a little every 30 ms for a second. */
function moveASecond({ market, clock }: ReturnType<typeof setUp>, from = 0): void {
  for (let step = 0; step < 33; step++) {
    const atMs = OPEN_MS + from + step * 30
    market.tickAll(atMs, 24_500 + ((step * 7) % 40))
    clock.advance(30)
  }
  clock.advance(10 + STREAM_BEAT_MS)
}

describe('a stream of a chain', () => {
  it('is a snapshot, then deltas that make the chain which REST answers', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY', expiry: EXPIRY })
    expect(socket.sent).toHaveLength(1)
    expect(socket.sent[0]).toMatchObject({ op: 'snapshot', id: 'chain', sequence: 1 })
    moveASecond(scene)
    expect(socket.of('delta').length).toBeGreaterThan(5)
    expect(socket.of('snapshot')).toHaveLength(1)
    expect(replay(socket.sent)).toEqual(scene.rest())
  })

  it('follows a window around a moving ATM', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_440)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', id: 'near', channel: 'chain', symbol: 'NIFTY', strikes: 1 })
    for (const spot of [24_440, 24_490, 24_540, 24_480]) {
      scene.market.tickAll(OPEN_MS + spot, spot)
      scene.clock.advance(STREAM_BEAT_MS)
      expect(replay(socket.sent, 'near')).toEqual(scene.rest(1))
    }
    expect(socket.of('delta').some(({ removed }) => removed !== undefined)).toBe(true)
  })

  it('says no more than ten things a second, and nothing when nothing changes', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    moveASecond(scene)
    expect(socket.of('delta').length).toBeLessThanOrEqual(12)
    const before = socket.sent.length
    scene.clock.advance(5_000)
    expect(socket.sent).toHaveLength(before)
  })

  it('makes one chain and one difference for all who follow it', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const clients = Array.from({ length: 20 }, () => scene.connect())
    for (const { say } of clients) say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    scene.clock.advance(STREAM_BEAT_MS)
    const before = scene.views.presented
    scene.market.tickAll(OPEN_MS + 1_000, 24_510)
    scene.clock.advance(STREAM_BEAT_MS)
    expect(scene.views.presented).toBe(before + 1)
    for (const { socket } of clients) expect(replay(socket.sent)).toEqual(scene.rest())
  })

  it('computes nothing while nobody listens, and its beat stops with the last client', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    expect(scene.clock.timers).toBe(0)
    const { client, say } = scene.connect()
    scene.clock.advance(5_000)
    expect(scene.views.presented).toBe(0)
    expect(scene.asked.health).toBe(0)
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    say({ op: 'unsubscribe', id: 'chain' })
    const before = scene.views.presented
    moveASecond(scene)
    expect(scene.views.presented).toBe(before)
    client.onClose()
    expect(scene.clock.timers).toBe(0)
    expect(scene.hub.clients).toBe(0)
  })

  it('answers a resnapshot with the next number', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    moveASecond(scene)
    say({ op: 'resnapshot', id: 'chain' })
    const last = socket.sent.at(-1)
    expect(last).toMatchObject({ op: 'snapshot', sequence: socket.sent.length })
    expect(replay(socket.sent)).toEqual(scene.rest())
  })

  it('rolls to the next expiry with a snapshot when the nearest one closes', () => {
    const closeMs = Date.parse('2026-11-23T15:40:00+05:30')
    const scene = setUp(closeMs - 1_500)
    scene.market.tickAll(closeMs - 2_000, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    say({ op: 'subscribe', id: 'fixed', channel: 'chain', symbol: 'NIFTY', expiry: EXPIRY })
    scene.clock.advance(3_000)
    const expiries = socket.of('snapshot').map(({ id, chain }) => [id, chain.expiry])
    expect(expiries).toEqual([
      ['chain', EXPIRY],
      ['fixed', EXPIRY],
      ['chain', NEXT_EXPIRY],
    ])
  })

  it('ends with an error when the series is no longer listed', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY', expiry: NEXT_EXPIRY })
    const remaining = LISTED.filter(({ expiry }) => expiry !== NEXT_EXPIRY)
    scene.market.chains.replaceMaster(new InstrumentMaster(remaining))
    scene.clock.advance(STREAM_BEAT_MS)
    expect(socket.of('error')).toEqual([
      expect.objectContaining({
        id: 'chain',
        error: expect.objectContaining({ code: 'unknown_expiry' }),
      }),
    ])
    scene.clock.advance(1_000)
    expect(socket.of('error')).toHaveLength(1)
  })
})

describe('a slow client', () => {
  it('is sent nothing while it does not read, then one snapshot that is up to date', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const slow = scene.connect()
    const quick = scene.connect()
    for (const { say } of [slow, quick]) say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    slow.socket.bufferedAmount = STREAM_UNREAD_MAX_BYTES + 1
    moveASecond(scene)
    expect(slow.socket.sent).toHaveLength(1)
    expect(quick.socket.of('delta').length).toBeGreaterThan(5)
    slow.socket.bufferedAmount = 0
    scene.clock.advance(STREAM_BEAT_MS)
    expect(slow.socket.sent).toHaveLength(2)
    expect(slow.socket.sent[1]).toMatchObject({ op: 'snapshot', sequence: 2 })
    expect(replay(slow.socket.sent)).toEqual(scene.rest())
    moveASecond(scene, 2_000)
    expect(replay(slow.socket.sent)).toEqual(scene.rest())
  })

  it('is dropped with the reason when it goes on not reading', () => {
    const scene = setUp()
    scene.market.tickAll(OPEN_MS, 24_500)
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' })
    socket.bufferedAmount = STREAM_UNREAD_MAX_BYTES + 1
    scene.clock.advance(STREAM_SLOW_CLIENT_MS - STREAM_BEAT_MS)
    expect(socket.closedWith).toBeUndefined()
    scene.clock.advance(3 * STREAM_BEAT_MS)
    expect(socket.sent.at(-1)).toMatchObject({ op: 'dropped', reason: 'slow_client' })
    expect(socket.closedWith).toEqual([1008, 'slow_client'])
    expect(scene.hub.clients).toBe(0)
    scene.clock.advance(5_000)
    expect(socket.isTerminated).toBe(true)
  })

  it('that does not answer a ping is dropped, one that does is kept', () => {
    const scene = setUp()
    const dead = scene.connect()
    const alive = scene.connect()
    for (let second = 0; second < 60; second++) {
      scene.clock.advance(1_000)
      if (alive.socket.pings > 0) alive.client.onPong()
    }
    expect(dead.socket.closedWith).toEqual([1008, 'slow_client'])
    expect(alive.socket.closedWith).toBeUndefined()
    expect(alive.socket.pings).toBeGreaterThan(2)
  })
})

describe('backfill on the stream', () => {
  it('is told at once, at most once a second while it changes, and from time to time', () => {
    const scene = setUp()
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'backfill' })
    expect(socket.of('backfill')).toMatchObject([
      { id: 'backfill', channel: 'backfill', sequence: 1, queue: { waiting: 3 } },
    ])
    for (let left = 29; left > 0; left--) {
      Object.assign(scene.backfill.queue, { waiting: left })
      scene.clock.advance(100)
    }
    const waiting = socket.of('backfill').map(({ queue }) => queue.waiting)
    expect(waiting).toHaveLength(3)
    scene.clock.advance(10_000)
    expect(socket.of('backfill').length).toBeGreaterThanOrEqual(5)
    say({ op: 'unsubscribe', id: 'backfill' })
    const told = socket.of('backfill').length
    scene.clock.advance(10_000)
    expect(socket.of('backfill')).toHaveLength(told)
  })
})

describe('health on the stream', () => {
  it('comes at once, on a change, and at least every five seconds', () => {
    const scene = setUp()
    const { socket, say } = scene.connect()
    say({ op: 'subscribe', channel: 'health' })
    expect(socket.of('health')).toHaveLength(1)
    scene.clock.advance(3_000)
    expect(socket.of('health')).toHaveLength(1)
    Object.assign(scene.health, { status: 'degraded', message: '1 gap is open in the feed.' })
    scene.clock.advance(1_000)
    expect(socket.of('health')).toHaveLength(2)
    scene.clock.advance(20_000)
    expect(socket.of('health').length).toBeGreaterThanOrEqual(6)
    expect(socket.of('health').map(({ sequence }) => sequence)).toEqual(
      socket.of('health').map((_, i) => i + 1),
    )
  })
})

describe('what a client says wrongly', () => {
  const wrong: readonly (readonly [string, string | null, string, RegExp])[] = [
    ['no json', null, 'bad_request', /JSON/],
    ['[]', null, 'bad_request', /object/],
    ['null', null, 'bad_request', /object/],
    ['{"op":"jump"}', null, 'bad_request', /subscribe, unsubscribe, resnapshot/],
    ['{"op":"subscribe","id":"a","channel":"news"}', 'a', 'bad_request', /chain, health/],
    ['{"op":"subscribe","id":"a","channel":"chain"}', 'a', 'bad_request', /"symbol" is missing/],
    ['{"op":"subscribe","id":7,"channel":"health"}', null, 'bad_request', /"id"/],
    ['{"op":"subscribe","channel":"chain","symbol":"XYZ"}', 'chain', 'unknown_symbol', /XYZ/],
    [
      '{"op":"subscribe","id":"b","channel":"chain","symbol":"NIFTY","expiry":"2026-02-31"}',
      'b',
      'bad_request',
      /no date/,
    ],
    [
      '{"op":"subscribe","id":"b","channel":"chain","symbol":"NIFTY","strikes":"5"}',
      'b',
      'bad_request',
      /1 to 500/,
    ],
    [
      '{"op":"subscribe","id":"b","channel":"chain","symbol":"NIFTY","strike":5}',
      'b',
      'bad_request',
      /did you mean "strikes"/,
    ],
    ['{"op":"resnapshot","id":"none"}', 'none', 'not_found', /no subscription/],
  ]

  it.each(wrong)('%s is answered, and the socket stays open', (text, id, code, message) => {
    const scene = setUp()
    const { socket, client, say } = scene.connect()
    client.onMessage(text, false)
    expect(socket.sent).toHaveLength(1)
    const [error] = socket.of('error')
    expect(error?.id).toBe(id)
    expect(error?.error.code).toBe(code)
    expect(error?.error.message).toMatch(message)
    say({ op: 'subscribe', channel: 'health' })
    expect(socket.of('health')).toHaveLength(1)
    expect(socket.closedWith).toBeUndefined()
  })

  it('is answered when it is binary, or too much', () => {
    const scene = setUp()
    const { socket, client, say } = scene.connect()
    client.onMessage('x', true)
    expect(socket.of('error')[0]?.error.message).toMatch(/text/)
    for (let i = 0; i < STREAM_MESSAGES_PER_SECOND; i++) say({ op: 'unsubscribe', id: 'x' })
    expect(socket.of('error').at(-1)?.error.code).toBe('rate_limited')
    scene.clock.advance(1_000)
    say({ op: 'subscribe', channel: 'health' })
    expect(socket.of('health')).toHaveLength(1)
  })

  it('does not let one client take more than its share, nor too many in', () => {
    const scene = setUp()
    const { socket, say } = scene.connect()
    for (let i = 0; i <= STREAM_SUBSCRIPTIONS_PER_CLIENT; i++) {
      say({ op: 'subscribe', id: `h${i}`, channel: 'health' })
    }
    expect(socket.of('health')).toHaveLength(STREAM_SUBSCRIPTIONS_PER_CLIENT)
    expect(socket.of('error')[0]).toMatchObject({
      id: `h${STREAM_SUBSCRIPTIONS_PER_CLIENT}`,
      error: { code: 'capacity_exceeded' },
    })
    say({ op: 'subscribe', id: 'h0', channel: 'chain', symbol: 'NIFTY' })
    expect(socket.of('snapshot')).toHaveLength(1)

    const others = Array.from({ length: STREAM_CLIENTS }, () => scene.connect())
    expect(others.at(-2)?.socket.closedWith).toBeUndefined()
    const last = others.at(-1)?.socket
    expect(last?.sent).toEqual([expect.objectContaining({ reason: 'too_many_clients' })])
    expect(last?.closedWith).toEqual([1013, 'too_many_clients'])
  })
})

describe('the end of the server', () => {
  it('is told to every client', () => {
    const scene = setUp()
    scene.market.tick(NIFTY, OPEN_MS, 24_500)
    const clients = [scene.connect(), scene.connect()]
    scene.hub.stop()
    for (const { socket } of clients) {
      expect(socket.sent).toEqual([expect.objectContaining({ reason: 'shutting_down' })])
      expect(socket.closedWith).toEqual([1001, 'shutting_down'])
    }
  })
})
