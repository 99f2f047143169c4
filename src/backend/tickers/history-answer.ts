/** The ticker's `/history` as candles. Pure. */
import type { History } from '../../contract/api/history.ts'
import { floorToMinute, parseApiTime } from '../../market/ist.ts'
import type { Candle } from '../candles/candle-writer.ts'

export interface HistoryAnswer {
  /** Minutes, ascending, each once; none that is not final. */
  readonly candles: readonly Candle[]
  /** Candles that end by then are final and given, epoch ms. */
  readonly finalUntilMs: number
}

/** Undefined where a row is no candle, or they do not ascend. */
export function historyOf({ candles: rows, final_until }: History): HistoryAnswer | undefined {
  const finalUntil = parseApiTime(final_until)
  if (!finalUntil.ok) return undefined
  const candles: Candle[] = []
  for (const row of rows) {
    const candle = candleOf(row)
    const before = candles.at(-1)?.minuteMs ?? Number.NEGATIVE_INFINITY
    if (candle === undefined || candle.minuteMs <= before) return undefined
    candles.push(candle)
  }
  return { candles, finalUntilMs: finalUntil.ms }
}

function candleOf(row: readonly unknown[]): Candle | undefined {
  const [time, open, high, low, close, volume, oi = null] = row
  const opened = typeof time === 'string' ? parseApiTime(time) : undefined
  if (opened?.ok !== true || floorToMinute(opened.ms) !== opened.ms) return undefined
  if (!isPrice(open) || !isPrice(high) || !isPrice(low) || !isPrice(close)) return undefined
  if (!isCount(volume) || !(oi === null || isCount(oi))) return undefined
  return { minuteMs: opened.ms, open, high, low, close, volume, oi }
}

function isPrice(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
