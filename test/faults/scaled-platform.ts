/**
 * Two tickers and several backends on one database: each ticker has a broker account of its own, each
 * backend writes some partitions of both tickers' logs. The simulated exchange stands in for the
 * broker, so all of them run as with real accounts, at the market's own speed.
 *
 *   exchange ◀── t1, t2 ◀──(journals)── backends ──▶ PostgreSQL
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SentBooks } from '../../bench/soak/sent-books.ts'
import { comparePositions, type Position } from '../../src/contract/journal-record.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'
import { PostgresServer } from './postgres-server.ts'
import { Role } from './role.ts'
import { getJson, LIVE_FEED_ALONE } from './split-platform.ts'

/** Often enough that the exchange's ledger has forgotten nothing. */
const LEDGER_PERIOD_MS = 4_000
const CATCH_UP_WITHIN_MS = 180_000

export const TICKERS = ['t1', 't2'] as const
export type TickerId = (typeof TICKERS)[number]
/** Each ticker's account of the simulated exchange. */
export const ACCOUNT: Readonly<Record<TickerId, string>> = { t1: 'sim1', t2: 'sim2' }

export interface LogPosition extends Position {
  readonly producer: string
  readonly partition: number
}

export interface ScaledTicker {
  readonly role: Role
  readonly url: string
  readonly dataDir: string
  readonly journal: string
}

export class ScaledPlatform {
  readonly dataDir: string
  readonly database: PostgresServer
  readonly exchange: Role
  readonly tickers: Readonly<Record<TickerId, ScaledTicker>>
  readonly sent: SentBooks
  readonly #env: Readonly<Record<string, string>>
  readonly #backends: Role[] = []
  readonly #exchangeUrl: string
  #watch: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined

  /** The exchange runs, nothing else. */
  static async open(partitions: number, ticksPerSecond: number): Promise<ScaledPlatform> {
    const dataDir = await mkdtemp(join(tmpdir(), 'fostream-scaled-'))
    const database = await PostgresServer.create()
    const ports = { exchange: await freePort(), t1: await freePort(), t2: await freePort() }
    const platform = new ScaledPlatform(dataDir, database, ports, partitions, ticksPerSecond)
    await platform.exchange.start()
    for (const id of TICKERS) await platform.#writeAccount(id)
    platform.#watch = setInterval(() => void platform.#readSent(), LEDGER_PERIOD_MS)
    return platform
  }

  private constructor(
    dataDir: string,
    database: PostgresServer,
    ports: Readonly<Record<TickerId | 'exchange', number>>,
    partitions: number,
    ticksPerSecond: number,
  ) {
    this.dataDir = dataDir
    this.database = database
    this.#exchangeUrl = `http://127.0.0.1:${ports.exchange}`
    this.#env = {
      ...LIVE_FEED_ALONE,
      DATABASE_URL: database.url,
      PARTITIONS: String(partitions),
      SESSION_CALENDAR: 'always',
      KITE_WS_ROOT: `ws://127.0.0.1:${ports.exchange}`,
      KITE_REST_ROOT: this.#exchangeUrl,
      KITE_LOGIN_ROOT: this.#exchangeUrl,
      TICKER_SERVICE_URL: `http://127.0.0.1:${ports.t1},http://127.0.0.1:${ports.t2}`,
    }
    this.exchange = new Role('exchange', dataDir, {
      FOSTREAM_DATA_DIR: join(dataDir, 'exchange'),
      EXCHANGE_PORT: String(ports.exchange),
      EXCHANGE_TICKS_PER_SECOND: String(ticksPerSecond),
    })
    this.tickers = { t1: this.#ticker('t1', ports.t1), t2: this.#ticker('t2', ports.t2) }
    this.sent = new SentBooks(this.#exchangeUrl)
  }

  /** Not started yet. `partitions`: those that it writes. */
  async backend(...partitions: readonly number[]): Promise<Role> {
    const name = `backend${this.#backends.length + 1}`
    const role = new Role('backend', this.dataDir, {
      ...this.#env,
      FOSTREAM_DATA_DIR: join(this.dataDir, name),
      KITE_ACCOUNTS_FILE: this.#accountsFile('t1'),
      BACKEND_PORT: String(await freePort()),
      BACKEND_PARTITIONS: partitions.join(','),
    })
    this.#backends.push(role)
    return role
  }

  /** Subscribes on one ticker and waits until all of them tick. */
  async subscribe(id: TickerId, tokens: readonly number[]): Promise<void> {
    const url = `${this.tickers[id].url}/subscriptions?wait=first_tick&timeout_ms=20000`
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instruments: tokens.map((token) => ({ instrument_token: token })) }),
    })
    if (!answer.ok) throw new Error(`not subscribed: ${await answer.text()}`)
  }

  /** What one ticker streams. */
  async streamed(id: TickerId): Promise<number[]> {
    const rows = await getJson<{ instrument_token: number }[]>(
      `${this.tickers[id].url}/subscriptions?status=active`,
    )
    return rows.map(({ instrument_token }) => instrument_token).sort((a, b) => a - b)
  }

  readonly query = <Row extends object>(sql: string): Promise<Row[]> => this.database.query(sql)

  /** What is committed of every ticker's partitions. */
  async committed(): Promise<LogPosition[]> {
    return this.query<LogPosition>(
      'SELECT producer, partition, epoch, sequence FROM stream_offsets ORDER BY 1, 2',
    )
  }

  /** Waits until something newer than now is committed of these partitions of both tickers. */
  async commits(...partitions: readonly number[]): Promise<void> {
    const before = await this.committed()
    await this.until(
      TICKERS.flatMap((producer) => {
        return partitions.map((partition) => {
          const known = before.find((at) => at.producer === producer && at.partition === partition)
          const { epoch, sequence } = known ?? { epoch: 0, sequence: 0 }
          return { producer, partition, epoch, sequence: sequence + 1 }
        })
      }),
    )
  }

  /** Waits until all of these are committed. */
  async until(targets: readonly LogPosition[]): Promise<void> {
    let behind: LogPosition[] = []
    const isThere = async () => {
      const committed = await this.committed()
      behind = targets.filter((target) => {
        const at = committed.find((each) => {
          return each.producer === target.producer && each.partition === target.partition
        })
        return at === undefined || comparePositions(at, target) < 0
      })
      return behind.length === 0
    }
    await until(isThere, CATCH_UP_WITHIN_MS).catch((cause) => {
      throw new Error(`not committed: ${JSON.stringify(behind)}`, { cause })
    })
  }

  /** All that the exchange has sent until now. */
  async readSent(): Promise<void> {
    await this.#reading
    await this.#readSent()
  }

  async dispose(): Promise<void> {
    clearInterval(this.#watch)
    await this.#reading?.catch(() => undefined)
    const roles = [...this.#backends, ...TICKERS.map((id) => this.tickers[id].role), this.exchange]
    for (const role of roles) {
      if (role.isRunning) await role.kill()
    }
    await this.database.remove()
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 })
  }

  #ticker(id: TickerId, port: number): ScaledTicker {
    const dataDir = join(this.dataDir, id)
    const role = new Role('ticker', this.dataDir, {
      ...this.#env,
      FOSTREAM_DATA_DIR: dataDir,
      TICKER_ID: id,
      TICKER_PORT: String(port),
      KITE_ACCOUNTS_FILE: this.#accountsFile(id),
    })
    return { role, url: `http://127.0.0.1:${port}`, dataDir, journal: `${dataDir}/kite/journal` }
  }

  #accountsFile(id: TickerId): string {
    return join(this.dataDir, id, 'accounts.json')
  }

  async #writeAccount(id: TickerId): Promise<void> {
    const all = await getJson<{ name: string }[]>(`${this.#exchangeUrl}/control/accounts`)
    const account = all.find(({ name }) => name === ACCOUNT[id])
    if (account === undefined) throw new Error(`the exchange has no account ${ACCOUNT[id]}`)
    await mkdir(join(this.dataDir, id), { recursive: true })
    await writeFile(this.#accountsFile(id), JSON.stringify([account]), { mode: 0o600 })
  }

  #readSent(): Promise<void> {
    this.#reading ??= this.sent.read().finally(() => {
      this.#reading = undefined
    })
    // Whoever waits for it hears of a failure; the periodic look goes on with the next one.
    this.#reading.catch(() => undefined)
    return this.#reading
  }
}
