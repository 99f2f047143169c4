/**
 * The platform with 4,500 instruments and a packet generator as its broker, in processes of their own:
 * ticker and backend apart, or both in one with the embedded store.
 */

import { mkdir } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { BenchContext } from '../context.ts'
import { Child } from './child.ts'
import { getJson, postJson } from './http.ts'
import { watchList } from './market-load.ts'
import type { SentPackets } from './packet-order.ts'
import { Program } from './program.ts'

export const INSTRUMENTS = 4_500
/** Keeps sockets and coverage alive between two measurements. */
export const IDLE_RATE = 1_000
const SUBSCRIBING_RATE = 10_000
const SEED = 1
const SETTLE_WITHIN_MS = 60_000
const LOOK_MS = 20
const GENERATOR = fileURLToPath(new URL('../packet-process.js', import.meta.url))

/** What the store knows of all packets since the start. */
export interface Books {
  readonly received: number
  readonly journaled: number
  readonly folded: number
  readonly notFolded: number
  readonly dropped: number
}

const BOOKS = `SELECT coalesce(sum(received), 0)::float8 AS received,
  coalesce(sum(journaled), 0)::float8 AS journaled,
  coalesce(sum(folded), 0)::float8 AS folded, coalesce(sum(dropped), 0)::float8 AS dropped,
  coalesce(sum((SELECT sum(value::int8) FROM jsonb_each_text(not_folded))), 0)::float8 AS "notFolded"
  FROM delivery_ledger`

export class LoadedPlatform {
  readonly generator: Child
  readonly ticker: Program
  /** The same as the ticker where there is one process. */
  backend: Program
  readonly store: pg.Client
  readonly #context: BenchContext
  readonly #folder: string
  readonly #brokerUrl: string
  readonly #databaseUrl: string | undefined

  /**
   * @param folder of this measurement alone
   * @param databaseUrl undefined for one process with the embedded store
   */
  static async start(
    context: BenchContext,
    folder: string,
    databaseUrl: string | undefined,
  ): Promise<LoadedPlatform> {
    const generator = await Child.start({ args: [GENERATOR, JSON.stringify({ seed: SEED })] })
    const brokerUrl = await announced(generator)
    const doorPort = databaseUrl === undefined ? await freePort() : undefined
    const ticker = await startProgram(context, join(folder, 'ticker'), {
      command: databaseUrl === undefined ? 'up' : 'ticker',
      env: { ...brokerSettings(brokerUrl), ...storeSettings(databaseUrl, doorPort) },
    })
    const tickerUrl = await ticker.address('Ticker')
    const backend =
      databaseUrl === undefined
        ? ticker
        : await startBackend(context, folder, tickerUrl, databaseUrl)
    await backend.address('Monitor')
    const client = new pg.Client(
      databaseUrl ?? `postgresql://postgres@127.0.0.1:${doorPort}/postgres`,
    )
    // A loss shows in the query that meets it; told once more here it would end the bench.
    client.on('error', ({ message }) => context.say(`connection to the store: ${message}`))
    const parts = { generator, ticker, backend, client, context, folder, brokerUrl, databaseUrl }
    const platform = new LoadedPlatform(parts)
    await client.connect()
    await platform.#subscribeAll(tickerUrl)
    return platform
  }

  private constructor(parts: {
    readonly generator: Child
    readonly ticker: Program
    readonly backend: Program
    readonly client: pg.Client
    readonly context: BenchContext
    readonly folder: string
    readonly brokerUrl: string
    readonly databaseUrl: string | undefined
  }) {
    this.generator = parts.generator
    this.ticker = parts.ticker
    this.backend = parts.backend
    this.store = parts.client
    this.#context = parts.context
    this.#folder = parts.folder
    this.#brokerUrl = parts.brokerUrl
    this.#databaseUrl = parts.databaseUrl
  }

  get isSplit(): boolean {
    return this.backend !== this.ticker
  }

  /** Written until the ticker is stopped. */
  get journal(): string {
    return join(this.#folder, 'ticker', 'data', 'kite', 'journal')
  }

  /** Packets a second from now on. */
  async setRate(packetsPerSecond: number): Promise<void> {
    await getJson(`${this.#brokerUrl}/control/rate?per_second=${packetsPerSecond}`)
  }

  sent(): Promise<SentPackets> {
    return getJson<SentPackets>(`${this.#brokerUrl}/control/sent`)
  }

  async books(): Promise<Books> {
    const { rows } = await this.store.query<Books>(BOOKS)
    const [books] = rows
    if (books === undefined) throw new Error('the ledger did not answer')
    return books
  }

  /**
   * Waits until the store knows of all packets that were sent, or does not get there. They are stopped
   * only once it is nearly level: the ticker opens sockets anew that are silent for long.
   *
   * @returns tookMs until what had been sent at the call was committed
   */
  async settled(): Promise<{ sent: number; books: Books; tookMs: number }> {
    await this.setRate(IDLE_RATE)
    const { tookMs } = await this.#committed()
    await this.setRate(0)
    return { ...(await this.#committed()), tookMs }
  }

  async #committed(): Promise<{ sent: number; books: Books; tookMs: number }> {
    const startMs = performance.now()
    const { packets } = await this.sent()
    for (;;) {
      const books = await this.books()
      const tookMs = performance.now() - startMs
      const isThere = books.folded + books.notFolded >= packets
      if (isThere || tookMs > SETTLE_WITHIN_MS) return { sent: packets, books, tookMs }
      await pause(LOOK_MS)
    }
  }

  async stopBackend(): Promise<void> {
    await this.backend.stop()
  }

  async startBackend(): Promise<void> {
    if (this.#databaseUrl === undefined) throw new Error('ticker and backend are one process')
    const tickerUrl = await this.ticker.address('Ticker')
    this.backend = await startBackend(this.#context, this.#folder, tickerUrl, this.#databaseUrl)
  }

  /** Ends ticker and backend in order; the journal is whole then. */
  async stopPrograms(): Promise<void> {
    await this.store.end()
    await this.backend.stop()
    await this.ticker.stop()
  }

  /** What the programs have said, for an error's message. */
  get said(): string {
    return `${this.ticker.child.said}\n${this.isSplit ? this.backend.child.said : ''}`
  }

  async close(): Promise<void> {
    await Promise.all([this.backend.stop(), this.ticker.stop(), this.generator.stop()])
  }

  async #subscribeAll(tickerUrl: string): Promise<void> {
    await this.setRate(SUBSCRIBING_RATE)
    const instruments = watchList(SEED, INSTRUMENTS, Date.now()).map(({ token }) => {
      return { instrument_token: token }
    })
    const url = `${tickerUrl}/subscriptions?wait=first_tick&timeout_ms=30000`
    const { errors } = await postJson<{ errors: unknown[] }>(url, { instruments })
    if (errors.length > 0) throw new Error(`not subscribed: ${JSON.stringify(errors.slice(0, 3))}`)
    await this.setRate(IDLE_RATE)
  }
}

function startBackend(
  context: BenchContext,
  folder: string,
  tickerUrl: string,
  databaseUrl: string,
): Promise<Program> {
  return startProgram(context, join(folder, 'backend'), {
    command: 'backend',
    env: {
      ...brokerSettings(undefined),
      ...storeSettings(databaseUrl, undefined),
      TICKER_SERVICE_URL: tickerUrl,
    },
  })
}

async function startProgram(
  context: BenchContext,
  folder: string,
  program: { command: 'up' | 'ticker' | 'backend'; env: Readonly<Record<string, string>> },
): Promise<Program> {
  await mkdir(folder, { recursive: true })
  return Program.start({ main: context.main, folder, nodeArgs: context.nodeArgs, ...program })
}

/** The broker has neither history nor quotes, so nothing asks for them. */
function brokerSettings(brokerUrl: string | undefined): Readonly<Record<string, string>> {
  return {
    KITE_API_KEY: 'bench',
    KITE_API_SECRET: 'bench',
    KITE_ACCESS_TOKEN: 'bench',
    SESSION_CALENDAR: 'always',
    TICKER_INSTRUMENTS_PER_ACCOUNT: String(INSTRUMENTS),
    SMART_SUBSCRIPTION_ENABLED: 'false',
    BACKFILL_ENABLED: 'false',
    CHAIN_SNAPSHOT_SECONDS: '0',
    ...(brokerUrl === undefined
      ? {}
      : { KITE_WS_ROOT: brokerUrl.replace(/^http/, 'ws'), KITE_REST_ROOT: brokerUrl }),
  }
}

function storeSettings(
  databaseUrl: string | undefined,
  doorPort: number | undefined,
): Readonly<Record<string, string>> {
  return databaseUrl === undefined
    ? { EMBEDDED_DB_PORT: String(doorPort) }
    : { DATABASE_URL: databaseUrl }
}

async function announced(generator: Child): Promise<string> {
  const untilMs = performance.now() + SETTLE_WITHIN_MS
  while (!generator.said.startsWith('{')) {
    if (performance.now() > untilMs) throw new Error(`no generator: ${generator.said}`)
    await pause(LOOK_MS)
  }
  return (JSON.parse(generator.said) as { url: string }).url
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs))
}
