/**
 * The store as the one writer of a partition uses it: guarded commits and finals, and the reads from
 * which the writer's memory is rebuilt.
 */
import type pg from 'pg'
import type {
  BarIdentity,
  BarKey,
  CandleCommit,
  CoverageRow,
  DayOiRow,
  DueMinute,
  EarlierBar,
  FeedGapRow,
  FinalCommit,
  GapInstrument,
  LedgerRow,
  LiveCommit,
  PartitionClaim,
  PartitionStore,
  PreparedCommit,
  PreviousOiCommit,
  SourcePosition,
  StoredBar,
  StoreFailure,
  StoreOpener,
} from '../backend/ports.ts'
import { DAY_MS, startOfDateMs } from '../market/ist.ts'
import { instantArray, instantText, textArray } from './array-literal.ts'
import {
  change,
  type GuardedStatement,
  type Part,
  preparedStatement,
  removal,
  update,
  upsert,
} from './bar-statements.ts'
import {
  COVERAGE,
  COVERAGE_REMOVAL,
  DEAD_LETTERS,
  type Deletion,
  DISTRIBUTION_REMOVAL,
  EXPIRY_METRICS,
  FEED_GAPS,
  FINALISE_QUEUE,
  FUTURES_BARS,
  FUTURES_BARS_REMOVAL,
  LEDGER,
  METRICS_REMOVAL,
  MINUTE_BARS,
  MINUTE_BARS_REMOVAL,
  OPTION_BAR_UPDATES,
  OPTION_BARS,
  OPTION_BARS_REMOVAL,
  QUEUE_REMOVAL,
  REPAIRED_GAPS,
  STRIKE_DISTRIBUTION,
} from './bar-tables.ts'
import {
  beneathTable,
  candleTable,
  DERIVATIVE_BENEATH,
  finalTable,
  INDEX_BENEATH,
} from './bar-ways.ts'
import { classify } from './classify-error.ts'
import type { Store } from './connection.ts'
import { datesBefore, previousOiParts, previousOiSql } from './previous-oi.ts'
import { hasTimescale } from './timescale/has-timescale.ts'

const FINAL_MINUTE_BARS = finalTable(MINUTE_BARS, INDEX_BENEATH)
const FINAL_FUTURES_BARS = finalTable(FUTURES_BARS, DERIVATIVE_BENEATH)
const FINAL_OPTION_BARS = finalTable(OPTION_BARS, DERIVATIVE_BENEATH)
const MINUTE_BAR_CANDLES = candleTable(MINUTE_BARS, INDEX_BENEATH)
const FUTURES_BAR_CANDLES = candleTable(FUTURES_BARS, DERIVATIVE_BENEATH)
const OPTION_BAR_CANDLES = candleTable(OPTION_BARS, DERIVATIVE_BENEATH)
const MINUTE_BARS_BENEATH = beneathTable(MINUTE_BARS, INDEX_BENEATH)
const FUTURES_BARS_BENEATH = beneathTable(FUTURES_BARS, DERIVATIVE_BENEATH)
const OPTION_BARS_BENEATH = beneathTable(OPTION_BARS, DERIVATIVE_BENEATH)

/** Opens a partition's writer on a connection of its own. */
export function barStore(store: Store, consumer: string): StoreOpener {
  return {
    openPartition: async (partition) => {
      const client = await store.connectPipelined()
      await client.query(WRITE_INTO_COMPRESSED)
      return new BarWriter(client, consumer, partition, !(await hasTimescale(client)))
    },
    classify: failureOf,
  }
}

/**
 * A row for a compressed day takes the day's batch of its series out of the compression, and the day is
 * compressed again later (`upkeep.ts`). TimescaleDB refuses more than 100,000 rows a statement of that,
 * which is one minute of 270 series; where there is no TimescaleDB the setting means nothing.
 */
const WRITE_INTO_COMPRESSED = `
  SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)`

function failureOf(error: unknown): StoreFailure {
  // A figure that is no number is refused before it is sent, for the same reason as in the store.
  if (error instanceof RangeError) return 'data'
  const { kind, retryable } = classify(error)
  // A conflict, a cancelled statement, a full disk: over with a new session, like a lost connection.
  return kind === 'other' && retryable ? 'connection' : kind
}

class BarWriter implements PartitionStore {
  /** An update of TimescaleDB's tables looks into every day there is, for each row. */
  readonly takesUpdates: boolean
  readonly #client: pg.Client
  readonly #consumer: string
  readonly #partition: number

  constructor(client: pg.Client, consumer: string, partition: number, takesUpdates: boolean) {
    this.#client = client
    this.#consumer = consumer
    this.#partition = partition
    this.takesUpdates = takesUpdates
  }

  async claim(producers: readonly string[]): Promise<PartitionClaim> {
    const { rows } = await this.#client.query<OffsetRow>(
      `INSERT INTO stream_offsets AS s
         (consumer, producer, partition, generation, epoch, sequence, market_time, updated_at)
       SELECT $1, p.producer, $2, 1, 0, 0, NULL, now() FROM unnest($3::text[]) AS p(producer)
       ON CONFLICT (consumer, producer, partition)
       DO UPDATE SET generation = s.generation + 1, updated_at = now()
       RETURNING producer, generation, epoch, sequence, market_time`,
      [this.#consumer, this.#partition, textArray(producers)],
    )
    return { sources: inOrder(producers, rows) }
  }

  async positions(producers: readonly string[]): Promise<readonly SourcePosition[]> {
    const { rows } = await this.#client.query<OffsetRow>(
      `SELECT producer, generation, epoch, sequence, market_time
       FROM stream_offsets
       WHERE consumer = $1 AND partition = $2 AND producer = ANY($3::text[])`,
      [this.#consumer, this.#partition, textArray(producers)],
    )
    return inOrder(producers, rows)
  }

  prepare(commit: LiveCommit): PreparedCommit {
    const statement = preparedStatement(this.#consumer, this.#partition, commit.next, [
      upsert(MINUTE_BARS, commit.minuteBars),
      upsert(FUTURES_BARS, commit.futureBars),
      upsert(OPTION_BARS, commit.optionBars),
      update(OPTION_BAR_UPDATES, commit.optionUpdates),
      upsert(MINUTE_BARS_BENEATH, commit.beneath.minuteBars),
      upsert(FUTURES_BARS_BENEATH, commit.beneath.futureBars),
      upsert(OPTION_BARS_BENEATH, commit.beneath.optionBars),
      upsert(EXPIRY_METRICS, commit.metrics),
      upsert(STRIKE_DISTRIBUTION, commit.distribution),
      upsert(COVERAGE, commit.coverage),
      upsert(FEED_GAPS, commit.gaps),
      upsert(LEDGER, commit.ledger),
      upsert(FINALISE_QUEUE, commit.due),
      upsert(DEAD_LETTERS, commit.deadLetters),
    ])
    return (expected) => this.#run(statement(expected))
  }

  finalise(commit: FinalCommit): Promise<'committed' | 'superseded'> {
    return this.#execute(commit.expected, undefined, [
      upsert(FINAL_MINUTE_BARS, commit.minuteBars),
      upsert(FINAL_FUTURES_BARS, commit.futureBars),
      upsert(FINAL_OPTION_BARS, commit.optionBars),
      upsert(EXPIRY_METRICS, commit.metrics),
      upsert(STRIKE_DISTRIBUTION, commit.distribution),
      ...BAR_TABLES.map((table) => removal(table.removal, commit.barsRemoved.filter(table.holds))),
      removal(METRICS_REMOVAL, commit.metricsRemoved),
      removal(DISTRIBUTION_REMOVAL, commit.distributionRemoved),
      removal(QUEUE_REMOVAL, commit.done),
      upsert(FINALISE_QUEUE, commit.due),
    ])
  }

  writeCandles(commit: CandleCommit): Promise<'committed' | 'superseded'> {
    return this.#execute(commit.expected, undefined, [
      upsert(MINUTE_BAR_CANDLES, commit.rows.minuteBars),
      upsert(FUTURES_BAR_CANDLES, commit.rows.futureBars),
      upsert(OPTION_BAR_CANDLES, commit.rows.optionBars),
      removal(COVERAGE_REMOVAL, commit.coverageRemoved),
      upsert(COVERAGE, commit.coverage),
      change('repaired_gaps', REPAIRED_GAPS, commit.gapsRepaired, repairGaps),
      upsert(FINALISE_QUEUE, commit.due),
    ])
  }

  writePreviousOi(commit: PreviousOiCommit): Promise<'committed' | 'superseded'> {
    return this.#execute(commit.expected, undefined, previousOiParts(commit))
  }

  #execute(
    expected: readonly SourcePosition[],
    next: readonly SourcePosition[] | undefined,
    parts: readonly Part[],
  ): Promise<'committed' | 'superseded'> {
    return this.#run(preparedStatement(this.#consumer, this.#partition, next, parts)(expected))
  }

  async #run(statement: GuardedStatement): Promise<'committed' | 'superseded'> {
    const { rows } = await this.#client.query<{ ok: boolean }>(statement)
    return rows[0]?.ok === true ? 'committed' : 'superseded'
  }

  async loadCoverage(sinceMs: number): Promise<readonly CoverageRow[]> {
    const { rows } = await this.#client.query<CoverageRow>(
      `SELECT exchange, tradingsymbol, "from" AS "fromMs", "to" AS "toMs", source, mode
       FROM coverage WHERE "to" >= $1 AND source = 'live' ORDER BY "from"`,
      [instantText(sinceMs)],
    )
    return rows
  }

  loadOpenGaps(): Promise<readonly FeedGapRow[]> {
    return this.#readGaps("status = 'open'", [])
  }

  async loadGaps(ids: readonly string[]): Promise<readonly FeedGapRow[]> {
    return this.#readGaps('id = ANY ($2::text[])', [textArray(ids)])
  }

  async #readGaps(condition: string, values: readonly unknown[]): Promise<readonly FeedGapRow[]> {
    const { rows } = await this.#client.query<StoredGap>(
      `SELECT id, producer, partition, reason, account, connection, status,
              "from" AS "fromMs", "to" AS "toMs", instruments,
              opened_at AS "openedAtMs", closed_at AS "closedAtMs"
       FROM feed_gaps WHERE partition = $1 AND ${condition}`,
      [this.#partition, ...values],
    )
    return rows.map((row) => ({ ...row, instruments: row.instruments.map(gapInstrument) }))
  }

  async loadCoverageOf(
    bars: readonly Pick<BarIdentity, 'exchange' | 'tradingsymbol'>[],
    fromMs: number,
    toMs: number,
  ): Promise<readonly CoverageRow[]> {
    const { rows } = await this.#client.query<CoverageRow>(
      `SELECT c.exchange, c.tradingsymbol, c."from" AS "fromMs", c."to" AS "toMs", c.source, c.mode
       FROM unnest($1::text[], $2::text[]) AS w(exchange, tradingsymbol)
       JOIN coverage c ON c.exchange = w.exchange AND c.tradingsymbol = w.tradingsymbol
        AND c."from" <= $4::timestamptz AND c."to" >= $3::timestamptz
       ORDER BY c."from"`,
      [
        textArray(bars.map(({ exchange }) => exchange)),
        textArray(bars.map(({ tradingsymbol }) => tradingsymbol)),
        instantText(fromMs),
        instantText(toMs),
      ],
    )
    return rows
  }

  async loadSeriesMinutes(
    symbol: string,
    fromMs: number,
    toMs: number,
  ): Promise<readonly { expiry: string; minuteMs: number }[]> {
    const { rows } = await this.#client.query<{ expiry: string; minuteMs: number }>(
      `SELECT expiry, bucket_time AS "minuteMs" FROM fo_expiry_metrics
       WHERE symbol = $1 AND bucket_time >= $2::timestamptz AND bucket_time <= $3::timestamptz`,
      [symbol, instantText(fromMs), instantText(toMs)],
    )
    return rows
  }

  async loadLedger(producer: string, sinceMs: number): Promise<readonly LedgerRow[]> {
    const { rows } = await this.#client.query<LedgerRow>(
      `SELECT minute AS "minuteMs", producer, epoch, partition, received, rejected, dropped,
              journaled, folded, lost, not_folded AS "notFolded"
       FROM delivery_ledger
       WHERE producer = $1 AND partition = $2 AND minute >= $3`,
      [producer, this.#partition, instantText(sinceMs)],
    )
    return rows
  }

  async loadDue(): Promise<readonly DueMinute[]> {
    const { rows } = await this.#client.query<DueMinute & { expiry: string }>(
      `SELECT symbol, expiry, minute AS "minuteMs", due_since AS "dueSinceMs", reason
       FROM finalise_queue`,
    )
    return rows.map((row) => ({ ...row, expiry: row.expiry === '-infinity' ? null : row.expiry }))
  }

  async loadBars(
    wanted: readonly { readonly bar: BarIdentity; readonly minuteMs: number }[],
  ): Promise<readonly StoredBar[]> {
    const pairs = dedupe(wanted)
    return this.#readBars<StoredBar>(
      pairs.map(({ bar }) => bar),
      ({ select }) => select,
      (table) => `JOIN unnest($1::text[], $2::timestamptz[]) AS w(name, minute)
        ON t.${table.name} = w.name AND t.${table.time} = w.minute`,
      (indexes) => [instantArray(indexes.map((i) => pairs[i]?.minuteMs ?? 0))],
    )
  }

  loadBarsSince(bars: readonly BarIdentity[], fromMs: number): Promise<readonly StoredBar[]> {
    return this.#readBars<StoredBar>(
      bars,
      ({ select }) => select,
      (table) => `JOIN unnest($1::text[]) AS w(name)
        ON t.${table.name} = w.name AND t.${table.time} >= $2::timestamptz`,
      () => [instantText(fromMs)],
    )
  }

  loadLatestBefore(
    bars: readonly BarIdentity[],
    sinceMs: number,
    beforeMs: number,
  ): Promise<readonly EarlierBar[]> {
    return this.#readBars<EarlierBar>(
      bars,
      ({ selectEarlier }) => selectEarlier,
      (table) => `JOIN LATERAL (
          SELECT max(l.${table.time}) AS minute FROM ${table.table} l
          WHERE l.${table.name} = w.name
            AND l.${table.time} >= $2::timestamptz AND l.${table.time} < $3::timestamptz
        ) newest ON true
        JOIN ${table.table} t ON t.${table.name} = w.name AND t.${table.time} = newest.minute`,
      () => [instantText(sinceMs), instantText(beforeMs)],
      () => 'FROM unnest($1::text[]) AS w(name)',
    )
  }

  async loadPreviousOi(bars: readonly BarIdentity[], date: string): Promise<readonly DayOiRow[]> {
    const [firstDate, lastDate] = datesBefore(date)
    const found: DayOiRow[] = []
    for (const { table, time, holds, isExchangeKnown } of BAR_TABLES) {
      const held = isExchangeKnown ? [] : bars.filter(holds)
      if (held.length === 0) continue
      const { rows } = await this.#client.query<DayOiRow>(previousOiSql(table, time), [
        textArray(held.map(({ exchange }) => exchange)),
        textArray(held.map(({ tradingsymbol }) => tradingsymbol)),
        ...[firstDate, lastDate],
        ...[instantText(startOfDateMs(firstDate)), instantText(startOfDateMs(lastDate) + DAY_MS)],
      ])
      found.push(...rows)
    }
    return found
  }

  async close(): Promise<void> {
    await this.#client.end()
  }

  /** Reads bars of the three tables, each with one statement. */
  async #readBars<Row extends EarlierBar>(
    bars: readonly BarIdentity[],
    select: (table: BarTable) => string,
    join: (table: BarTable) => string,
    parameters: (indexes: readonly number[]) => unknown[],
    from: (table: BarTable) => string = (table) => `FROM ${table.table} t`,
  ): Promise<readonly Row[]> {
    const found: Row[] = []
    for (const table of BAR_TABLES) {
      const indexes = bars.flatMap((bar, i) => (table.holds(bar) ? [i] : []))
      if (indexes.length === 0) continue
      const names = textArray(indexes.map((i) => bars[i]?.tradingsymbol ?? ''))
      const { rows } = await this.#client.query<Row>(
        `SELECT ${select(table)} ${from(table)} ${join(table)}`,
        [names, ...parameters(indexes)],
      )
      for (const row of rows) {
        const wanted = table.isExchangeKnown
          ? bars.some((b) => b.tradingsymbol === row.tradingsymbol && b.exchange === row.exchange)
          : true
        if (wanted) found.push(row)
      }
    }
    return found
  }
}

interface OffsetRow {
  producer: string
  generation: number
  epoch: number
  sequence: number
  market_time: number | null
}

function inOrder(producers: readonly string[], rows: readonly OffsetRow[]): SourcePosition[] {
  return producers.map((producer) => {
    const row = rows.find((r) => r.producer === producer)
    if (row === undefined) throw new Error(`no stored position for producer ${producer}`)
    return {
      producer,
      generation: row.generation,
      position: { epoch: row.epoch, sequence: row.sequence },
      marketTimeMs: row.market_time,
    }
  })
}

/** A gap that is not closed yet is not repaired, and one that is repaired stays so. */
const repairGaps = (given: string) => `  UPDATE feed_gaps AS t
  SET status = 'repaired', repaired_at = now(), rows = v.rows
  FROM ${given} AS v(id, producer, partition, rows), ok
  WHERE t.id = v.id AND t.producer = v.producer AND t.partition = v.partition
    AND t.status = 'closed'`

type StoredGap = Omit<FeedGapRow, 'instruments'> & {
  instruments: (Omit<GapInstrument, 'to'> & { to: string | null })[]
}

function gapInstrument(stored: StoredGap['instruments'][number]): GapInstrument {
  return { ...stored, to: stored.to === null ? null : Date.parse(stored.to) }
}

function dedupe<T extends { bar: BarIdentity; minuteMs: number }>(wanted: readonly T[]): T[] {
  const byKey = new Map<string, T>()
  for (const item of wanted) {
    byKey.set(`${item.bar.exchange}:${item.bar.tradingsymbol}:${item.minuteMs}`, item)
  }
  return [...byKey.values()]
}

interface BarTable {
  readonly table: string
  /** Columns that name the instrument and the minute. */
  readonly name: string
  readonly time: string
  /** Columns of a `StoredBar`, and of an `EarlierBar`: reading all takes three times as long. */
  readonly select: string
  readonly selectEarlier: string
  readonly isExchangeKnown: boolean
  readonly removal: Deletion<BarKey>
  holds(bar: BarIdentity): boolean
}

const COMMON = `t.open, t.high, t.low, t.close, t.volume, t.day_volume AS "dayVolume",
  t.base_volume AS "baseVolume", t.tick_count AS "tickCount", t.complete, t.source,
  t.open_key AS "openKey", t.close_key AS "closeKey", t.quote_key AS "quoteKey",
  t.live_open AS "liveOpen", t.live_high AS "liveHigh", t.live_low AS "liveLow",
  t.live_close AS "liveClose"`

const BOOK = `NULL::text AS exchange, t.tradingsymbol, t.oi, t.oi_prev_close AS "oiPrevClose",
  t.bid, t.ask, t.live_oi AS "liveOi"`

const EARLIER = 't.close, t.day_volume AS "dayVolume", t.source, t.open_key AS "openKey"'
const EARLIER_BOOK = 'NULL::text AS exchange, t.tradingsymbol, t.oi, t.bid, t.ask'

const BAR_TABLES: readonly BarTable[] = [
  {
    table: 'minute_bars',
    name: 'symbol',
    time: 'time',
    select: `'index' AS kind, t.exchange, t.symbol AS tradingsymbol, t.time AS "minuteMs", ${COMMON},
      NULL::bigint AS oi, NULL::bigint AS "oiPrevClose", NULL::float8 AS bid, NULL::float8 AS ask,
      NULL::bigint AS "liveOi"`,
    selectEarlier: `t.exchange, t.symbol AS tradingsymbol, t.time AS "minuteMs", ${EARLIER},
      NULL::bigint AS oi, NULL::float8 AS bid, NULL::float8 AS ask`,
    isExchangeKnown: true,
    removal: MINUTE_BARS_REMOVAL,
    holds: ({ kind }) => kind === 'index' || kind === 'equity',
  },
  {
    table: 'futures_bars',
    name: 'tradingsymbol',
    time: 'time',
    select: `'future' AS kind, ${BOOK}, t.time AS "minuteMs", ${COMMON}`,
    selectEarlier: `${EARLIER_BOOK}, t.time AS "minuteMs", ${EARLIER}`,
    isExchangeKnown: false,
    removal: FUTURES_BARS_REMOVAL,
    holds: ({ kind }) => kind === 'future',
  },
  {
    table: 'fo_option_strike_bars',
    name: 'tradingsymbol',
    time: 'bucket_time',
    select: `'option' AS kind, ${BOOK}, t.bucket_time AS "minuteMs", ${COMMON}`,
    selectEarlier: `${EARLIER_BOOK}, t.bucket_time AS "minuteMs", ${EARLIER}`,
    isExchangeKnown: false,
    removal: OPTION_BARS_REMOVAL,
    holds: ({ kind }) => kind === 'option',
  },
]
