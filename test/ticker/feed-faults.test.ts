/**
 * What becomes of 1,500 instruments when the broker's side fails, against the simulated exchange: its
 * ledger says what was sent and what was kept back.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { startExchange } from '../../src/exchange/serve.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { alwaysOpenCalendar } from '../../src/market/calendar.ts'
import { kiteBroker } from '../../src/ticker/broker.ts'
import { startTicker, type TickerHandle } from '../../src/ticker/ticker.ts'
import { asBusy } from '../busy-machine.ts'
import { silentLog } from '../silent-log.ts'
import { subscribeAroundTheMoney } from './support/around-the-money.ts'
import { MemoryJournal } from './support/memory-journal.ts'
import { keptLog } from './support/silent-log.ts'
import { ACCOUNT, onRelease, releaseAll, temporaryFolder } from './support/start-test-ticker.ts'

const INSTRUMENTS = 1_500
const SILENCE_MS = 5_000
const NOTICED_MS = SILENCE_MS + 5_000
const soon = (ms: number) => ({ timeout: asBusy(ms), interval: 20 })
const PARTITIONS = [0, 1, 2, 3]
/** As many seconds as it takes to learn that each instrument ticks every second. */
const LEARN_MS = 22_000

interface Sent {
  readonly connection: number
  readonly bytes: number
  readonly closed_ms: number | null
  readonly withheld: { packets: number; first_ms: number | null; last_ms: number | null }
}

const log = keptLog()
const journal = new MemoryJournal(PARTITIONS.length)
let exchangeUrl: string
let ticker: TickerHandle
let learnedAtMs: number

beforeAll(async () => {
  const dir = temporaryFolder()
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 2 * INSTRUMENTS,
    stateDir: `${dir}/exchange`,
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  exchangeUrl = exchange.url
  ticker = await startTicker({
    config: {
      version: '0.0.0',
      feed: 'simulated',
      host: '127.0.0.1',
      port: 0,
      dataDir: dir,
      partitions: PARTITIONS.length,
      accounts: [{ ...ACCOUNT, ...exchange.accounts[0] }],
      instrumentsPerAccount: INSTRUMENTS,
      muteAfterMs: SILENCE_MS,
      marketSpeed: 1,
      startMarketTimeMs: exchange.marketTimeMs(),
      calendarMode: 'always',
      redisChannelPrefix: 'ticker:nifty',
    },
    journal,
    subscriptionStore: undefined,
    instrumentStore: undefined,
    calendar: alwaysOpenCalendar(),
    broker: kiteBroker({
      webSocketRoot: exchange.url.replace('http', 'ws'),
      restRoot: exchange.url,
      clock: systemClock,
    }),
    clock: systemClock,
    log,
    random: () => 0.5,
    onFailure: (error) => expect.fail(String(error)),
  })
  onRelease(() => ticker.stop('test'))
  await subscribeAroundTheMoney(ticker)
  const known = new Set(rows().map(({ instrument_token }) => instrument_token))
  const more = ticker.master.search({ segment: 'NFO-OPT' }).filter(({ token }) => !known.has(token))
  const instruments = more.slice(0, INSTRUMENTS - known.size).map(({ token }) => {
    return { instrument_token: token }
  })
  await ticker.subscriptions.subscribe({ instruments }, 'test', 20_000)
  expect(slot(1).instruments).toBe(1_000)
  expect(slot(2).instruments).toBe(500)
  learnedAtMs = Date.now() + LEARN_MS
}, 240_000)

afterAll(releaseAll)

it('a dropped socket ticks again on all its instruments within 3 s, and no other notices', async () => {
  const [dropped] = await openLedgers()
  const droppedAtMs = Date.now()
  await fault({ fault: 'disconnect', connection: dropped?.connection })
  await vi.waitFor(() => expect(slot(1).reconnects).toBe(1), soon(3_000))
  await vi.waitFor(() => expect(silentSince(droppedAtMs, 1)).toBe(0), soon(3_000))
  const openedAtMs = Date.parse(slot(1).opened_at ?? '')
  const firstTicks = firstTicksAfter(openedAtMs, 1)
  expect(firstTicks.length).toBe(1_000)
  expect(Math.max(...firstTicks) - openedAtMs).toBeLessThanOrEqual(asBusy(1_000))
  expect(Math.max(...firstTicks) - droppedAtMs).toBeLessThanOrEqual(asBusy(3_000))
  expect(gapTokens('disconnect').size).toBe(1_000)
  const others = arrivals(await connectionOf(2))
  const control = longestPause(others.filter((ms) => ms < droppedAtMs && ms > droppedAtMs - 3_000))
  expect(longestPause(others.filter((ms) => ms >= droppedAtMs))).toBeLessThan(control + 500)
  expect(slot(2)).toMatchObject({ state: 'open', reconnects: 0, last_error: null })
  expect(slot(1)).toMatchObject({ state: 'open', next_retry_at: null })
  expect(slot(1).last_error).toMatch(/^closed \(1001\)/)
})

it('broken frames are counted and told once a minute with their bytes, and the next are decoded', async () => {
  const connection = await connectionOf(2)
  for (const kind of ['malformed', 'truncated', 'duplicate', 'out_of_order']) {
    const before = ticker.status().totals
    await fault({ fault: kind, connection })
    await vi.waitFor(() => {
      expect(ticker.status().totals.journaled).toBeGreaterThan(before.journaled + 3_000)
    }, soon(3_000))
  }
  expect(ticker.status().totals.rejected).toBe(2)
  const told = log.lines.filter(({ message }) => message === 'Malformed frame')
  expect(told).toHaveLength(1)
  expect(told[0]?.fields['sample']).toMatch(/^[0-9a-f]{8,}$/)
  expect(slot(2).reconnects).toBe(0)
})

it('a half-open socket is noticed within 5 s, ticks or not, and opened anew', async () => {
  const connection = await connectionOf(2)
  const fromMs = Date.now()
  await fault({ fault: 'half_open', connection })
  await vi.waitFor(
    () => expect(slot(2).last_error).toMatch(/neither tick nor heartbeat/),
    soon(5_000),
  )
  await vi.waitFor(() => expect(silentSince(fromMs + 1_000, 2)).toBe(0), soon(9_000))
  expect(slot(2)).toMatchObject({ state: 'open', reconnects: 1 })
  expect(slot(1).reconnects).toBe(1)
})

it('an instrument alone that stops is asked for anew alone, inside a gap of its own', async () => {
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(learnedAtMs), soon(LEARN_MS))
  const connection = await connectionOf(1)
  const tokens = rows(1)
    .slice(100, 105)
    .map(({ instrument_token }) => instrument_token)
  const fromMs = Date.now()
  await fault({ fault: 'mute', tokens, connection, duration_ms: 60_000 })
  await vi.waitFor(() => expect(gapTokens('mute').size).toBe(5), soon(NOTICED_MS))
  expect(gapTokens('mute')).toEqual(new Set(tokens))
  await vi.waitFor(() => expect(silentSince(fromMs + SILENCE_MS, 1)).toBe(0), soon(3_000))
  const { withheld } = await ledgerOf(connection)
  expect(withheld.packets).toBeGreaterThanOrEqual(5 * 4)
  expectWide(new Set(tokens), withheld)
  await vi.waitFor(() => expect(slot(1).instruments_mute).toBe(0), soon(1_000))
  expect(slot(1)).toMatchObject({ state: 'open', reconnects: 1 })
})

it('a mute socket is noticed within the silence + 5 s, and its gap is no narrower than what was kept back', async () => {
  const connection = await connectionOf(2)
  const fromMs = Date.now()
  const before = gapTokens('mute')
  await fault({ fault: 'mute', connection, duration_ms: 60_000 })
  await vi.waitFor(() => expect(slot(2).reconnects).toBe(2), soon(NOTICED_MS))
  expect(slot(2).last_error).toMatch(/^no tick for \d+ s$/)
  await vi.waitFor(() => expect(silentSince(fromMs + SILENCE_MS, 2)).toBe(0), soon(3_000))
  const touched = new Set([...gapTokens('mute')].filter((token) => !before.has(token)))
  expect(touched).toEqual(new Set(rows(2).map(({ instrument_token }) => instrument_token)))
  const { withheld } = await ledgerOf(connection)
  expect(withheld.packets).toBeGreaterThan(500 * 3)
  expectWide(touched, withheld)
  expect(slot(1).reconnects).toBe(1)
})

it('each connection’s figures are those of the exchange’s ledger', async () => {
  await vi.waitFor(async () => {
    const bytes = (await ledgers()).reduce((sum, each) => sum + each.bytes, 0)
    const received = ticker.status().connections.reduce((sum, each) => sum + each.bytes_received, 0)
    expect(bytes - received).toBeLessThanOrEqual(200_000)
    expect(received).toBeLessThanOrEqual(bytes)
  }, soon(2_000))
  // How many come in a second is the machine's affair; that they come now is not.
  const sinceMs = Date.now()
  await vi.waitFor(() => {
    for (const { last_tick_at, opened_at, ticks_per_second } of [slot(1), slot(2)]) {
      expect(ticks_per_second).toBeGreaterThan(0)
      expect(Date.parse(last_tick_at ?? '')).toBeGreaterThan(sinceMs)
      expect(Date.parse(opened_at ?? '')).toBeLessThan(Date.now())
    }
  }, soon(10_000))
  expect(slot(3)).toMatchObject({ state: 'closed', opened_at: null, bytes_received: 0 })
  await control('/rate', { ticks_per_second: 0 })
  await vi.waitFor(() => {
    expect(Date.now() - Date.parse(slot(1).last_heartbeat_at ?? '')).toBeLessThan(1_500)
  }, soon(3_000))
})

/** The gaps of reason `mute` of these tokens hold all that was kept back: to the exchange's second. */
function expectWide(tokens: ReadonlySet<number>, withheld: Sent['withheld']): void {
  const opens = PARTITIONS.flatMap((p) => journal.controls('gap_open', p)).filter(
    (gap) => gap.reason === 'mute' && gap.tokens.some((token) => tokens.has(token)),
  )
  const ids = new Set(opens.map(({ gapId }) => gapId))
  const ends = PARTITIONS.flatMap((p) => journal.controls('gap_close', p))
    .filter(({ gapId }) => ids.has(gapId))
    .flatMap((close) => close.ends)
  for (const { fromMs } of opens) expect(fromMs).toBeLessThanOrEqual(withheld.first_ms ?? 0)
  const lastSecondMs = Math.floor((withheld.last_ms ?? 0) / 1_000) * 1_000
  expect(new Set(ends.map(({ token }) => token))).toEqual(tokens)
  for (const { toMs } of ends) expect(toMs).toBeGreaterThanOrEqual(lastSecondMs)
}

function gapTokens(reason: string): Set<number> {
  const gaps = PARTITIONS.flatMap((p) => journal.controls('gap_open', p))
  return new Set(gaps.filter((gap) => gap.reason === reason).flatMap((gap) => gap.tokens))
}

function rows(connection?: number) {
  const { rows: all } = ticker.subscriptions.list({})
  return all.filter((row) => connection === undefined || row.connection === connection)
}

function slot(connection: number) {
  const found = ticker.status().connections.find((each) => each.connection === connection)
  if (found === undefined) throw new Error(`there is no connection ${connection}`)
  return found
}

/** Instruments of a slot without a tick since then. */
function silentSince(ms: number, connection: number): number {
  return rows(connection).filter((row) => Date.parse(row.last_tick_at ?? '') <= ms).length
}

function firstTicksAfter(ms: number, connection: number): number[] {
  const tokens = new Set(rows(connection).map(({ instrument_token }) => instrument_token))
  const first = new Map<number, number>()
  for (const tick of PARTITIONS.flatMap((p) => [...journal.ticks(p)])) {
    if (tick.receivedAtMs < ms || !tokens.has(tick.token) || first.has(tick.token)) continue
    first.set(tick.token, tick.receivedAtMs)
  }
  return [...first.values()]
}

/** When packets of one of the exchange's connections came, in order. */
function arrivals(connection: number): number[] {
  return PARTITIONS.flatMap((p) => [...journal.ticks(p)])
    .filter((tick) => tick.connection === connection)
    .map(({ receivedAtMs }) => receivedAtMs)
    .sort((a, b) => a - b)
}

function longestPause(times: readonly number[]): number {
  return times.reduce((most, ms, i) => Math.max(most, ms - (times[i - 1] ?? ms)), 0)
}

/** The newest of that size: a half-open one stays for a while. Numbered alike on both sides, as only the ticker connects. */
async function connectionOf(slotNumber: number): Promise<number> {
  const wanted = slot(slotNumber).instruments
  const { connections } = (await control('/status')) as {
    connections: { connection: number; instruments: number }[]
  }
  const found = connections.findLast(({ instruments }) => instruments === wanted)
  if (found === undefined) throw new Error(`slot ${slotNumber} is not at the exchange`)
  return found.connection
}

async function openLedgers(): Promise<Sent[]> {
  return (await ledgers()).filter(({ closed_ms }) => closed_ms === null)
}

async function ledgerOf(connection: number): Promise<Sent> {
  const found = (await ledgers()).find((each) => each.connection === connection)
  if (found === undefined) throw new Error(`connection ${connection} has no ledger`)
  return found
}

async function ledgers(): Promise<Sent[]> {
  return ((await control('/ledger')) as { connections: Sent[] }).connections
}

function fault(body: Record<string, unknown>): Promise<unknown> {
  return control('/faults', body)
}

async function control(path: string, body?: unknown): Promise<unknown> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const request = body === undefined ? {} : { ...init, body: JSON.stringify(body) }
  const response = await fetch(`${exchangeUrl}/control${path}`, request)
  expect(response.ok).toBe(true)
  return response.json()
}
