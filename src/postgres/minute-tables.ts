/**
 * The tables that hold a row a minute, as whoever keeps them needs them: by which column a row's minute
 * is told, and which columns make one series of it (what is compressed together and found by itself).
 */
export interface MinuteTable {
  readonly name: string
  readonly time: string
  /** The key without the minute. */
  readonly series: readonly string[]
}

export const MINUTE_TABLES: readonly MinuteTable[] = [
  { name: 'minute_bars', time: 'time', series: ['symbol', 'exchange'] },
  { name: 'futures_bars', time: 'time', series: ['symbol', 'tradingsymbol'] },
  { name: 'fo_option_strike_bars', time: 'bucket_time', series: ['symbol', 'tradingsymbol'] },
  { name: 'fo_expiry_metrics', time: 'bucket_time', series: ['symbol', 'expiry'] },
  { name: 'fo_strike_distribution', time: 'bucket_time', series: ['symbol', 'expiry', 'strike'] },
]

/** Those that have prices, and so are gathered into longer bars. */
export const BAR_TABLE_NAMES = ['minute_bars', 'futures_bars', 'fo_option_strike_bars'] as const

/** The views of longer bars, by name. */
export const AGGREGATES: readonly string[] = BAR_TABLE_NAMES.flatMap((table) =>
  ['5m', '15m', '1d'].map((length) => `${table}_${length}`),
)
