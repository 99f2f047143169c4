/** Ingest over a log in memory and a real store, for tests of what is written beside the log. */
import type pg from 'pg'
import type {
  Candle,
  CandleBatch,
  CandleOutcome,
} from '../../../src/backend/candles/candle-writer.ts'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../../src/backend/ingest/start-ingest.ts'
import type { StoreOpener } from '../../../src/backend/ports.ts'
import { type Clock, systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import type { Store } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { ALL, clockAt, MemoryLog, OPEN_MS } from '../scenario.ts'

export const RATE = 0.065

export type Row = Record<string, unknown>

export class IngestUnderTest {
  readonly store: Store
  readonly client: pg.Client
  log = new MemoryLog()
  logs = new LogSet([this.log])
  master = new InstrumentMaster(ALL)
  clock: Clock = systemClock
  #ingest: Ingest | undefined

  private constructor(store: Store, client: pg.Client) {
    this.store = store
    this.client = client
  }

  static async over(store: Store): Promise<IngestUnderTest> {
    const client = await store.connect()
    await migrate(client)
    return new IngestUnderTest(store, client)
  }

  get ingest(): Ingest {
    if (this.#ingest === undefined) throw new Error('not started')
    return this.#ingest
  }

  start(stores: StoreOpener = barStore(this.store, 'bars')): Ingest {
    const ingest = startIngest({
      logs: this.logs,
      stores,
      master: this.master,
      calendar: exchangeCalendar(),
      riskFreeRate: RATE,
      partitions: 1,
      ownPartitions: [0],
      clock: this.clock,
      log: silentLog,
    })
    ingest.ended.catch(() => undefined)
    this.#ingest = ingest
    return ingest
  }

  async stop(): Promise<void> {
    await this.#ingest?.stop()
    this.#ingest = undefined
  }

  async restart(): Promise<void> {
    await this.stop()
    this.start()
  }

  /** Stops, and forgets everything. */
  async clear(): Promise<void> {
    await this.stop()
    await this.client.query(
      `TRUNCATE minute_bars, futures_bars, fo_option_strike_bars, fo_expiry_metrics,
       fo_strike_distribution, coverage, feed_gaps, stream_offsets, delivery_ledger, dead_letters,
       finalise_queue, day_open_interest`,
    )
    this.log = new MemoryLog()
    this.logs = new LogSet([this.log])
    this.master = new InstrumentMaster(ALL)
    this.clock = systemClock
  }

  async close(): Promise<void> {
    await this.stop()
    await this.client.end()
  }

  async rows<T extends object = Row>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.client.query<T>(sql, values)).rows
  }

  /** Waits until everything appended is committed and no minute is due. */
  async settled(logs: readonly MemoryLog[] = [this.log]): Promise<void> {
    await until(async () => {
      const offsets = await this.rows<{ producer: string; epoch: number; sequence: number }>(
        'SELECT producer, epoch, sequence FROM stream_offsets',
      )
      const [queue] = await this.rows<{ n: number }>(
        'SELECT count(*)::int AS n FROM finalise_queue',
      )
      const isRead = logs.every(({ producer, position }) =>
        offsets.some(
          (o) =>
            o.producer === producer &&
            o.epoch === position.epoch &&
            o.sequence === position.sequence,
        ),
      )
      return isRead && queue?.n === 0
    }, 20_000)
  }

  /** Market time has passed the minutes up to this one. */
  async passed(minuteMs: number): Promise<void> {
    this.log.append([clockAt(minuteMs + MINUTE_MS + 5_000)])
    await this.settled()
  }

  write(
    instrument: Instrument,
    candles: readonly Candle[],
    over: Partial<CandleBatch> = {},
  ): Promise<CandleOutcome> {
    return this.ingest.candles.write({
      instrument,
      source: 'backfill',
      candles,
      none: [],
      moreFollows: false,
      ...over,
    })
  }

  /** Rows of an instrument's minutes, without what says when they were written. */
  async bars({ kind, tradingsymbol }: Instrument): Promise<Row[]> {
    const [table, name, time] =
      kind === 'option'
        ? ['fo_option_strike_bars', 'tradingsymbol', 'bucket_time']
        : kind === 'future'
          ? ['futures_bars', 'tradingsymbol', 'time']
          : ['minute_bars', 'symbol', 'time']
    const rows = await this.rows<{ row: Row }>(
      `SELECT to_jsonb(t) - 'updated_at' AS row FROM ${table} t WHERE ${name} = $1 ORDER BY ${time}`,
      [tradingsymbol],
    )
    return rows.map(({ row }) => row)
  }

  coverage({ tradingsymbol }: Instrument): Promise<Row[]> {
    return this.rows(
      `SELECT "from", "to", source FROM coverage WHERE tradingsymbol = $1 ORDER BY "from"`,
      [tradingsymbol],
    )
  }
}

export function minute(n: number): number {
  return OPEN_MS + n * MINUTE_MS
}

/** A candle of the n-th minute of the session. */
export function candle(n: number, close: number, over: Partial<Candle> = {}): Candle {
  return {
    minuteMs: minute(n),
    open: close - 1,
    high: close + 2,
    low: close - 3,
    close,
    volume: 650,
    oi: 13_000 + n,
    ...over,
  }
}
