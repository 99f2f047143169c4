/**
 * The platform's own path from broker to tables, in one process: a broker of the test, the ticker, the
 * journal on disk, the writer of bars, PostgreSQL, the API. Market and wall time are the test's, so
 * that a day of the past passes in seconds; the journal and the store run in real time.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type pg from 'pg'
import { type BackendApi, startBackendApi } from '../../src/backend/api/server.ts'
import { LogSet } from '../../src/backend/ingest/log-set.ts'
import { CONSUMER, type Ingest, startIngest } from '../../src/backend/ingest/start-ingest.ts'
import { comparePositions, LOG_START } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { openJournal } from '../../src/journal/open-journal.ts'
import { type Clock, systemClock } from '../../src/kit/clock.ts'
import { Releasers } from '../../src/kit/releasers.ts'
import { HEARTBEAT } from '../../src/kite/frame-writer.ts'
import { parseInstruments } from '../../src/kite/instruments.ts'
import { TICKER_CHECK_PERIOD_MS } from '../../src/limits.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { barStore } from '../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../src/postgres/connection.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { storeReads } from '../../src/postgres/read-store.ts'
import { createSubscriptionStore } from '../../src/postgres/subscription-store.ts'
import { type BrokerFactory, kiteBroker } from '../../src/ticker/broker.ts'
import { startTicker, type TickerHandle } from '../../src/ticker/ticker.ts'
import { DrivenClock } from '../exchange/driven-clock.ts'
import { type KeptLog, keptLog, type LogLine } from '../ticker/support/silent-log.ts'
import { until } from '../until.ts'
import { ACCESS_TOKEN, API_KEY, startTestBroker, type TestBroker } from './test-broker.ts'

export interface PipelineOptions {
  readonly databaseUrl: string
  /** Wall and market time at the start, epoch ms. */
  readonly startMs: number
  readonly dump: string
  /** As the broker's REST answers, by `exchange:tradingsymbol`. */
  readonly lastPrices?: TestBroker['lastPrices']
  /** Silence in session after which the socket is mute; the program's own where left out. */
  readonly muteAfterMs?: number
  /** Where journal and own copies are; a folder that goes with the pipeline where left out. */
  readonly dataDir?: string
}

interface Parts {
  readonly options: PipelineOptions
  readonly dataDir: string
  readonly clock: DrivenClock
  readonly log: KeptLog
  readonly broker: TestBroker
  readonly store: Store
  readonly client: pg.Client
  readonly journal: Journal
  readonly ingest: Ingest
  readonly ticker: TickerHandle
  readonly api: BackendApi
}

const PARTITIONS = 1
const HEARTBEAT_PERIOD_MS = 2_000
const RECEIVED_WITHIN_MS = 90_000
const SETTLED_WITHIN_MS = 90_000
const calendar = exchangeCalendar()

export class Pipeline {
  readonly clock: DrivenClock
  readonly broker: TestBroker
  readonly ticker: TickerHandle
  readonly #parts: Parts
  readonly #releasers: Releasers
  #failure: unknown

  constructor(parts: Parts, releasers: Releasers) {
    this.clock = parts.clock
    this.broker = parts.broker
    this.ticker = parts.ticker
    this.#parts = parts
    this.#releasers = releasers
    parts.ingest.ended.catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** What was logged up to now under a message. */
  logged(message: string): readonly LogLine[] {
    return this.#parts.log.lines.filter((line) => line.message === message)
  }

  /** What was logged as a warning or worse. */
  get complaints(): readonly LogLine[] {
    return this.#parts.log.lines.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level))
  }

  /** Subscribes in `full` mode over the ticker's API; resolves when the broker has been told. */
  async subscribe(...tradingsymbols: string[]): Promise<void> {
    const instruments = tradingsymbols.map((tradingsymbol) => ({ tradingsymbol }))
    const response = await fetch(`${this.ticker.url}/subscriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instruments, mode: 'full' }),
    })
    const answer = (await response.json()) as { subscriptions: { instrument_token: number }[] }
    if (!response.ok) throw new Error(JSON.stringify(answer))
    const tokens = answer.subscriptions.map((row) => row.instrument_token)
    await until(() => tokens.every((token) => this.broker.modes.get(token) === 'full'))
  }

  /** Lets time pass up to an instant, epoch ms. */
  passTo(ms: number): void {
    this.clock.advance(Math.max(0, ms - this.clock.nowMs()))
  }

  /** Sends a frame of `packets` packets; resolves when the ticker has taken them. */
  async deliver(frame: Uint8Array, packets: number): Promise<void> {
    const received = () => this.ticker.status().totals.received
    const wanted = received() + packets
    this.broker.send(frame)
    const sinceMs = performance.now()
    while (received() < wanted) {
      if (performance.now() - sinceMs > RECEIVED_WITHIN_MS) throw new Error('a frame was lost')
      await nextTurn()
    }
  }

  /** Resolves when all that came is committed; minutes may still wait for their final values. */
  async committed(): Promise<void> {
    const { journal } = this.#parts
    await until(() => this.#isJournalled())
    const newest = journal.status().partitions[0]?.newest ?? LOG_START
    await until(() => {
      const at = journal.status().consumers[CONSUMER]?.[0] ?? LOG_START
      return comparePositions(at, newest) >= 0
    })
  }

  /** Resolves when all that came and all time that passed is committed, and no minute is due. */
  async settled(): Promise<void> {
    await until(() => this.#isSettled(), SETTLED_WITHIN_MS)
  }

  async rows<T extends object>(sql: string): Promise<T[]> {
    return (await this.#parts.client.query<T>(sql)).rows
  }

  /** What the backend's API answers. */
  async get(path: string): Promise<unknown> {
    const response = await fetch(`${this.#parts.api.url}${path}`)
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(JSON.stringify(answer))
    return answer
  }

  stop(): Promise<void> {
    return this.#releasers.release()
  }

  #isJournalled(): boolean {
    const { received, journaled, rejected, dropped } = this.ticker.status().totals
    return received === journaled + rejected + dropped
  }

  async #isSettled(): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#isJournalled()) return false
    const marketMs = Date.parse(this.ticker.status().market_time ?? '')
    const saidMs = marketMs - TICKER_CHECK_PERIOD_MS
    const newest = this.#parts.journal.status().partitions[0]?.newest
    const [at] = await this.rows<Committed>(COMMITTED)
    return (
      at !== undefined &&
      at.epoch === newest?.epoch &&
      at.sequence === newest.sequence &&
      (at.market_time ?? 0) >= saidMs &&
      at.due === 0
    )
  }
}

interface Committed {
  readonly epoch: number
  readonly sequence: number
  readonly market_time: number | null
  readonly due: number
}

const COMMITTED = `
  SELECT epoch, sequence, market_time, (SELECT count(*) FROM finalise_queue)::int AS due
  FROM stream_offsets`

export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const releasers = new Releasers()
  try {
    return new Pipeline(await open(options, releasers), releasers)
  } catch (error) {
    await releasers.release()
    throw error
  }
}

async function open(options: PipelineOptions, releasers: Releasers): Promise<Parts> {
  const clock = new DrivenClock(options.startMs)
  const log = keptLog()
  const dataDir = options.dataDir ?? (await ownFolder(releasers))
  const broker = await startTestBroker(options.dump, options.lastPrices)
  releasers.push('broker', () => broker.stop())
  const store = openStore(
    { kind: 'url', url: options.databaseUrl },
    { applicationName: 'fostream test', log },
  )
  releasers.push('store', () => store.close())
  const client = await store.connect()
  releasers.push('connection', () => client.end())
  await migrate(client)
  const base = { options, dataDir, clock, log, broker, store, client }
  const journal = await openTestJournal(base)
  releasers.push('journal', () => journal.close())
  const ingest = startTestIngest({ ...base, journal })
  releasers.push('ingest', () => ingest.stop())
  const ticker = await startTestTicker({ ...base, journal })
  releasers.push('ticker', () => ticker.stop('the test is over'))
  const api = await startTestApi({ ...base, ingest, ticker })
  releasers.push('api', () => api.stop())
  return { ...base, journal, ingest, ticker, api }
}

async function ownFolder(releasers: Releasers): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'real-input-'))
  releasers.push('folder', () => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Syncs in real time; its wall clock is the test's, by which it tells old segments. */
function openTestJournal({ dataDir, clock, log }: Pick<Parts, 'dataDir' | 'clock' | 'log'>) {
  return openJournal({
    dir: join(dataDir, 'journal'),
    producer: 't1',
    partitions: PARTITIONS,
    feed: 'kite',
    maxAgeMs: 3 * 86_400_000,
    maxBytes: 1024 ** 3,
    clock: { ...systemClock, nowMs: () => clock.nowMs() },
    log,
  })
}

function startTestIngest({
  options,
  journal,
  store,
  log,
}: Pick<Parts, 'options' | 'journal' | 'store' | 'log'>): Ingest {
  const dump = parseInstruments(options.dump)
  if (!dump.ok) throw new Error(dump.message)
  return startIngest({
    logs: new LogSet([journal]),
    stores: barStore(store, CONSUMER),
    master: new InstrumentMaster(dump.instruments),
    calendar,
    riskFreeRate: 0.065,
    partitions: PARTITIONS,
    ownPartitions: [0],
    clock: systemClock,
    log,
  })
}

/** The broker's heartbeats come in the time that the test drives, so that they are there when it jumps. */
function withHeartbeats(broker: BrokerFactory, clock: Clock): BrokerFactory {
  return (request) => {
    const access = broker(request)
    return {
      ...access,
      openSocket: async (token, handlers, signal) => {
        const socket = await access.openSocket(token, handlers, signal)
        const beat = () => handlers.onFrame(Buffer.from(HEARTBEAT), clock.nowMs())
        const stop = clock.every(HEARTBEAT_PERIOD_MS, beat)
        const close = () => {
          stop()
          return socket.close()
        }
        return {
          subscribe: (tokens) => socket.subscribe(tokens),
          unsubscribe: (tokens) => socket.unsubscribe(tokens),
          setMode: (mode, tokens) => socket.setMode(mode, tokens),
          pause: () => socket.pause(),
          resume: () => socket.resume(),
          close,
        }
      },
    }
  }
}

function startTestTicker(
  parts: Omit<Parts, 'client' | 'ingest' | 'ticker' | 'api'>,
): Promise<TickerHandle> {
  const { options, dataDir, clock, log, broker, store, journal } = parts
  const { webSocketRoot, restRoot } = broker
  return startTicker({
    config: {
      version: '0.0.0',
      feed: 'kite',
      host: '127.0.0.1',
      port: 0,
      dataDir,
      partitions: PARTITIONS,
      accounts: [
        {
          name: 'main',
          apiKey: API_KEY,
          accessToken: ACCESS_TOKEN,
          maxConnections: 1,
          maxInstruments: 3_000,
          historyRequestsPerSecond: 3,
          quoteRequestsPerSecond: 1,
        },
      ],
      instrumentsPerAccount: 1_500,
      ...(options.muteAfterMs === undefined ? {} : { muteAfterMs: options.muteAfterMs }),
      marketSpeed: 1,
      startMarketTimeMs: clock.nowMs(),
      calendarMode: 'exchange',
      redisChannelPrefix: 'ticker:nifty',
    },
    journal,
    subscriptionStore: createSubscriptionStore(store.pool, 't1'),
    instrumentStore: createInstrumentStore(store.pool),
    calendar,
    broker: withHeartbeats(kiteBroker({ webSocketRoot, restRoot, clock }), clock),
    clock,
    log,
    random: () => 0.5,
    onFailure: (error) => log.fatal({ err: error }, 'Ticker failed'),
  })
}

function startTestApi({
  clock,
  log,
  store,
  ingest,
  ticker,
}: Pick<Parts, 'clock' | 'log' | 'store' | 'ingest' | 'ticker'>): Promise<BackendApi> {
  return startBackendApi({
    host: '127.0.0.1',
    port: 0,
    chains: ingest.chains,
    reads: storeReads(store),
    ingest,
    ownPartitions: [0],
    tickers: [{ url: ticker.url, timeoutMs: 5_000 }],
    feed: 'kite',
    tickSource: 'log',
    calendar,
    calendarMode: 'exchange',
    defaultSymbol: 'NIFTY50',
    version: '0.0.0',
    clock,
    log,
  })
}
