/**
 * The tables that a partition's writer writes, as data: columns, how each is given to the store, and
 * what becomes of it where the row is there already. `bar-statements.ts` makes SQL of it.
 */
import type {
  BarColumns,
  BarKey,
  CoverageKey,
  CoverageRow,
  DeadLetterRow,
  DistributionKey,
  DistributionRow,
  DistributionSide,
  DueMinute,
  ExpiryMetricsRow,
  FeedGapRow,
  FutureBarRow,
  LedgerRow,
  MetricsKey,
  MinuteBarRow,
  OptionBarRow,
  OptionBarUpdate,
  RepairedGap,
} from '../backend/ports.ts'
import type { ArrayElement } from './array-bytes.ts'

/**
 * On conflict: `set` takes the new value, `known` takes it unless it is null, `keep` leaves the
 * stored one (what is fixed at the row's birth).
 */
export type OnConflict = 'set' | 'known' | 'keep'

export interface Column<Row> {
  readonly name: string
  readonly type: ArrayElement
  readonly value: (row: Row) => unknown
  readonly onConflict: OnConflict
}

export interface Table<Row> {
  readonly name: string
  /** The conflict target, in the order in which rows are sorted. */
  readonly key: readonly string[]
  readonly columns: readonly Column<Row>[]
  /** Names the statement's part, where the table is written in more than one way. */
  readonly part?: string
  /** What else is set on conflict; `t` is the stored row. */
  readonly alsoSet?: readonly string[]
  /** Stored rows for which this is false are left alone; `t` is the stored row. */
  readonly updateWhere?: string
  readonly touchUpdatedAt: boolean
}

export function column<Row>(
  name: string,
  type: ArrayElement,
  value: (row: Row) => unknown,
  onConflict: OnConflict = 'set',
): Column<Row> {
  return { name, type, value, onConflict }
}

/** Live rows never touch what a broker's candle has written. */
const LIVE_ONLY = "t.source IN ('live', 'snapshot')"

const commonColumns: readonly Column<BarColumns>[] = [
  column('open', 'float8', (r) => r.open),
  column('high', 'float8', (r) => r.high),
  column('low', 'float8', (r) => r.low),
  column('close', 'float8', (r) => r.close),
  column('volume', 'int8', (r) => r.volume, 'known'),
  column('day_volume', 'int8', (r) => r.dayVolume),
  column('base_volume', 'int8', (r) => r.baseVolume),
  column('tick_count', 'int4', (r) => r.tickCount),
  column('complete', 'bool', (r) => r.complete, 'known'),
  column('source', 'text', (r) => r.source),
  column('open_key', 'bytea', (r) => r.openKey),
  column('close_key', 'bytea', (r) => r.closeKey),
  column('quote_key', 'bytea', (r) => r.quoteKey),
]

const derivativeColumns: readonly Column<FutureBarRow | OptionBarRow>[] = [
  column('tradingsymbol', 'text', (r) => r.tradingsymbol, 'keep'),
  column('symbol', 'text', (r) => r.symbol, 'keep'),
  column('expiry', 'date', (r) => r.expiry, 'keep'),
  column('instrument_token', 'int8', (r) => r.instrumentToken, 'keep'),
  column('oi', 'int8', (r) => r.oi),
  column('oi_prev_close', 'int8', (r) => r.oiPrevClose, 'known'),
  column('oi_change', 'int8', (r) => r.oiChange),
  column('bid', 'float8', (r) => r.bid),
  column('ask', 'float8', (r) => r.ask),
]

export const MINUTE_BARS: Table<MinuteBarRow> = {
  name: 'minute_bars',
  part: 'minute_bars_live',
  key: ['symbol', 'time', 'exchange'],
  columns: [
    column('exchange', 'text', (r) => r.exchange, 'keep'),
    column('symbol', 'text', (r) => r.symbol, 'keep'),
    column('time', 'ms', (r) => r.minuteMs, 'keep'),
    ...commonColumns,
  ],
  updateWhere: LIVE_ONLY,
  touchUpdatedAt: true,
}

export const FUTURES_BARS: Table<FutureBarRow> = {
  name: 'futures_bars',
  part: 'futures_bars_live',
  key: ['tradingsymbol', 'time'],
  columns: [
    column('time', 'ms', (r) => r.minuteMs, 'keep'),
    ...derivativeColumns,
    ...commonColumns,
    column('basis', 'float8', (r) => r.basis),
  ],
  updateWhere: LIVE_ONLY,
  touchUpdatedAt: true,
}

export const OPTION_BARS: Table<OptionBarRow> = {
  name: 'fo_option_strike_bars',
  part: 'fo_option_strike_bars_live',
  key: ['tradingsymbol', 'bucket_time'],
  columns: [
    column('bucket_time', 'ms', (r) => r.minuteMs, 'keep'),
    column('strike', 'float8', (r) => r.strike, 'keep'),
    column('option_type', 'text', (r) => r.optionType, 'keep'),
    ...derivativeColumns,
    ...commonColumns,
    column('iv', 'float8', (r) => r.iv),
    column('iv_raw', 'float8', (r) => r.ivRaw),
    column('iv_reason', 'text', (r) => r.ivReason),
    column('delta', 'float8', (r) => r.delta),
    column('gamma', 'float8', (r) => r.gamma),
    column('theta', 'float8', (r) => r.theta),
    column('vega', 'float8', (r) => r.vega),
    column('underlying_price', 'float8', (r) => r.underlyingPrice),
    column('forward', 'float8', (r) => r.forward),
    column('forward_source', 'text', (r) => r.forwardSource),
  ],
  updateWhere: LIVE_ONLY,
  touchUpdatedAt: true,
}

/** Written out on purpose: functions that meet rows of one shape only are compiled for it. */
export const OPTION_BAR_UPDATES: Table<OptionBarUpdate> = {
  name: OPTION_BARS.name,
  part: 'fo_option_strike_bars_update',
  key: OPTION_BARS.key,
  columns: [
    column('tradingsymbol', 'text', (r) => r.tradingsymbol, 'keep'),
    column('bucket_time', 'ms', (r) => r.minuteMs, 'keep'),
    column('high', 'float8', (r) => r.high),
    column('low', 'float8', (r) => r.low),
    column('close', 'float8', (r) => r.close),
    column('volume', 'int8', (r) => r.volume, 'known'),
    column('day_volume', 'int8', (r) => r.dayVolume),
    column('tick_count', 'int4', (r) => r.tickCount),
    column('close_key', 'bytea', (r) => r.closeKey),
    column('quote_key', 'bytea', (r) => r.quoteKey),
    column('oi', 'int8', (r) => r.oi),
    column('oi_change', 'int8', (r) => r.oiChange),
    column('bid', 'float8', (r) => r.bid),
    column('ask', 'float8', (r) => r.ask),
  ],
  updateWhere: LIVE_ONLY,
  touchUpdatedAt: true,
}

export const EXPIRY_METRICS: Table<ExpiryMetricsRow> = {
  name: 'fo_expiry_metrics',
  key: ['symbol', 'expiry', 'bucket_time'],
  columns: [
    column('symbol', 'text', (r) => r.symbol, 'keep'),
    column('expiry', 'date', (r) => r.expiry, 'keep'),
    column('bucket_time', 'ms', (r) => r.minuteMs, 'keep'),
    column('spot', 'float8', (r) => r.spot),
    column('future', 'float8', (r) => r.future),
    column('forward', 'float8', (r) => r.forward),
    column('forward_source', 'text', (r) => r.forwardSource),
    column('atm_strike', 'float8', (r) => r.atmStrike),
    column('atm_iv', 'float8', (r) => r.atmIv),
    column('straddle', 'float8', (r) => r.straddle),
    column('expected_move', 'float8', (r) => r.expectedMove),
    column('rr25', 'float8', (r) => r.rr25),
    column('bf25', 'float8', (r) => r.bf25),
    column('gex', 'float8', (r) => r.gex),
    column('total_call_oi', 'int8', (r) => r.totalCallOi),
    column('total_put_oi', 'int8', (r) => r.totalPutOi),
    column('total_call_volume', 'int8', (r) => r.totalCallVolume),
    column('total_put_volume', 'int8', (r) => r.totalPutVolume),
    column('pcr_oi', 'float8', (r) => r.pcrOi),
    column('pcr_volume', 'float8', (r) => r.pcrVolume),
    column('max_pain', 'float8', (r) => r.maxPain),
    column('max_pain_high', 'float8', (r) => r.maxPainHigh),
    column('strikes_listed', 'int4', (r) => r.strikesListed),
    column('strikes_streamed', 'int4', (r) => r.strikesStreamed),
    column('strikes_present', 'int4', (r) => r.strikesPresent),
    column('complete', 'bool', (r) => r.complete, 'known'),
  ],
  touchUpdatedAt: true,
}

function sideColumns(
  prefix: 'call' | 'put',
  sideOf: (row: DistributionRow) => DistributionSide | null,
): Column<DistributionRow>[] {
  const of = (pick: (side: DistributionSide) => unknown) => (row: DistributionRow) => {
    const side = sideOf(row)
    return side === null ? null : pick(side)
  }
  return [
    column(
      `${prefix}_tradingsymbol`,
      'text',
      of((s) => s.tradingsymbol),
    ),
    column(
      `${prefix}_ltp`,
      'float8',
      of((s) => s.ltp),
    ),
    column(
      `${prefix}_oi`,
      'int8',
      of((s) => s.oi),
    ),
    column(
      `${prefix}_oi_change`,
      'int8',
      of((s) => s.oiChange),
    ),
    column(
      `${prefix}_volume`,
      'int8',
      of((s) => s.volume),
    ),
    column(
      `${prefix}_iv`,
      'float8',
      of((s) => s.iv),
    ),
    column(
      `${prefix}_delta`,
      'float8',
      of((s) => s.delta),
    ),
    column(
      `${prefix}_gamma`,
      'float8',
      of((s) => s.gamma),
    ),
    column(
      `${prefix}_theta`,
      'float8',
      of((s) => s.theta),
    ),
    column(
      `${prefix}_vega`,
      'float8',
      of((s) => s.vega),
    ),
  ]
}

export const STRIKE_DISTRIBUTION: Table<DistributionRow> = {
  name: 'fo_strike_distribution',
  key: ['symbol', 'expiry', 'strike', 'bucket_time'],
  columns: [
    column('symbol', 'text', (r) => r.symbol, 'keep'),
    column('expiry', 'date', (r) => r.expiry, 'keep'),
    column('strike', 'float8', (r) => r.strike, 'keep'),
    column('bucket_time', 'ms', (r) => r.minuteMs, 'keep'),
    ...sideColumns('call', (r) => r.call),
    ...sideColumns('put', (r) => r.put),
  ],
  touchUpdatedAt: true,
}

export const COVERAGE: Table<CoverageRow> = {
  name: 'coverage',
  key: ['exchange', 'tradingsymbol', 'from'],
  columns: [
    column('exchange', 'text', (r) => r.exchange, 'keep'),
    column('tradingsymbol', 'text', (r) => r.tradingsymbol, 'keep'),
    column('from', 'ms', (r) => r.fromMs, 'keep'),
    column('to', 'ms', (r) => r.toMs),
    column('source', 'text', (r) => r.source),
    column('mode', 'text', (r) => r.mode),
  ],
  touchUpdatedAt: false,
}

export const FEED_GAPS: Table<FeedGapRow> = {
  name: 'feed_gaps',
  key: ['id', 'producer', 'partition'],
  columns: [
    column('id', 'text', (r) => r.id, 'keep'),
    column('producer', 'text', (r) => r.producer, 'keep'),
    column('partition', 'int4', (r) => r.partition, 'keep'),
    column('account', 'text', (r) => r.account, 'keep'),
    column('connection', 'int4', (r) => r.connection, 'keep'),
    column('reason', 'text', (r) => r.reason, 'keep'),
    column('status', 'text', (r) => r.status),
    column('from', 'ms', (r) => r.fromMs),
    column('to', 'ms', (r) => r.toMs),
    column('instruments', 'jsonb', (r) => JSON.stringify(r.instruments.map(storedGapInstrument))),
    column('opened_at', 'ms', (r) => r.openedAtMs, 'keep'),
    column('closed_at', 'ms', (r) => r.closedAtMs),
  ],
  touchUpdatedAt: false,
}

function storedGapInstrument(instrument: FeedGapRow['instruments'][number]) {
  const { to } = instrument
  return { ...instrument, to: to === null ? null : new Date(to).toISOString() }
}

export const LEDGER: Table<LedgerRow> = {
  name: 'delivery_ledger',
  key: ['minute', 'producer', 'epoch', 'partition'],
  columns: [
    column('minute', 'ms', (r) => r.minuteMs, 'keep'),
    column('producer', 'text', (r) => r.producer, 'keep'),
    column('epoch', 'int8', (r) => r.epoch, 'keep'),
    column('partition', 'int4', (r) => r.partition, 'keep'),
    column('received', 'int8', (r) => r.received),
    column('rejected', 'int8', (r) => r.rejected),
    column('dropped', 'int8', (r) => r.dropped),
    column('journaled', 'int8', (r) => r.journaled),
    column('folded', 'int8', (r) => r.folded),
    column('lost', 'int8', (r) => r.lost),
    column('not_folded', 'jsonb', (r) => JSON.stringify(r.notFolded)),
  ],
  touchUpdatedAt: false,
}

export const FINALISE_QUEUE: Table<DueMinute> = {
  name: 'finalise_queue',
  key: ['symbol', 'expiry', 'minute'],
  columns: [
    column('symbol', 'text', (r) => r.symbol, 'keep'),
    column('expiry', 'date', (r) => r.expiry ?? '-infinity', 'keep'),
    column('minute', 'ms', (r) => r.minuteMs, 'keep'),
    column('due_since', 'ms', (r) => r.dueSinceMs),
    column('reason', 'text', (r) => r.reason),
  ],
  touchUpdatedAt: false,
}

export const DEAD_LETTERS: Table<DeadLetterRow> = {
  name: 'dead_letters',
  key: ['producer', 'partition', 'epoch', 'sequence'],
  columns: [
    column('producer', 'text', (r) => r.producer, 'keep'),
    column('partition', 'int4', (r) => r.partition, 'keep'),
    column('epoch', 'int8', (r) => r.epoch, 'keep'),
    column('sequence', 'int8', (r) => r.sequence, 'keep'),
    column('record', 'bytea', (r) => r.record),
    column('reason', 'text', (r) => r.reason),
    column('time', 'ms', (r) => r.timeMs, 'keep'),
  ],
  touchUpdatedAt: false,
}

/** Rows to delete, by key. */
export interface Deletion<Row> {
  readonly name: string
  readonly columns: readonly Column<Row>[]
}

export const QUEUE_REMOVAL: Deletion<DueMinute> = {
  name: 'finalise_queue',
  columns: [
    column('symbol', 'text', (r) => r.symbol),
    column('expiry', 'date', (r) => r.expiry ?? '-infinity'),
    column('minute', 'ms', (r) => r.minuteMs),
  ],
}

const barKeyColumns = (name: string, time: string): readonly Column<BarKey>[] => [
  column(name, 'text', (r) => r.tradingsymbol),
  column(time, 'ms', (r) => r.minuteMs),
]

export const MINUTE_BARS_REMOVAL: Deletion<BarKey> = {
  name: 'minute_bars',
  columns: [column('exchange', 'text', (r) => r.exchange), ...barKeyColumns('symbol', 'time')],
}

export const FUTURES_BARS_REMOVAL: Deletion<BarKey> = {
  name: 'futures_bars',
  columns: barKeyColumns('tradingsymbol', 'time'),
}

export const OPTION_BARS_REMOVAL: Deletion<BarKey> = {
  name: 'fo_option_strike_bars',
  columns: barKeyColumns('tradingsymbol', 'bucket_time'),
}

const seriesKeyColumns: readonly Column<MetricsKey>[] = [
  column('symbol', 'text', (r) => r.symbol),
  column('expiry', 'date', (r) => r.expiry),
  column('bucket_time', 'ms', (r) => r.minuteMs),
]

export const METRICS_REMOVAL: Deletion<MetricsKey> = {
  name: 'fo_expiry_metrics',
  columns: seriesKeyColumns,
}

export const DISTRIBUTION_REMOVAL: Deletion<DistributionKey> = {
  name: 'fo_strike_distribution',
  columns: [...seriesKeyColumns, column('strike', 'float8', (r) => r.strike)],
}

export const COVERAGE_REMOVAL: Deletion<CoverageKey> = {
  name: 'coverage',
  columns: [
    column('exchange', 'text', (r) => r.exchange),
    column('tradingsymbol', 'text', (r) => r.tradingsymbol),
    column('from', 'ms', (r) => r.fromMs),
  ],
}

export const REPAIRED_GAPS: readonly Column<RepairedGap>[] = [
  column('id', 'text', (r) => r.id),
  column('producer', 'text', (r) => r.producer),
  column('partition', 'int4', (r) => r.partition),
  column('rows', 'int8', (r) => r.rows),
]
