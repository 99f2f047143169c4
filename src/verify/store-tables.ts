/**
 * The store's tables as the reference compares them: which columns, of what kind, under which key.
 * Reading is plain SQL, so that not even the product's reading can hide a fault.
 */

/** How a column is read and compared: only a double may differ, by its last digits. */
type ColumnKind = 'text' | 'integer' | 'double' | 'flag' | 'time' | 'date' | 'counts'

export interface StoreTable {
  readonly name: string
  /** Columns of the key, in the order that the reference is sorted by. */
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, ColumnKind>>
  readonly where?: string
}

export type StoreValue = string | number | boolean | null | Readonly<Record<string, number>>
export type StoreRow = Readonly<Record<string, StoreValue>>

/** What the comparison of an open minute leaves out; the rest of a bar must hold at any time. */
export const KNOWN_AT_CLOSE: ReadonlySet<string> = new Set([
  'oi_prev_close',
  'oi_change',
  'basis',
  'iv',
  'iv_raw',
  'delta',
  'gamma',
  'theta',
  'vega',
  'iv_reason',
  'underlying_price',
  'forward',
  'forward_source',
])

const COMMON_BAR = {
  ...doubles('open high low close'),
  ...integers('volume day_volume base_volume tick_count'),
  complete: 'flag',
  source: 'text',
} as const

const DERIVATIVE_BAR = {
  ...COMMON_BAR,
  tradingsymbol: 'text',
  symbol: 'text',
  expiry: 'date',
  ...integers('instrument_token oi oi_prev_close oi_change'),
  ...doubles('bid ask'),
} as const

export const MINUTE_BARS: StoreTable = {
  name: 'minute_bars',
  key: ['symbol', 'time', 'exchange'],
  columns: { exchange: 'text', symbol: 'text', time: 'time', ...COMMON_BAR },
}

export const FUTURES_BARS: StoreTable = {
  name: 'futures_bars',
  key: ['tradingsymbol', 'time'],
  columns: { time: 'time', ...DERIVATIVE_BAR, basis: 'double' },
}

export const OPTION_BARS: StoreTable = {
  name: 'fo_option_strike_bars',
  key: ['tradingsymbol', 'bucket_time'],
  columns: {
    bucket_time: 'time',
    ...DERIVATIVE_BAR,
    option_type: 'text',
    ...doubles('strike iv iv_raw delta gamma theta vega underlying_price forward'),
    iv_reason: 'text',
    forward_source: 'text',
  },
}

export const EXPIRY_METRICS: StoreTable = {
  name: 'fo_expiry_metrics',
  key: ['symbol', 'expiry', 'bucket_time'],
  columns: {
    symbol: 'text',
    expiry: 'date',
    bucket_time: 'time',
    ...doubles('spot future forward atm_strike atm_iv straddle expected_move rr25 bf25 gex'),
    ...integers('total_call_oi total_put_oi total_call_volume total_put_volume'),
    ...doubles('pcr_oi pcr_volume max_pain max_pain_high'),
    ...integers('strikes_listed strikes_streamed strikes_present'),
    complete: 'flag',
    forward_source: 'text',
  },
}

export const STRIKE_DISTRIBUTION: StoreTable = {
  name: 'fo_strike_distribution',
  key: ['symbol', 'expiry', 'strike', 'bucket_time'],
  columns: {
    symbol: 'text',
    expiry: 'date',
    strike: 'double',
    bucket_time: 'time',
    call_tradingsymbol: 'text',
    put_tradingsymbol: 'text',
    ...integers('call_oi call_oi_change call_volume put_oi put_oi_change put_volume'),
    ...doubles('call_ltp call_iv call_delta call_gamma call_theta call_vega'),
    ...doubles('put_ltp put_iv put_delta put_gamma put_theta put_vega'),
  },
}

export const COVERAGE: StoreTable = {
  name: 'coverage',
  key: ['exchange', 'tradingsymbol', 'from'],
  columns: {
    exchange: 'text',
    tradingsymbol: 'text',
    from: 'time',
    to: 'time',
    source: 'text',
    mode: 'text',
  },
}

/** What the broker's candles cover is not the journal's to say. */
export const LIVE_COVERAGE: StoreTable = { ...COVERAGE, where: "source = 'live'" }

/** The tables with a row for each minute. */
export const MINUTE_TABLES: readonly StoreTable[] = [
  MINUTE_BARS,
  FUTURES_BARS,
  OPTION_BARS,
  EXPIRY_METRICS,
  STRIKE_DISTRIBUTION,
]

export const DELIVERY_LEDGER: StoreTable = {
  name: 'delivery_ledger',
  key: ['minute', 'producer', 'epoch', 'partition'],
  columns: {
    minute: 'time',
    producer: 'text',
    ...integers('epoch partition received rejected dropped journaled folded lost'),
    not_folded: 'counts',
  },
}

function integers(names: string): Record<string, 'integer'> {
  return Object.fromEntries(names.split(' ').map((name) => [name, 'integer']))
}

function doubles(names: string): Record<string, 'double'> {
  return Object.fromEntries(names.split(' ').map((name) => [name, 'double']))
}

/** The columns of the table as one JSON array, in their order. */
export function columnsAsJson({ columns }: StoreTable): string {
  const all = Object.entries(columns).map(([column, kind]) => READ_AS[kind](`"${column}"`))
  return `json_build_array(${all.join(', ')})`
}

/** The row that `columnsAsJson` was read of. */
export function rowOfJson({ columns }: StoreTable, values: readonly StoreValue[]): StoreRow {
  return Object.fromEntries(
    Object.entries(columns).map(([column, kind], i) => {
      const value = values[i] ?? null
      return [column, kind === 'time' && value === 'Infinity' ? Number.POSITIVE_INFINITY : value]
    }),
  )
}

/** Each kind in a form that does not depend on the client's parsers or the session's time zone. */
const READ_AS: Readonly<Record<ColumnKind, (column: string) => string>> = {
  text: (column) => `${column}::text`,
  integer: (column) => `${column}::float8`,
  double: (column) => `${column}::float8`,
  flag: (column) => `${column}::boolean`,
  time: (column) =>
    `CASE WHEN isfinite(${column}) THEN to_json(round(extract(epoch FROM ${column}) * 1000)::float8)` +
    ` ELSE '"Infinity"'::json END`,
  date: (column) => `to_char(${column}, 'YYYY-MM-DD')`,
  counts: (column) => `${column}::jsonb`,
}
