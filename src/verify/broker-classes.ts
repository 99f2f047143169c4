/**
 * Why a complete live bar differs from the broker's candle of the same minute: bars from ticks are
 * sampled, and the broker corrects some minutes afterwards. Pure.
 */
import type { InstrumentKind } from '../market/instrument.ts'
import { istMinuteOfDay, MINUTE_MS } from '../market/ist.ts'

export const DIFFERENCE_CLASSES = [
  'sampled_high_or_low',
  'sampled_open_or_close',
  'opening_price_corrected',
  'index_minutes_before_close',
  'pre_open_volume',
  'flat_minute_absent',
  'stepped_oi',
  'unexplained',
] as const
export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number]

/** Prices in rupees, volume and OI in units; null where not known. */
export interface BarFigures {
  readonly minuteMs: number
  readonly open: number | null
  readonly high: number | null
  readonly low: number | null
  readonly close: number | null
  readonly volume: number | null
  readonly oi: number | null
}

export interface ClassGround {
  readonly kind: InstrumentKind
  /** Of the date's session, epoch ms. */
  readonly openMs: number
  /** The broker's candles of the date by minute. */
  readonly candles: ReadonlyMap<number, BarFigures>
}

export type BarColumn = 'open' | 'high' | 'low' | 'close' | 'volume' | 'oi' | 'row'

export interface ClassedDifference {
  readonly column: BarColumn
  readonly stored: number | null
  readonly broker: number | null
  readonly class: DifferenceClass
}

const PRICES = ['open', 'high', 'low', 'close'] as const
const OPENING_MS = 5 * MINUTE_MS
/** The broker publishes OI every few minutes. */
const OI_STEPS = 3
const INDEX_FROM_MINUTE = 15 * 60 + 15
const INDEX_TO_MINUTE = 15 * 60 + 40
/** Half a paisa: prices are multiples of it at the least. */
const PRICE_TOLERANCE = 0.005

/** What differs of one bar; nothing where it is the broker's candle. */
export function classDifferences(bar: BarFigures, ground: ClassGround): ClassedDifference[] {
  const candle = ground.candles.get(bar.minuteMs)
  if (candle === undefined) {
    const isFlat = bar.high === bar.low && (bar.volume ?? 0) === 0
    return [difference('row', bar.close, null, isFlat ? 'flat_minute_absent' : 'unexplained')]
  }
  const prices = PRICES.filter((column) => !isSamePrice(bar[column], candle[column])).map(
    (column) =>
      difference(column, bar[column], candle[column], classOfPrice(column, bar, candle, ground)),
  )
  return [...prices, ...volumeDifference(bar, candle, ground), ...oiDifference(bar, candle, ground)]
}

function classOfPrice(
  column: (typeof PRICES)[number],
  bar: BarFigures,
  candle: BarFigures,
  { kind, openMs }: ClassGround,
): DifferenceClass {
  const stored = bar[column] ?? Number.NaN
  const broker = candle[column] ?? Number.NaN
  if (kind === 'index' && isBeforeClose(bar.minuteMs)) return 'index_minutes_before_close'
  if (column === 'high' && stored < broker) return 'sampled_high_or_low'
  if (column === 'low' && stored > broker) return 'sampled_high_or_low'
  const isOpening = bar.minuteMs >= openMs && bar.minuteMs < openMs + OPENING_MS
  // A corrected opening price moves the high or the low that it was.
  const isOpen = column === 'open' || (column !== 'close' && stored === bar.open)
  if (isOpening && isOpen) return 'opening_price_corrected'
  return isEnd(column) && isSampled(stored, bar, candle, kind)
    ? 'sampled_open_or_close'
    : 'unexplained'
}

function isEnd(column: BarColumn): boolean {
  return column === 'open' || column === 'close'
}

/**
 * The first or the last trade that was shown is another one than the minute's. The evidence: its price
 * lies within the candle's, and the minute was seen to trade; a price that is only repeated is none.
 */
function isSampled(
  stored: number,
  { volume }: BarFigures,
  { high, low }: BarFigures,
  kind: InstrumentKind,
): boolean {
  if (high === null || low === null) return false
  const hasTraded = kind === 'index' || (volume ?? 0) > 0
  return hasTraded && stored <= high + PRICE_TOLERANCE && stored >= low - PRICE_TOLERANCE
}

function isBeforeClose(minuteMs: number): boolean {
  const minute = istMinuteOfDay(minuteMs)
  return minute >= INDEX_FROM_MINUTE && minute < INDEX_TO_MINUTE
}

function volumeDifference(
  bar: BarFigures,
  candle: BarFigures,
  { kind, openMs }: ClassGround,
): ClassedDifference[] {
  if (kind === 'index' || bar.volume === candle.volume) return []
  const isPreOpen = kind === 'future' && bar.minuteMs === openMs
  const found = isPreOpen ? 'pre_open_volume' : 'unexplained'
  return [difference('volume', bar.volume, candle.volume, found)]
}

function oiDifference(
  bar: BarFigures,
  candle: BarFigures,
  { kind, candles }: ClassGround,
): ClassedDifference[] {
  if ((kind !== 'future' && kind !== 'option') || bar.oi === candle.oi) return []
  const steps = Array.from({ length: 2 * OI_STEPS + 1 }, (_, i) => i - OI_STEPS)
  const isStep = steps.some((step) => candles.get(bar.minuteMs + step * MINUTE_MS)?.oi === bar.oi)
  return [difference('oi', bar.oi, candle.oi, isStep ? 'stepped_oi' : 'unexplained')]
}

function isSamePrice(stored: number | null, broker: number | null): boolean {
  if (stored === null || broker === null) return stored === broker
  return Math.abs(stored - broker) < PRICE_TOLERANCE
}

function difference(
  column: BarColumn,
  stored: number | null,
  broker: number | null,
  found: DifferenceClass,
): ClassedDifference {
  return { column, stored, broker, class: found }
}
