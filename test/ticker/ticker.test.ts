import { afterEach, describe, expect, it, vi } from 'vitest'
import { KITE_SOCKET_CLOSE_TIMEOUT_MS, TICKER_GAP_LOOKBACK_MS } from '../../src/limits.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { msOfIst } from '../../src/market/ist.ts'
import { kiteBroker } from '../../src/ticker/broker.ts'
import { type BrokerServer, startBroker } from './support/broker-server.ts'
import { frameOf, NIFTY, option, smallMaster } from './support/contracts.ts'
import { MemoryJournal } from './support/memory-journal.ts'
import {
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
} from './support/start-test-ticker.ts'
import { START_MS, TestClock } from './support/test-clock.ts'

const CALL = option(26_000, 'CE')
const PUT = option(26_000, 'PE')
const WITHIN = { timeout: 60_000, interval: 5 }

afterEach(releaseAll)

describe('the very first start', () => {
  it('streams nothing before it is asked', async () => {
    const { broker, ticker, journal } = await runTicker({ isUnasked: true })
    expect(ticker.subscriptions.list({}).rows).toEqual([])
    await ticker.subscriptions.subscribe({ instrument_token: CALL.token }, 'api', undefined)
    await vi.waitFor(() => expect(broker.peer.modes.size).toBe(1), WITHIN)
    expect([...broker.peer.modes]).toEqual([[CALL.token, 'full']])
    expect(journal.records().some(({ kind }) => kind === 'gap_open')).toBe(false)
  })
})

describe('ticks', () => {
  it('reach the journal in order, behind their instrument and the beginning of their coverage', async () => {
    const tokens = [option(24_500, 'CE').token, option(24_500, 'PE').token]
    const { broker, journal, events } = await runOnly(tokens.map((token) => ({ token })))
    for (let i = 1; i <= 3; i++) broker.peer.send(frameOf(tokens, { dayVolume: i }))
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(6), WITHIN)
    const kinds = journal
      .records()
      .map(({ kind }) => kind)
      .filter((kind) => kind !== 'clock')
    expect(kinds.slice(0, 5)).toEqual(['instrument', 'instrument', 'covered', 'tick', 'tick'])
    expect(journal.ticks().map(({ dayVolume }) => dayVolume)).toEqual([1, 1, 2, 2, 3, 3])
    const own = () => events.filter((event) => tokens.includes(event.instrument_token ?? 0))
    await vi.waitFor(() => {
      expect(
        own().map(({ event_type, instrument_token }) => [event_type, instrument_token]),
      ).toEqual([
        ['subscription_created', tokens[0]],
        ['subscription_created', tokens[1]],
        ['subscription_live', tokens[0]],
        ['subscription_live', tokens[1]],
      ])
    }, WITHIN)
    const numbers = events.map(({ event_id }) => Number(event_id.replace('1000-', '')))
    expect(numbers).toEqual(numbers.toSorted((x, y) => x - y))
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(own()[0]?.metadata).toEqual({
      tradingsymbol: 'NIFTY26D0124500CE',
      segment: 'NFO-OPT',
      exchange: 'NFO',
      symbol: 'NIFTY50',
      expiry: '2026-12-01',
      strike: 24_500,
      option_type: 'CE',
      mode: 'full',
      account: 'main',
    })
  })

  it('of an unknown token are rejected, and the books balance', async () => {
    const { broker, journal, ticker } = await runOnly([CALL])
    broker.peer.send(frameOf([CALL.token, 4_242 * 256 + 2]))
    broker.peer.send(Buffer.from([0, 2, 0, 8, 1, 2, 3]))
    await vi.waitFor(() => {
      expect(ticker.status().totals).toMatchObject({
        received: 3,
        rejected: 2,
        journaled: 1,
        dropped: 0,
      })
    }, WITHIN)
    await vi.waitFor(() => {
      expect(journal.books().get(1)).toEqual({
        connection: 1,
        firstOrdinal: 1,
        lastOrdinal: 3,
        journaled: 1,
        rejected: 2,
        dropped: 0,
      })
    }, WITHIN)
  })

  it('wait in the network while the journal does not take them, and none is lost', async () => {
    const running = await runOnly([CALL])
    const { broker, journal, log } = running
    journal.hold()
    const frame = frameOf(Array.from({ length: 1_000 }, () => CALL.token))
    for (let i = 0; i < 250; i++) broker.peer.send(frame)
    const pauses = () => log.lines.filter(({ message }) => message === 'Sockets paused')
    await vi.waitFor(() => expect(pauses()).toHaveLength(1), WITHIN)
    journal.letGo()
    await vi.waitFor(() => {
      expect(running.ticker.status().totals).toMatchObject({ journaled: 250_000, dropped: 0 })
    }, WITHIN)
    expect(journal.controls('gap_open')).toEqual([])
    expect(running.ticker.status().connections[0]?.state).toBe('open')
  })
})

describe('a dropped socket', () => {
  it('is back within 3 s with everything subscribed anew, and its gap closes', async () => {
    const { broker, journal, events, ticker } = await runOnly([CALL, PUT])
    broker.peer.send(frameOf([CALL.token, PUT.token]))
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(2), WITHIN)
    const droppedAtMs = performance.now()
    broker.peer.socket.terminate()
    await vi.waitFor(() => expect(journal.controls('gap_open')).toHaveLength(1), WITHIN)
    expect(ticker.status().gaps_open).toMatchObject([{ reason: 'disconnect', instruments: 2 }])
    await vi.waitFor(() => expect(broker.peers).toHaveLength(2), WITHIN)
    await vi.waitFor(() => expect(broker.peer.modes.size).toBe(2), WITHIN)
    expect(performance.now() - droppedAtMs).toBeLessThan(3_000)
    expect(broker.peer.modes).toEqual(new Map([CALL, PUT].map(({ token }) => [token, 'full'])))
    broker.peer.send(frameOf([CALL.token, PUT.token]))
    await vi.waitFor(() => expect(journal.controls('gap_close')).toHaveLength(1), WITHIN)
    const [gap] = journal.controls('gap_open')
    expect(gap).toMatchObject({ account: 'main', connection: 1, tokens: [CALL.token, PUT.token] })
    expect(gap?.fromMs).toBeLessThan(journal.controls('gap_close')[0]?.ends[0]?.toMs ?? 0)
    expect(journal.ticks().map(({ connection }) => connection)).toEqual([1, 1, 2, 2])
    const gapEvents = events.filter(({ event_type }) => event_type.startsWith('feed_gap'))
    expect(gapEvents).toMatchObject([
      {
        event_type: 'feed_gap_opened',
        instrument_token: null,
        metadata: { reason: 'disconnect', instruments: 2, to: null },
      },
      { event_type: 'feed_gap_closed', metadata: { instruments: 2 } },
    ])
    expect(ticker.status()).toMatchObject({
      gaps_open: [],
      connections: [{ reconnects: 1 }, {}, {}],
    })
  })

  it('of 1,500 instruments is told all of them anew, in their mode', async () => {
    const broker = await brokerOf(
      Array.from({ length: 1_500 }, (_, i) => option(100 + 50 * i, 'CE')),
    )
    const running = await runTicker({ broker })
    const names = broker.instruments.map(({ tradingsymbol }) => ({ tradingsymbol }))
    const answer = await request(running, 'POST', '/subscriptions', { instruments: names })
    expect(answer.status).toBe(201)
    await vi.waitFor(() => expect(broker.carried().size).toBe(1_500), WITHIN)
    expect(broker.peers).toHaveLength(2)
    for (const { socket } of broker.peers) socket.terminate()
    await vi.waitFor(() => expect(broker.peers).toHaveLength(4), WITHIN)
    // How long that takes is measured by the benches.
    await vi.waitFor(() => expect(broker.carried().size).toBe(1_500), WITHIN)
    expect(new Set(broker.carried().values())).toEqual(new Set(['full']))
  })
})

describe('a mute socket', () => {
  it('is reopened although it sends heartbeats, inside a gap', async () => {
    const { broker, journal } = await runOnly([CALL], { muteAfterMs: 1_500 })
    broker.peer.send(frameOf([CALL.token]))
    const heartbeats = setInterval(() => broker.peers.at(-1)?.send(Buffer.from([0])), 200)
    await vi.waitFor(() => expect(journal.controls('gap_open')).toHaveLength(1), WITHIN)
    await vi.waitFor(() => expect(broker.peers).toHaveLength(2), WITHIN)
    clearInterval(heartbeats)
    expect(journal.controls('gap_open')[0]).toMatchObject({ reason: 'mute', tokens: [CALL.token] })
  })
})

describe('a refused account', () => {
  it('is down and said so with the login link, and not tried again and again', async () => {
    const broker = await brokerOf(smallMaster())
    broker.refuseWith = 403
    broker.isProfileRefused = true
    const { ticker, log } = await runTicker({ broker })
    await vi.waitFor(() => {
      expect(ticker.status().accounts[0]).toMatchObject({
        state: 'down',
        reason: 'the access token has ended or is wrong',
        login_url: expect.stringContaining('api_key=key'),
      })
    }, WITHIN)
    expect(broker.upgrades).toHaveLength(1)
    expect(ticker.status().connections[0]?.state).toBe('waiting')
    expect(ticker.status().status).toBe('degraded')
    expect(JSON.stringify(log.lines)).not.toContain('secret-token')
  })

  it('whose token still answers the profile call has no market data', async () => {
    const broker = await brokerOf(smallMaster())
    broker.refuseWith = 403
    const { ticker } = await runTicker({ broker })
    await vi.waitFor(
      () => expect(ticker.status().accounts[0]?.state).toBe('no_market_data'),
      WITHIN,
    )
  })
})

describe('subscriptions', () => {
  it('send only the difference on the wire', async () => {
    const running = await runOnly([CALL])
    const { broker } = running
    const { messages } = broker.peer
    const before = messages.length
    await request(running, 'POST', '/subscriptions', { instrument_token: PUT.token })
    await vi.waitFor(() => expect(broker.peer.modes.get(PUT.token)).toBe('full'), WITHIN)
    await request(running, 'POST', '/subscriptions', { instrument_token: PUT.token, mode: 'quote' })
    await vi.waitFor(() => expect(broker.peer.modes.get(PUT.token)).toBe('quote'), WITHIN)
    await request(running, 'DELETE', `/subscriptions/${PUT.token}`)
    await vi.waitFor(() => expect(broker.peer.modes.has(PUT.token)).toBe(false), WITHIN)
    expect(messages.slice(before)).toEqual([
      { a: 'subscribe', v: [PUT.token] },
      { a: 'mode', v: ['full', [PUT.token]] },
      { a: 'mode', v: ['quote', [PUT.token]] },
      { a: 'unsubscribe', v: [PUT.token] },
    ])
    expect(broker.peers).toHaveLength(1)
  })

  it('are there again after a restart, with a gap for the time away', async () => {
    const first = await runOnly([CALL, PUT])
    first.broker.peer.send(frameOf([CALL.token]))
    await vi.waitFor(() => expect(first.journal.ticks()).toHaveLength(1), WITHIN)
    await first.ticker.stop('test')
    expect(first.journal.records().at(-1)?.kind).toBe('epoch_end')
    const journal = new MemoryJournal(1)
    journal.recovered.set(0, {
      last: { epoch: 900, sequence: 9 },
      lastMarketTimeMs: START_MS - 8_000,
      lastReceivedAtMs: undefined,
      knownUntilMs: [],
      instruments: [CALL, NIFTY],
      covered: [CALL, NIFTY].map(({ token }) => ({ token, mode: 'full' as const })),
      openGaps: [],
    })
    const { broker, dataDir } = first
    const second = await runTicker({ broker, dataDir, journal })
    await vi.waitFor(() => expect(broker.peer.modes.size).toBe(2), WITHIN)
    broker.peer.send(frameOf([CALL.token]))
    await vi.waitFor(() => expect(second.ticker.status().gaps_open).toEqual([]), WITHIN)
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(1), WITHIN)
    expect(journal.controls('gap_open')).toMatchObject([
      {
        reason: 'restart',
        fromMs: START_MS - 8_000 - TICKER_GAP_LOOKBACK_MS,
        tokens: [CALL.token, NIFTY.token],
      },
    ])
    expect(journal.controls('gap_close').flatMap(({ ends }) => ends)).toMatchObject([
      { token: NIFTY.token, mode: null },
      { token: CALL.token, mode: 'full' },
    ])
  })
})

describe('a stepped wall clock', () => {
  it('reopens the sockets inside a gap', async () => {
    const clock = new TestClock()
    const running = await runOnly([CALL], {}, { clock })
    const { broker, journal } = running
    broker.peer.send(frameOf([CALL.token]))
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(1), WITHIN)
    clock.advance(3_000)
    expect(journal.controls('gap_open')).toEqual([])
    clock.stepWall(-3_600_000)
    clock.advance(1_000)
    await vi.waitFor(() => {
      expect(journal.controls('gap_open')).toMatchObject([
        { reason: 'clock_step', tokens: [CALL.token] },
      ])
    }, WITHIN)
    clock.advance(1_000)
    await vi.waitFor(() => expect(broker.peers).toHaveLength(2), WITHIN)
    await vi.waitFor(() => expect(broker.peer.modes.size).toBe(1), WITHIN)
    const times = journal.controls('clock').map(({ marketTimeMs }) => marketTimeMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

describe('an expiry', () => {
  it('ends its contracts at 16:00 of the day, and takes no new ones after the close', async () => {
    const clock = new TestClock()
    const startMarketTimeMs = msOfIst('2026-12-01', '15:58')
    const running = await runTicker({ config: { startMarketTimeMs }, deps: { clock } })
    const { broker, events } = running
    await vi.waitFor(() => expect(broker.carried().size).toBe(3), WITHIN)
    const late = await request(running, 'POST', '/subscriptions', { instrument_token: CALL.token })
    expect(late).toMatchObject({
      status: 410,
      body: {
        error: { code: 'expired', message: expect.stringContaining('has expired') },
      },
    })
    const early = msOfIst('2026-12-01', '15:30')
    const before = await runTicker({ config: { startMarketTimeMs: early }, deps: { clock } })
    const option = { instrument_token: CALL.token }
    expect((await request(before, 'POST', '/subscriptions', option)).status).not.toBe(410)
    clock.advance(29 * 60_000)
    expect(before.ticker.subscriptions.one(CALL.token).status).not.toBe('removed')
    clock.advance(60_000)
    await vi.waitFor(() => {
      expect(before.ticker.subscriptions.one(CALL.token).status).toBe('removed')
      const ended = before.events.filter(({ event_type }) => event_type === 'subscription_removed')
      expect(ended.map((event) => event.instrument_token)).toContain(CALL.token)
      expect(ended[0]?.metadata).toMatchObject({ reason: 'expired' })
    }, WITHIN)
    expect(before.ticker.subscriptions.one(NIFTY.token).status).not.toBe('removed')
    expect(events.some(({ event_type }) => event_type === 'subscription_removed')).toBe(false)
  })
})

describe('stopping', () => {
  it('ends the epoch, closes the sockets and the port, twice without harm', async () => {
    const { ticker, journal, broker, failures } = await runOnly([CALL])
    const peer = broker.peer
    const startedAtMs = performance.now()
    await Promise.all([ticker.stop('test'), ticker.stop('again')])
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
    expect(journal.records().at(-1)?.kind).toBe('epoch_end')
    expect(peer.socket.readyState).not.toBe(peer.socket.OPEN)
    await expect(fetch(`${ticker.url}/health`)).rejects.toThrow()
    expect(failures).toEqual([])
  })

  it('ends the epoch when the sockets are no longer read, not when the broker has let them go', async () => {
    const clock = new TestClock()
    const broker = await brokerOf(smallMaster())
    const { webSocketRoot, restRoot } = broker
    const { ticker, journal } = await runTicker({
      broker,
      deps: { clock, broker: kiteBroker({ webSocketRoot, restRoot, clock }) },
      isUnasked: true,
    })
    const wanted = [{ instrument_token: CALL.token }]
    await ticker.subscriptions.subscribe({ instruments: wanted }, 'api', undefined)
    await vi.waitFor(() => expect(broker.peer.modes.size).toBe(1), WITHIN)
    broker.peer.send(frameOf([CALL.token]))
    await vi.waitFor(() => expect(journal.ticks()).toHaveLength(1), WITHIN)
    const { socket } = broker.peer
    socket.pause()
    let isStopped = false
    const stopping = ticker.stop('test').then(() => {
      isStopped = true
    })
    await vi.waitFor(() => expect(journal.records().at(-1)?.kind).toBe('epoch_end'), WITHIN)
    expect(isStopped).toBe(false)
    clock.advance(KITE_SOCKET_CLOSE_TIMEOUT_MS)
    await stopping
    // The gap of the next start begins with these: nothing was read of the time until the socket was gone.
    expect(journal.headers().at(-1)?.marketTimeMs).toBe(START_MS)
    expect(journal.controls('clock').at(-1)?.marketTimeMs).toBe(START_MS)
  })
})

async function brokerOf(instruments: readonly Instrument[]): Promise<BrokerServer> {
  const broker = await startBroker(instruments)
  onRelease(() => broker.stop())
  return broker
}

/** A ticker that streams these and nothing else. */
async function runOnly(
  instruments: readonly { readonly token: number }[],
  config: { readonly muteAfterMs?: number } = {},
  deps: { readonly clock?: TestClock } = {},
): Promise<Running> {
  const running = await runTicker({ config, deps, isUnasked: true })
  const { broker, ticker } = running
  const wanted = instruments.map(({ token }) => ({ instrument_token: token }))
  await ticker.subscriptions.subscribe({ instruments: wanted }, 'api', undefined)
  await vi.waitFor(() => expect(broker.peer.modes.size).toBe(instruments.length), WITHIN)
  return running
}
