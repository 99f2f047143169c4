/**
 * History as it comes in at the broker's own request rates: until the two hours before a subscription
 * can be read, alone, as a chain and as a whole watch list; until a gap is repaired; and how many
 * lifecycle events at once are taken. All of it is watched from outside, over REST.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Backfills } from '../src/contract/api/backfills.ts'
import type { Gap, Gaps } from '../src/contract/api/gaps.ts'
import { BACKFILL_AGREE_MS, HISTORY_SETTLE_MS } from '../src/limits.ts'
import type { Instrument } from '../src/market/instrument.ts'
import type { BenchContext } from './context.ts'
import {
  type BrokerAndProgram,
  type BrokerAndProgramOptions,
  withBrokerAndProgram,
} from './load/broker-and-program.ts'
import { type Burst, publishBurst, redisUrl } from './load/event-burst.ts'
import { type Healed, lostSince, untilHealed } from './load/healed.ts'
import { getJson, postJson } from './load/http.ts'
import { pause } from './load/loaded-platform.ts'
import { watchList } from './load/market-load.ts'
import { nearMoney } from './load/near-money.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { untilReadable } from './load/two-hours.ts'
import { atLeast, atMost, ms, type ResultRow, type Verdict, worst } from './report.ts'

const SEED = 1
/** The broker's: histories of one key a second. */
const KEY_RATE = 3
const ROUNDS = 8
const ROUND_PAUSE_MS = 1_000
const CHAIN = 42
const KEYS = 3
const WATCH_LIST = 500
const SYMBOLS = ['NIFTY50', 'BANKNIFTY', 'FINNIFTY', 'MIDCPNIFTY', 'SENSEX']
const ETA_AFTER_MS = 2_000
const GAP_INSTRUMENTS = 300
const GAP_MS = 60_000
/** A gap begins with the last packets, some seconds before the connection is lost. */
const BEGUN_BEFORE_MS = 30_000
const EVENTS = 5_000
const WITHIN_MS = 120_000
/** A refused connection is tried again after half a minute at the latest. */
const REPAIR_WITHIN_MS = 240_000
const EVENTS_WITHIN_MS = 30_000
const ENDED: readonly Gap['status'][] = ['repaired', 'unrepairable']

type StoreName = 'embedded' | 'PostgreSQL'
type Events = NonNullable<BrokerAndProgramOptions['redis']>

export async function benchHistory(context: BenchContext): Promise<readonly ResultRow[]> {
  const redis = await eventServer()
  context.say('history: embedded, one key')
  const embedded = { seed: SEED, keys: 1, databaseUrl: undefined, redis }
  const rows = [...(await onProgram(context, embedded, (run) => oneKey(context, run, 'embedded')))]
  const server = await serverUrl()
  if (server === undefined) return rows
  context.say('history: PostgreSQL, one key')
  const single = await withDatabase(server, (databaseUrl) => {
    const options = { seed: SEED, keys: 1, databaseUrl, redis }
    return onProgram(context, options, (run) => oneKey(context, run, 'PostgreSQL'))
  })
  context.say('history: PostgreSQL, three keys')
  const several = await withDatabase(server, (databaseUrl) => {
    const options = { seed: SEED, keys: KEYS, databaseUrl, redis }
    return onProgram(context, options, (run) => severalKeys(context, run, databaseUrl, redis))
  })
  return [...rows, ...single, ...several]
}

async function eventServer(): Promise<Events | undefined> {
  const url = await redisUrl()
  if (url === undefined) return undefined
  return { url, prefix: `fostream-bench-${randomBytes(4).toString('hex')}` }
}

function onProgram<T>(
  context: BenchContext,
  options: BrokerAndProgramOptions,
  use: (running: BrokerAndProgram) => Promise<T>,
): Promise<T> {
  return withFolder((folder) => withBrokerAndProgram(context, folder, options, use))
}

// ---------------------------------------------------------------- one key

async function oneKey(
  context: BenchContext,
  running: BrokerAndProgram,
  store: StoreName,
): Promise<readonly ResultRow[]> {
  const lone = await oneByOne(context, running)
  const { chainMs, pairMs } = await wholeChain(running)
  return [loneRow(lone, store), chainRow(chainMs, store), pairRow(pairMs, store)]
}

/** Milliseconds of each. */
async function oneByOne(
  context: BenchContext,
  running: BrokerAndProgram,
): Promise<readonly number[]> {
  const tookMs: number[] = []
  const { nearest } = nearMoney(SEED, 'BANKNIFTY', Date.now())
  for (const option of nearest.slice(0, context.seconds(ROUNDS))) {
    await queueEmpty(running)
    await pause(ROUND_PAUSE_MS)
    tookMs.push(await historyOfOne(running, option))
  }
  return tookMs
}

async function historyOfOne(running: BrokerAndProgram, instrument: Instrument): Promise<number> {
  const took = await subscribeAndRead(running, [instrument], 2)
  return Math.max(...took.values())
}

/** The underlying is streamed before, as it is for whoever opens a chain: so its price is known. */
async function wholeChain(running: BrokerAndProgram): Promise<{ chainMs: number; pairMs: number }> {
  const { index } = nearMoney(SEED, 'NIFTY50', Date.now())
  await historyOfOne(running, index)
  await queueEmpty(running)
  await pause(ROUND_PAUSE_MS)
  const chain = nearMoney(SEED, 'NIFTY50', Date.now()).nearest.slice(0, CHAIN)
  const took = await subscribeAndRead(running, chain, 20)
  const [atm] = chain
  const pair = chain.filter(({ strike }) => strike === atm?.strike)
  return {
    chainMs: Math.max(...took.values()),
    pairMs: Math.max(...pair.map(({ tradingsymbol }) => took.get(tradingsymbol) ?? Infinity)),
  }
}

// ---------------------------------------------------------------- three keys

async function severalKeys(
  context: BenchContext,
  running: BrokerAndProgram,
  databaseUrl: string,
  redis: Events | undefined,
): Promise<readonly ResultRow[]> {
  const watched = await watchWholeList(running)
  context.say('history: repair')
  const repair = await withClient(databaseUrl, (database) =>
    repairAfterDisconnect(running, watched.instruments, database),
  )
  const rows = [listRow(watched.tookMs), etaRow(watched), ...repairRows(repair)]
  if (redis === undefined) return rows
  context.say('history: events')
  const listed = watchList(SEED, EVENTS, Date.now())
  return [
    ...rows,
    eventsRow(await publishBurst(redis, running.backendUrl, listed, EVENTS_WITHIN_MS)),
  ]
}

interface WatchedList {
  readonly instruments: readonly Instrument[]
  readonly tookMs: number
  /** What was told after a moment, and what it came to from there. */
  readonly toldMs: number | null
  /** Histories that were awaited at that moment: on a busy machine not all are known by then. */
  readonly awaited: number
  readonly cameToMs: number
}

async function watchWholeList(running: BrokerAndProgram): Promise<WatchedList> {
  const instruments = SYMBOLS.flatMap((symbol) =>
    nearMoney(SEED, symbol, Date.now()).several.slice(0, WATCH_LIST / SYMBOLS.length),
  )
  await queueEmpty(running)
  await pause(ROUND_PAUSE_MS)
  const startMs = performance.now()
  const [took, told] = await Promise.all([
    subscribeAndRead(running, instruments, 200),
    pause(ETA_AFTER_MS).then(async () => {
      const { eta_ms, waiting, running: asked, later } = await queueOf(running)
      const awaited = waiting + asked + later
      return { toldMs: eta_ms, awaited, atMs: performance.now() - startMs }
    }),
  ])
  const tookMs = Math.max(...took.values())
  const { toldMs, awaited, atMs } = told
  return { instruments, tookMs, toldMs, awaited, cameToMs: tookMs - atMs }
}

interface Repair {
  readonly instruments: number
  readonly healed: Healed
  /** When the broker's candles may be trusted, and the gaps were repaired, epoch ms. */
  readonly trustedAtMs: number
  readonly repairedAtMs: number
  readonly gaps: readonly Gap[]
}

async function repairAfterDisconnect(
  running: BrokerAndProgram,
  instruments: readonly Instrument[],
  database: pg.Client,
): Promise<Repair> {
  const { backendUrl, exchangeUrl } = running
  await remove(running, instruments.slice(GAP_INSTRUMENTS))
  const fromMs = Date.now()
  await postJson(`${exchangeUrl}/control/faults`, { fault: 'disconnect', duration_ms: GAP_MS })
  await pause(GAP_MS)
  const lost = await until(
    () => lostSince(database, 'disconnect', fromMs - BEGUN_BEFORE_MS),
    REPAIR_WITHIN_MS,
  )
  const healed = await untilHealed(database, lost, SEED, REPAIR_WITHIN_MS)
  const gaps = await until(async () => {
    const url = `${backendUrl}/gaps?from=${Math.floor(fromMs / 1000)}&limit=20`
    const found = (await getJson<Gaps>(url)).gaps.filter(({ reason }) => reason === 'disconnect')
    return found.every(({ status }) => ENDED.includes(status)) ? found : undefined
  }, REPAIR_WITHIN_MS)
  const repairedAt = gaps.map(({ repaired_at: at }) => (at ? Date.parse(at) : Infinity))
  return {
    instruments: gaps.reduce((sum, gap) => sum + gap.instruments, 0),
    healed,
    trustedAtMs: lost.endMs + HISTORY_SETTLE_MS,
    repairedAtMs: Math.max(...repairedAt),
    gaps,
  }
}

// ---------------------------------------------------------------- calls

/** Milliseconds from the call until each can be read, by tradingsymbol. */
async function subscribeAndRead(
  { tickerUrl, backendUrl }: BrokerAndProgram,
  instruments: readonly Instrument[],
  lookMs: number,
): Promise<ReadonlyMap<string, number>> {
  const sinceMs = Date.now()
  const body = { instruments: instruments.map(({ token }) => ({ instrument_token: token })) }
  const [took, { errors }] = await Promise.all([
    untilReadable({ backendUrl, instruments, sinceMs, lookMs, withinMs: WITHIN_MS }),
    postJson<{ errors: unknown[] }>(`${tickerUrl}/subscriptions`, body),
  ])
  if (errors.length > 0) throw new Error(`not subscribed: ${JSON.stringify(errors.slice(0, 3))}`)
  return took
}

async function remove(
  { tickerUrl }: BrokerAndProgram,
  instruments: readonly Instrument[],
): Promise<void> {
  const tokens = instruments.map(({ token }) => token).join(',')
  const url = `${tickerUrl}/subscriptions?instrument_token=${tokens}`
  const response = await fetch(url, { method: 'DELETE' })
  if (!response.ok) throw new Error(`not removed: ${await response.text()}`)
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

async function queueOf({ backendUrl }: BrokerAndProgram): Promise<Backfills['queue']> {
  return (await getJson<Backfills>(`${backendUrl}/backfills?limit=1`)).queue
}

/** So that what is measured has the broker's rate for itself. */
async function queueEmpty(running: BrokerAndProgram): Promise<void> {
  await until(async () => {
    const { waiting, running: asked } = await queueOf(running)
    return waiting + asked === 0 ? true : undefined
  }, WITHIN_MS)
}

async function until<T>(look: () => Promise<T | undefined>, withinMs: number): Promise<T> {
  const untilMs = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > untilMs) throw new Error(`not within ${withinMs} ms`)
    await pause(100)
  }
}

// ---------------------------------------------------------------- rows

function loneRow(tookMs: readonly number[], store: StoreName): ResultRow {
  const longestMs = Math.max(...tookMs)
  const sorted = tookMs.toSorted((a, b) => a - b)
  return {
    bench: 'history',
    what: `subscription of one option → its two hours readable, ${store}`,
    measured: `median ${ms(sorted[Math.floor(sorted.length / 2)] ?? null)}, longest ${ms(longestMs)}`,
    must: '1 s',
    aim: '300 ms',
    verdict: atMost(longestMs, 1_000, 300),
    details: `${tookMs.length} times, from the call on`,
  }
}

function chainRow(chainMs: number, store: StoreName): ResultRow {
  const what = `chain of ${CHAIN} options in one call, one key → all with two hours, ${store}`
  return boundRow(what, chainMs, (CHAIN * 1_000) / KEY_RATE)
}

function pairRow(pairMs: number, store: StoreName): ResultRow {
  return {
    bench: 'history',
    what: `of these the pair at the money, ${store}`,
    measured: ms(pairMs),
    must: '1 s',
    aim: '',
    verdict: atMost(pairMs, 1_000, 0),
    details: '',
  }
}

function listRow(tookMs: number): ResultRow {
  const what = `${WATCH_LIST} subscriptions in one call, ${KEYS} keys → all with two hours, PostgreSQL`
  return boundRow(what, tookMs, (WATCH_LIST * 1_000) / (KEYS * KEY_RATE))
}

function etaRow({ toldMs, awaited, cameToMs }: WatchedList): ResultRow {
  const off = toldMs === null ? null : toldMs / cameToMs - 1
  return {
    bench: 'history',
    what: `the time to its end as told ${ETA_AFTER_MS / 1000} s after the call, PostgreSQL`,
    measured:
      off === null ? 'none told' : `${off < 0 ? '−' : '+'}${Math.abs(off * 100).toFixed(1)} %`,
    must: 'within 20 %',
    aim: '',
    verdict: atMost(off === null ? null : Math.abs(off), 0.2, 0),
    details: `told ${toldMs === null ? '–' : seconds(toldMs)}, came to ${seconds(cameToMs)}; ${awaited} histories were awaited then`,
  }
}

function repairRows({
  instruments,
  healed,
  trustedAtMs,
  repairedAtMs,
  gaps,
}: Repair): readonly ResultRow[] {
  const what = `${instruments} instruments after ${GAP_MS / 1000} s without connection, ${KEYS} keys, PostgreSQL`
  const rateMs = (instruments * 1_000) / (KEYS * KEY_RATE)
  const since = `from ${HISTORY_SETTLE_MS / 1000} s after the last minute's end, when the broker's candles can be trusted`
  const traded = boundRow(
    `${what} → every minute with a trade as the exchange's candle`,
    healed.tradedAtMs - trustedAtMs,
    rateMs,
  )
  // Who has no later candle is asked once more a minute later.
  const knownAtMs = Math.max(healed.tradedAtMs, healed.quietAtMs, repairedAtMs)
  const known = boundRow(
    `${what} → those without a trade known as such, gaps repaired`,
    knownAtMs - trustedAtMs,
    rateMs + BACKFILL_AGREE_MS,
  )
  const rows = gaps.reduce((sum, gap) => sum + (gap.rows ?? 0), 0)
  const isWhole: Verdict =
    gaps.every(({ status }) => status === 'repaired') && rows === healed.traded + healed.quiet
      ? 'aim'
      : 'missed'
  return [
    { ...traded, details: `${traded.details}; ${since}; ${healed.traded} minutes` },
    {
      ...known,
      verdict: worst(isWhole, known.verdict),
      details: `${known.details}, of it ${BACKFILL_AGREE_MS / 1000} s until a second answer counts; ${healed.quiet} minutes; ${rows} in all by the gaps`,
    },
  ]
}

/** Against what the broker's rate allows at best. */
function boundRow(what: string, tookMs: number, boundMs: number): ResultRow {
  const ratio = tookMs / boundMs
  return {
    bench: 'history',
    what,
    measured: `${seconds(tookMs)}, ${ratio.toFixed(3)} × the rate's bound`,
    must: '1.1 ×',
    aim: '1.02 ×',
    verdict: atMost(ratio, 1.1, 1.02),
    details: `bound ${seconds(boundMs)}`,
  }
}

function eventsRow({ processed, failed, tookMs }: Burst): ResultRow {
  const lost = EVENTS - processed - failed
  const perSecond = (processed * 1_000) / tookMs
  const isWhole: Verdict = lost <= 0 && failed === 0 ? 'aim' : 'missed'
  return {
    bench: 'history',
    what: `${EVENTS.toLocaleString('en-GB')} lifecycle events at once on Redis → acted on, PostgreSQL`,
    measured: `${seconds(tookMs)}, ${Math.round(perSecond).toLocaleString('en-GB')}/s, lost ${Math.max(0, lost)}`,
    must: '50/s, none lost',
    aim: 'all at once',
    verdict: worst(isWhole, atLeast(perSecond, 50, 50)),
    details: `${failed} failed; each of another instrument`,
  }
}

function seconds(forMs: number): string {
  return `${(forMs / 1000).toFixed(2)} s`
}
