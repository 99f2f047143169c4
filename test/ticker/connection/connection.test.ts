import { beforeEach, describe, expect, it } from 'vitest'
import { LatencyHistogram } from '../../../src/kit/latency-histogram.ts'
import { KiteError } from '../../../src/kite/kite-error.ts'
import type { KiteSocketHandlers } from '../../../src/kite/socket.ts'
import { TICKER_RECONNECT_FIRST_MS, TICKER_STALL_MS } from '../../../src/limits.ts'
import type { TickMode } from '../../../src/market/tick.ts'
import type { BrokerSocket } from '../../../src/ticker/broker.ts'
import { Connection } from '../../../src/ticker/connection/connection.ts'
import { Feed } from '../../../src/ticker/feed/feed.ts'
import { MarketTime } from '../../../src/ticker/feed/market-time.ts'
import { frameOf, option } from '../support/contracts.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { keptLog } from '../support/silent-log.ts'
import { START_MS, TestClock } from '../support/test-clock.ts'

const SLOT = { account: 'main', connection: 1 }
const CALL = option(26_000, 'CE')
const PUT = option(26_000, 'PE')
const MUTE_AFTER_MS = 10_000
const NOT_JUDGED = {
  leastMs: Number.POSITIVE_INFINITY,
  onSocketHeard: () => undefined,
  onStreamsHeard: () => undefined,
}

class FakeSocket implements BrokerSocket {
  readonly told: string[] = []
  isPaused = false
  isClosed = false
  readonly handlers: KiteSocketHandlers

  constructor(handlers: KiteSocketHandlers) {
    this.handlers = handlers
  }

  async subscribe(tokens: readonly number[]): Promise<void> {
    this.told.push(`subscribe ${tokens.length}`)
  }

  async unsubscribe(tokens: readonly number[]): Promise<void> {
    this.told.push(`unsubscribe ${tokens.length}`)
  }

  async setMode(mode: TickMode, tokens: readonly number[]): Promise<void> {
    this.told.push(`${mode} ${tokens.length}`)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

interface Attempt {
  readonly signal: AbortSignal
  accept(): Promise<FakeSocket>
  refuse(error: KiteError): Promise<void>
}

let clock: TestClock
let attempts: Attempt[]
let sockets: FakeSocket[]
let gaps: string[]
let reports: string[]
let subscribed: number[]
let feed: Feed
let connection: Connection

beforeEach(() => {
  clock = new TestClock()
  attempts = []
  sockets = []
  gaps = []
  reports = []
  subscribed = []
  const log = keptLog()
  feed = new Feed({
    journal: new MemoryJournal(1),
    partitions: 1,
    clock,
    log,
    marketTime: new MarketTime({ clock, speed: 1, startMs: START_MS }),
    journalLatency: new LatencyHistogram(),
    silences: NOT_JUDGED,
    rejections: () => ({ value: 0 }),
    onPause: () => undefined,
    onFirstTick: () => undefined,
    onGapOpened: () => undefined,
    onGapClosed: () => undefined,
    onTakenOver: () => undefined,
  })
  connection = new Connection({
    slot: SLOT,
    clock,
    log,
    random: () => 1,
    muteAfterMs: MUTE_AFTER_MS,
    openSocket: (handlers, signal) =>
      new Promise((resolve, reject) => {
        attempts.push({
          signal,
          accept: async () => {
            const socket = new FakeSocket(handlers)
            sockets.push(socket)
            resolve(socket)
            await turn()
            return socket
          },
          refuse: async (error) => {
            reject(error)
            await turn()
          },
        })
      }),
    openSession: (slot) => feed.openSession(slot),
    onGap: (reason) => gaps.push(reason),
    onReport: (news) => reports.push(news),
    onSubscribed: (tokens) => subscribed.push(...tokens),
  })
  for (const instrument of [CALL, PUT]) feed.coverage.want(instrument, 'full', SLOT)
})

describe('a connection', () => {
  it('opens when there is something to carry, and closes when there is nothing more', async () => {
    expect(attempts).toHaveLength(0)
    want(CALL.token)
    const socket = await accept()
    expect(socket.told).toEqual(['subscribe 1', 'full 1'])
    expect(subscribed).toEqual([CALL.token])
    connection.unwant(CALL.token)
    expect(socket.isClosed).toBe(true)
    expect(gaps).toEqual([])
    expect(connection.state.kind).toBe('idle')
  })

  it('gathers the changes of one turn in one message', async () => {
    want(CALL.token)
    const socket = await accept()
    socket.told.length = 0
    for (let token = 1; token <= 500; token++) want(token)
    await turn()
    expect(socket.told).toEqual(['subscribe 500', 'full 500'])
  })

  it('comes back after a drop, tells everything anew, and hears no more of the old socket', async () => {
    want(CALL.token, PUT.token)
    const old = await accept()
    tick(old)
    drop(old)
    expect(gaps).toEqual(['disconnect'])
    clock.advance(TICKER_RECONNECT_FIRST_MS - 1)
    expect(attempts).toHaveLength(1)
    clock.advance(1)
    expect(attempts).toHaveLength(2)
    const next = await accept()
    expect(next.told).toEqual(['subscribe 2', 'full 2'])
    const before = connection.session?.packets
    tick(old)
    drop(old)
    expect(connection.session?.packets).toBe(before)
    expect(connection.state.kind).toBe('open')
    expect(connection.reconnects).toBe(1)
  })

  it('closes a socket that opens after nobody wants it any more', async () => {
    want(CALL.token)
    connection.unwant(CALL.token)
    expect(attempts[0]?.signal.aborted).toBe(true)
    const late = await accept()
    expect(late.isClosed).toBe(true)
    expect(connection.state.kind).toBe('idle')
  })

  it('waits as long as a 429 says, and long after a 403, but not once there is a new token', async () => {
    want(CALL.token)
    await refuse('too_many_connections', 7_000)
    clock.advance(6_999)
    expect(attempts).toHaveLength(1)
    clock.advance(1)
    expect(attempts).toHaveLength(2)
    await refuse('forbidden')
    clock.advance(30_000)
    expect(attempts).toHaveLength(2)
    connection.retryNow()
    expect(attempts).toHaveLength(3)
    await accept()
    expect(reports).toEqual(['busy', 'refused', 'accepted'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('after a clock step reopens inside a gap', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    connection.onClockStep()
    expect(gaps).toEqual(['clock_step'])
    expect(socket.isClosed).toBe(true)
    expect(connection.state.kind).toBe('waiting')
  })

  it('stopped leaves no timer and opens nothing again', async () => {
    want(CALL.token)
    await refuse('network')
    await connection.stop()
    expect(clock.pendingTimers).toBe(0)
    connection.retryNow()
    want(PUT.token)
    clock.advance(100_000)
    expect(attempts).toHaveLength(1)
    expect(gaps).toEqual([])
  })
})

describe('a silent socket', () => {
  it('is mute after the configured silence, heartbeats or not', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    check()
    for (let second = 1; second < 10; second++) {
      clock.advance(1_000)
      socket.handlers.onFrame(Buffer.from([0]), clock.nowMs())
      check()
    }
    expect(gaps).toEqual([])
    clock.advance(1_000)
    beat(socket)
    check()
    expect(gaps).toEqual(['mute'])
    expect(socket.isClosed).toBe(true)
  })

  it('is not mute out of session, and has its full time from the opening bell on', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    clock.advance(10 * 3_600_000)
    beat(socket)
    check(false)
    check()
    clock.advance(MUTE_AFTER_MS - 1)
    beat(socket)
    check()
    expect(gaps).toEqual([])
    clock.advance(1)
    check()
    expect(gaps).toEqual(['mute'])
  })

  it('is not mute while we do not read it', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    check()
    connection.setPaused(true)
    expect(socket.isPaused).toBe(true)
    clock.advance(5 * MUTE_AFTER_MS)
    check()
    connection.setPaused(false)
    check()
    expect([socket.isPaused, gaps]).toEqual([false, []])
    clock.advance(MUTE_AFTER_MS)
    beat(socket)
    check()
    expect(gaps).toEqual(['mute'])
  })

  it('that ends before a check saw it is told as a gap, and the socket stays', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    check()
    clock.advance(2 * MUTE_AFTER_MS)
    const judged: number[] = []
    const isUnlikely = (silentMs: number) => judged.push(silentMs) > 1
    connection.onSilenceOver(MUTE_AFTER_MS - 1, isUnlikely)
    connection.onSilenceOver(MUTE_AFTER_MS, isUnlikely)
    expect([judged, gaps]).toEqual([[MUTE_AFTER_MS], []])
    // No longer than data was due.
    connection.onSilenceOver(9 * MUTE_AFTER_MS, isUnlikely)
    expect([judged.at(-1), gaps]).toEqual([2 * MUTE_AFTER_MS, ['mute']])
    expect([socket.isClosed, connection.state.kind]).toEqual([false, 'open'])
  })

  it('is no fault where its instruments are rarely heard of, however long it lasts', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    for (let second = 1; second < 100; second++) {
      clock.advance(1_000)
      beat(socket)
      connection.check({ isDataDue: true, isPaceKnown: true, isUnlikely: () => false })
    }
    expect(gaps).toEqual([])
  })

  it('is mute until it ticks again: waiting, and opened anew', async () => {
    want(CALL.token)
    beat(await accept())
    check()
    clock.advance(MUTE_AFTER_MS)
    beat(attemptSocket())
    check()
    expect([connection.state.kind, connection.isMute]).toEqual(['waiting', true])
    expect(connection.history.lastError).toBe('no tick for 10 s')
    expect(connection.history.nextRetryAtMs).toBe(clock.nowMs() + TICKER_RECONNECT_FIRST_MS)
    clock.advance(TICKER_RECONNECT_FIRST_MS)
    const next = await accept()
    expect([connection.state.kind, connection.isMute]).toEqual(['open', true])
    tick(next)
    expect(connection.isMute).toBe(false)
  })
})

describe('a stalled connection', () => {
  it('is one without even a heartbeat, in session or not, and is opened anew', async () => {
    want(CALL.token)
    const socket = await accept()
    tick(socket)
    clock.advance(TICKER_STALL_MS - 1)
    check(false)
    beat(socket)
    clock.advance(TICKER_STALL_MS - 1)
    check(false)
    expect(connection.state.kind).toBe('open')
    clock.advance(1)
    check(false)
    expect(connection.state).toMatchObject({ kind: 'waiting', cause: 'stall' })
    expect(gaps).toEqual(['disconnect'])
    expect(socket.isClosed).toBe(true)
  })

  it('is not one that we do not read', async () => {
    want(CALL.token)
    await accept()
    connection.setPaused(true)
    clock.advance(10 * TICKER_STALL_MS)
    check()
    connection.setPaused(false)
    check()
    expect(connection.state.kind).toBe('open')
  })
})

describe('instruments that are asked for anew', () => {
  it('are unsubscribed, subscribed and set to their modes, and no other is touched', async () => {
    want(CALL.token, PUT.token)
    const socket = await accept()
    socket.told.length = 0
    connection.askAnew([CALL.token])
    expect(socket.told).toEqual(['unsubscribe 1', 'subscribe 1', 'full 1'])
  })
})

function want(...tokens: number[]): void {
  for (const token of tokens) connection.want(token, { mode: 'full', priority: 'normal' })
}

function check(isDataDue = true): void {
  connection.check({ isDataDue, isPaceKnown: true, isUnlikely: () => true })
}

async function accept(): Promise<FakeSocket> {
  const attempt = attempts.at(-1)
  if (attempt === undefined) throw new Error('nothing was opened')
  return attempt.accept()
}

function attemptSocket(): FakeSocket {
  const socket = sockets.at(-1)
  if (socket === undefined) throw new Error('no socket is open')
  return socket
}

function beat(socket: FakeSocket): void {
  socket.handlers.onFrame(Buffer.from([0]), clock.nowMs())
}

async function refuse(
  code: ConstructorParameters<typeof KiteError>[0],
  retryAfterMs?: number,
): Promise<void> {
  await attempts.at(-1)?.refuse(new KiteError(code, 'no', { retryAfterMs }))
}

function tick(socket: FakeSocket): void {
  socket.handlers.onFrame(frameOf([CALL.token]), clock.nowMs())
}

function drop(socket: FakeSocket): void {
  socket.handlers.onClose({ code: 1006, reason: '', error: undefined })
}

async function turn(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve()
}
