/**
 * The platform in three processes, with a database and a Redis of its own, and a proxy that can be
 * cut in front of each thing that another one reaches over a socket.
 *
 *   exchange ◀── ticker ──▶ Redis            backend ──(journal)──▶ ticker
 *                   │                           │
 *                   └────────▶ PostgreSQL ◀──(store)
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SentBooks } from '../../bench/soak/sent-books.ts'
import { comparePositions, type Position } from '../../src/contract/journal-record.ts'
import { freePort } from '../free-port.ts'
import { RedisServer } from '../redis-server.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'
import { PostgresServer } from './postgres-server.ts'
import { Role } from './role.ts'

/** What is not of the live feed, and would hide what it says: rows are compared with the journal alone. */
export const LIVE_FEED_ALONE: Readonly<Record<string, string>> = {
  BACKFILL_ENABLED: 'false',
  BACKFILL_IMMEDIATE_ON_SUBSCRIBE: 'false',
  SMART_SUBSCRIPTION_ENABLED: 'false',
  CHAIN_SNAPSHOT_SECONDS: '0',
}

/** Often enough that the exchange's ledger has forgotten nothing. */
const LEDGER_PERIOD_MS = 2_000
const CATCH_UP_WITHIN_MS = 180_000

export interface SplitOptions {
  /** Market seconds in one second. */
  readonly speed: number
  readonly ticksPerSecond: number
  /** What the ticker's process has beside what it needs; its data may be elsewhere. */
  readonly tickerEnv?: Readonly<Record<string, string>>
}

export class SplitPlatform {
  readonly dataDir: string
  /** The folder of the ticker's journal. */
  readonly journal: string
  readonly database: PostgresServer
  readonly redis: RedisServer
  readonly exchange: Role
  readonly ticker: Role
  readonly backend: Role
  /** In front of the ticker, for the backend. */
  readonly journalProxy: TcpProxy
  /** In front of the database, for the backend. */
  readonly storeProxy: TcpProxy
  readonly exchangeUrl: string
  readonly tickerUrl: string
  readonly backendUrl: string
  readonly speed: number
  readonly sent: SentBooks
  readonly #backendEnv: Readonly<Record<string, string>>
  readonly #watch: NodeJS.Timeout
  #reading: Promise<void> | undefined

  static async open({
    speed,
    ticksPerSecond,
    tickerEnv = {},
  }: SplitOptions): Promise<SplitPlatform> {
    const dataDir = await mkdtemp(join(tmpdir(), 'fostream-split-'))
    const [database, redis] = await Promise.all([PostgresServer.create(), RedisServer.start()])
    const ports = { exchange: await freePort(), ticker: await freePort() }
    const journalProxy = await TcpProxy.start(`http://127.0.0.1:${ports.ticker}`)
    const storeProxy = await TcpProxy.start(database.url)
    const env = {
      ...LIVE_FEED_ALONE,
      FOSTREAM_DATA_DIR: dataDir,
      EXCHANGE_PORT: String(ports.exchange),
      TICKER_PORT: String(ports.ticker),
      EXCHANGE_SPEED: String(speed),
      EXCHANGE_TICKS_PER_SECOND: String(ticksPerSecond),
      REDIS_URL: redis.url,
      DATABASE_URL: database.url,
    }
    const parts = { dataDir, database, redis, journalProxy, storeProxy, env, tickerEnv, speed }
    return new SplitPlatform(parts, [await freePort(), await freePort()])
  }

  private constructor(
    parts: Pick<
      SplitPlatform,
      'dataDir' | 'database' | 'redis' | 'journalProxy' | 'storeProxy' | 'speed'
    > & {
      readonly env: Readonly<Record<string, string>>
      readonly tickerEnv: Readonly<Record<string, string>>
    },
    [backendPort, secondPort]: readonly [number, number],
  ) {
    const { dataDir, env, tickerEnv } = parts
    this.dataDir = dataDir
    this.journal = `${tickerEnv['FOSTREAM_DATA_DIR'] ?? dataDir}/simulated/journal`
    this.database = parts.database
    this.redis = parts.redis
    this.journalProxy = parts.journalProxy
    this.storeProxy = parts.storeProxy
    this.speed = parts.speed
    const storeUrl = new URL(this.database.url)
    storeUrl.port = String(this.storeProxy.port)
    this.#backendEnv = {
      ...env,
      BACKEND_PORT: String(backendPort),
      DATABASE_URL: storeUrl.href,
      TICKER_SERVICE_URL: this.journalProxy.url,
    }
    this.exchange = new Role('exchange', dataDir, env)
    this.ticker = new Role('ticker', dataDir, { ...env, ...tickerEnv })
    this.backend = new Role('backend', dataDir, this.#backendEnv)
    this.secondBackend = new Role('backend', dataDir, {
      ...this.#backendEnv,
      BACKEND_PORT: String(secondPort),
    })
    this.exchangeUrl = `http://127.0.0.1:${env['EXCHANGE_PORT']}`
    this.tickerUrl = `http://127.0.0.1:${env['TICKER_PORT']}`
    this.backendUrl = `http://127.0.0.1:${backendPort}`
    this.sent = new SentBooks(this.exchangeUrl)
    this.#watch = setInterval(() => void this.#readSent(), LEDGER_PERIOD_MS)
  }

  /** The one that somebody starts by mistake. */
  readonly secondBackend: Role

  async start(): Promise<void> {
    await this.exchange.start()
    await Promise.all([this.ticker.start(), this.backend.start()])
  }

  /** Subscribes `count` options and futures, and waits until all of them tick. */
  async subscribe(count: number): Promise<void> {
    await listed(this.tickerUrl)
    const found = await getJson<{ instrument_token: number }[]>(
      `${this.tickerUrl}/instruments?limit=${count}`,
    )
    const instruments = found.map(({ instrument_token }) => ({ instrument_token }))
    const answer = await fetch(`${this.tickerUrl}/subscriptions?wait=first_tick&timeout_ms=20000`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instruments }),
    })
    if (!answer.ok) throw new Error(`not subscribed: ${await answer.text()}`)
  }

  /** All that the exchange has sent until now. */
  async readSent(): Promise<void> {
    await this.#reading
    await this.#readSent()
  }

  #readSent(): Promise<void> {
    this.#reading ??= this.sent.read().finally(() => {
      this.#reading = undefined
    })
    // Whoever waits for it hears of a failure; the periodic look goes on with the next one.
    this.#reading.catch(() => undefined)
    return this.#reading
  }

  readonly query = <Row extends object>(sql: string): Promise<Row[]> => this.database.query(sql)

  async committed(): Promise<Position> {
    const [row] = await this.query<Position>('SELECT epoch, sequence FROM stream_offsets')
    return row ?? { epoch: 0, sequence: 0 }
  }

  async head(): Promise<Position> {
    const { journal } = await getJson<{ journal: { partitions: Position[] } }>(
      `${this.tickerUrl}/status`,
    )
    const [head] = journal.partitions
    if (head === undefined) throw new Error('the ticker has no partition')
    return head
  }

  /** Waits until what the log has now is committed. */
  async caughtUp(withinMs = CATCH_UP_WITHIN_MS): Promise<void> {
    const head = await this.head()
    await until(async () => comparePositions(await this.committed(), head) >= 0, withinMs)
  }

  /** The newest commit is older than none: something was committed after this call. */
  async commits(withinMs = CATCH_UP_WITHIN_MS): Promise<void> {
    const before = await this.committed()
    await until(async () => comparePositions(await this.committed(), before) > 0, withinMs)
  }

  async dispose(): Promise<void> {
    clearInterval(this.#watch)
    await this.#reading?.catch(() => undefined)
    const roles = [this.backend, this.secondBackend, this.ticker, this.exchange]
    for (const role of roles) {
      if (role.isRunning) await role.kill()
    }
    await this.journalProxy.stop()
    await this.storeProxy.stop()
    await this.redis.remove()
    await this.database.remove()
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** The ticker knows the instruments: on a busy machine it is up before. */
export async function listed(tickerUrl: string): Promise<void> {
  await until(async () => (await fetch(`${tickerUrl}/instruments?limit=1`)).ok, 90_000)
}

export async function getJson<T>(url: string): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) })
  if (!answer.ok) throw new Error(`${url} is answered with status ${answer.status}`)
  return (await answer.json()) as T
}
