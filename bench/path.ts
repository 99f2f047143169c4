/**
 * The whole program as it is run: the simulated exchange in a process of its own sends packets at a
 * set rate over WebSockets, and ticker and backend take them into the store. Latency is measured from
 * outside, loss is the exchange's ledger against the store's. Once as in the middle of a day, once as
 * after a first start, while the history of all instruments is loaded at the broker's rate.
 */
import { mkdir } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import type { BackendStatus } from '../src/contract/api/backend-status.ts'
import type { TickerStatus } from '../src/contract/api/ticker-status.ts'
import type { BenchContext } from './context.ts'
import { getJson, postJson, type RequestLoad, requestsAtOnce, requestsAtRate } from './load/http.ts'
import { watchList } from './load/market-load.ts'
import { type OutsideFigures, OutsideView } from './load/outside-view.ts'
import { Program } from './load/program.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { MemoryWatch, UsageMeter } from './load/usage.ts'
import { atLeast, atMost, cores, ms, type ResultRow, type Verdict, worst } from './report.ts'

const SEED = 1
const INSTRUMENTS = 4_500
/** Subscribed last, in one call that is timed. */
const LAST_CALL = 500
const TICKS_PER_SECOND = 10_000
const SECONDS = 60
const WARM_UP_SECONDS = 10
const SETTLE_WITHIN_MS = 30_000
const REQUESTS_PER_SECOND = 500
const REQUEST_SECONDS = 10
/** The embedded engine does one thing at a time, so it is asked less often than a server. */
const LOOK_PERIOD_MS = { embedded: 10, postgresql: 2 }

interface PathFigures {
  readonly seconds: number
  readonly outside: OutsideFigures
  readonly own: BackendStatus['latency'][number] | undefined
  readonly books: Books
  readonly subscribeMs: number
  readonly cpu: Readonly<Record<string, number | undefined>>
  readonly memoryMb: number | undefined
  readonly atRate: RequestLoad
  readonly atOnce: RequestLoad
}

interface Books {
  /** Packets by the exchange's own ledger. */
  readonly sent: number
  readonly received: number
  readonly folded: number
  readonly notFolded: number
  readonly dropped: number
}

export async function benchPath(context: BenchContext): Promise<readonly ResultRow[]> {
  const server = await serverUrl()
  const rows: ResultRow[] = []
  for (const setting of SETTINGS) {
    const { isServer, loadsHistory } = setting
    if (isServer && server === undefined) continue
    context.say(`path: ${nameOf(setting)}`)
    const run = (url?: string) => measure(context, url, loadsHistory)
    const figures = isServer && server !== undefined ? withDatabase(server, run) : run()
    rows.push(...rowsOf(await figures, setting))
  }
  return rows
}

interface Setting {
  readonly isServer: boolean
  readonly loadsHistory: boolean
}

const SETTINGS: readonly Setting[] = [false, true].flatMap((isServer) =>
  [false, true].map((loadsHistory) => ({ isServer, loadsHistory })),
)

function nameOf({ isServer, loadsHistory }: Setting): string {
  const store = isServer ? 'PostgreSQL' : 'embedded'
  return loadsHistory ? `${store}, while the history of ${n(INSTRUMENTS)} is loaded` : store
}

function measure(
  context: BenchContext,
  databaseUrl: string | undefined,
  loadsHistory: boolean,
): Promise<PathFigures> {
  return withFolder(async (folder) => {
    const exchange = await startExchange(context, folder)
    const env = {
      BACKFILL_ENABLED: String(loadsHistory),
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    }
    const program = await startProgram(context, folder, exchange.url, env)
    const client = new pg.Client(program.storeUrl)
    // A loss shows in the query that meets it; told once more here it would end the bench.
    client.on('error', ({ message }) => context.say(`connection to the store: ${message}`))
    try {
      const { view, rest } = await drive(context, exchange, program, client)
      await client.end()
      await program.stop()
      return { ...rest, outside: await view.figures(join(folder, 'data', 'kite', 'journal')) }
    } catch (cause) {
      throw new Error(`the measurement broke off; the program said: ${program.said()}`, { cause })
    } finally {
      await program.stop()
      await exchange.stop()
    }
  })
}

// ---------------------------------------------------------------- processes

interface RunningExchange {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

interface RunningProgram {
  readonly tickerUrl: string
  readonly backendUrl: string
  readonly storeUrl: string
  readonly isEmbedded: boolean
  readonly pid: number
  said(): string
  stop(): Promise<void>
}

async function startExchange(context: BenchContext, parent: string): Promise<RunningExchange> {
  const folder = join(parent, 'exchange')
  await mkdir(folder)
  const env = { EXCHANGE_SEED: String(SEED) }
  const { main } = context
  const program = await Program.start({ main, command: 'exchange', folder, env })
  const url = await program.address('exchange at')
  return { url, pid: program.child.pid, stop: () => program.stop() }
}

/** To the program this exchange is the broker. */
async function startProgram(
  context: BenchContext,
  folder: string,
  exchangeUrl: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningProgram> {
  const [account] = await getJson<Account[]>(`${exchangeUrl}/control/accounts`)
  if (account === undefined) throw new Error('the exchange has no account')
  const { DATABASE_URL: databaseUrl } = env
  const doorPort = databaseUrl === undefined ? await freePort() : undefined
  const program = await Program.start({
    main: context.main,
    command: 'up',
    folder,
    nodeArgs: context.nodeArgs,
    env: {
      KITE_API_KEY: account.api_key,
      KITE_API_SECRET: account.api_secret,
      KITE_ACCESS_TOKEN: account.access_token,
      KITE_WS_ROOT: exchangeUrl.replace(/^http/, 'ws'),
      KITE_REST_ROOT: exchangeUrl,
      TICKER_INSTRUMENTS_PER_ACCOUNT: String(INSTRUMENTS),
      SESSION_CALENDAR: 'always',
      ...(doorPort === undefined ? {} : { EMBEDDED_DB_PORT: String(doorPort) }),
      ...env,
    },
  })
  return {
    tickerUrl: await program.address('Ticker'),
    backendUrl: await program.address('Monitor'),
    storeUrl: databaseUrl ?? `postgresql://postgres@127.0.0.1:${doorPort}/postgres`,
    isEmbedded: databaseUrl === undefined,
    pid: program.child.pid,
    said: () => program.child.said,
    stop: () => program.stop(),
  }
}

interface Account {
  readonly api_key: string
  readonly api_secret: string
  readonly access_token: string
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

// ---------------------------------------------------------------- the measurement

async function drive(
  context: BenchContext,
  exchange: RunningExchange,
  program: RunningProgram,
  client: pg.Client,
): Promise<{ view: OutsideView; rest: Omit<PathFigures, 'outside'> }> {
  await client.connect()
  const seconds = context.seconds(SECONDS)
  await setRate(exchange, TICKS_PER_SECOND)
  const subscribeMs = await subscribeAll(program)
  await pause(WARM_UP_SECONDS)
  const meter = new UsageMeter(
    {
      exchange: [exchange.pid],
      program: [program.pid],
      ...(program.isEmbedded ? {} : { PostgreSQL: () => serverPids(client) }),
      bench: [process.pid],
    },
    ['program', program.pid],
  )
  const memory = new MemoryWatch(program.pid)
  await meter.begin()
  const view = new OutsideView(
    client,
    LOOK_PERIOD_MS[program.isEmbedded ? 'embedded' : 'postgresql'],
  )
  await pause(seconds)
  await view.stop()
  const cpu = await meter.end()
  memory.stop()
  const status = await getJson<BackendStatus>(`${program.backendUrl}/status`)
  const chainUrl = `${program.backendUrl}/fo/strike-distribution?symbol=NIFTY`
  const requestSeconds = context.seconds(REQUEST_SECONDS)
  const atRate = await requestsAtRate(chainUrl, REQUESTS_PER_SECOND, requestSeconds)
  const atOnce = await requestsAtOnce(chainUrl, requestSeconds)
  const books = await settledBooks(exchange, client)
  const own = status.latency.find(({ hop }) => hop === 'received_to_committed')
  const memoryMb = memory.largestMb
  return { view, rest: { seconds, own, books, subscribeMs, cpu, memoryMb, atRate, atOnce } }
}

/** Milliseconds that the last call took, until all of its instruments had ticked. */
async function subscribeAll(program: RunningProgram): Promise<number> {
  const tokens = watchList(SEED, INSTRUMENTS, Date.now()).map(({ token }) => token)
  await subscribe(program, tokens.slice(0, -LAST_CALL))
  await pause(1)
  const startMs = performance.now()
  await subscribe(program, tokens.slice(-LAST_CALL))
  const tookMs = performance.now() - startMs
  const status = await getJson<TickerStatus>(`${program.tickerUrl}/status`)
  const active = status.totals.subscriptions_active
  if (active !== INSTRUMENTS) throw new Error(`${active} of ${INSTRUMENTS} are active`)
  return tookMs
}

async function subscribe({ tickerUrl }: RunningProgram, tokens: readonly number[]): Promise<void> {
  const instruments = tokens.map((token) => ({ instrument_token: token }))
  const url = `${tickerUrl}/subscriptions?wait=first_tick&timeout_ms=30000`
  const { errors } = await postJson<{ errors: unknown[] }>(url, { instruments })
  if (errors.length > 0) throw new Error(`not subscribed: ${JSON.stringify(errors.slice(0, 3))}`)
}

async function setRate({ url }: RunningExchange, ticksPerSecond: number): Promise<void> {
  await postJson(`${url}/control/rate`, { ticks_per_second: ticksPerSecond })
}

/** Stops the packets and waits until the store knows of all that were sent, or does not get there. */
async function settledBooks(exchange: RunningExchange, client: pg.Client): Promise<Books> {
  await setRate(exchange, 0)
  const untilMs = performance.now() + SETTLE_WITHIN_MS
  for (;;) {
    const { connections } = await getJson<ExchangeLedger>(`${exchange.url}/control/ledger`)
    const sent = connections.reduce((total, { packets }) => total + packets, 0)
    const { rows } = await client.query<Omit<Books, 'sent'>>(BOOKS)
    const [stored] = rows
    if (stored === undefined) throw new Error('the ledger did not answer')
    const books = { ...stored, sent }
    if (books.folded + books.notFolded === sent) return books
    if (performance.now() > untilMs) return books
    await pause(0.1)
  }
}

const BOOKS = `SELECT coalesce(sum(received), 0)::float8 AS received,
  coalesce(sum(folded), 0)::float8 AS folded, coalesce(sum(dropped), 0)::float8 AS dropped,
  coalesce(sum((SELECT sum(value::int8) FROM jsonb_each_text(not_folded))), 0)::float8 AS "notFolded"
  FROM delivery_ledger`

interface ExchangeLedger {
  readonly connections: readonly { readonly packets: number }[]
}

async function serverPids(client: pg.Client): Promise<readonly number[]> {
  const { rows } = await client.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database()',
  )
  return rows.map(({ pid }) => pid)
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}

// ---------------------------------------------------------------- rows

function rowsOf(figures: PathFigures, setting: Setting): readonly ResultRow[] {
  return [
    latencyRow(figures, setting),
    memoryRow(figures, setting),
    subscribeRow(figures, setting),
    requestRow(figures, setting),
  ]
}

function latencyRow(figures: PathFigures, setting: Setting): ResultRow {
  const { outside, own, books, cpu, seconds } = figures
  const { p50Ms, p99Ms, maxMs } = outside.longest
  const lost = books.sent - books.folded - books.notFolded
  const isWhole: Verdict = lost === 0 && books.dropped === 0 ? 'aim' : 'missed'
  const { isServer } = setting
  const least = `at least P50 ${ms(outside.shortest.p50Ms)}, P99 ${ms(outside.shortest.p99Ms)}`
  const told = `told by the program, oldest tick of each commit: P50 ${ms(own?.p50_ms ?? null)}, P99 ${ms(own?.p99_ms ?? null)}`
  const ledger = `exchange sent ${n(books.sent)}, received ${n(books.received)}, folded ${n(books.folded)}, not folded ${n(books.notFolded)}, dropped ${n(books.dropped)}`
  return {
    bench: 'path',
    what: `received → committed, ${n(TICKS_PER_SECOND)} ticks/s, ${n(INSTRUMENTS)} instruments, ${seconds} s, ${nameOf(setting)}`,
    measured: `P50 ≤ ${ms(p50Ms)}, P99 ≤ ${ms(p99Ms)}, max ≤ ${ms(maxMs)}, lost ${n(lost)}`,
    must: isServer ? 'P99 < 50 ms, loss 0' : 'P99 < 100 ms, loss 0',
    aim: isServer ? 'P50 < 4 ms, P99 < 12 ms' : '',
    verdict: isServer
      ? worst(isWhole, atMost(p99Ms, 50, 12), atMost(p50Ms, 50, 4))
      : worst(isWhole, atMost(p99Ms, 100, 0)),
    details: `${least}; ${told}; ${ledger}; ${cores(cpu)}`,
  }
}

function memoryRow({ memoryMb }: PathFigures, setting: Setting): ResultRow {
  return {
    bench: 'path',
    what: `memory of ticker and backend meanwhile, ${nameOf(setting)}`,
    measured: memoryMb === undefined ? '–' : `${Math.round(memoryMb)} MB`,
    must: '450 MB',
    aim: '250 MB',
    verdict: memoryMb === undefined ? 'none' : atMost(memoryMb, 450, 250),
    details: setting.isServer ? '' : 'the store included',
  }
}

function subscribeRow({ subscribeMs }: PathFigures, setting: Setting): ResultRow {
  return {
    bench: 'path',
    what: `${LAST_CALL} subscriptions in one call → all ticking, ${nameOf(setting)}`,
    measured: ms(subscribeMs),
    must: '1 s',
    aim: '300 ms',
    verdict: atMost(subscribeMs, 1000, 300),
    details: '',
  }
}

function requestRow({ atRate, atOnce }: PathFigures, setting: Setting): ResultRow {
  const { p50Ms, p99Ms } = atRate.latency
  const isGood: Verdict = atRate.failed + atOnce.failed === 0 ? 'aim' : 'missed'
  const isFast = atLeast(atOnce.perSecond, REQUESTS_PER_SECOND, 3_000)
  return {
    bench: 'path',
    what: `GET /fo/strike-distribution meanwhile, ${REQUESTS_PER_SECOND}/s, ${nameOf(setting)}`,
    measured: `P50 ${ms(p50Ms)}, P99 ${ms(p99Ms)}; at most ${n(Math.round(atOnce.perSecond))}/s`,
    must: '500/s, P99 < 30 ms',
    aim: '3,000/s, P99 < 10 ms',
    verdict: worst(isGood, isFast, atMost(p99Ms, 30, 10)),
    details: `${atRate.failed + atOnce.failed} failed; unbounded: P99 ${ms(atOnce.latency.p99Ms)}`,
  }
}

function n(value: number): string {
  return value.toLocaleString('en-GB')
}
