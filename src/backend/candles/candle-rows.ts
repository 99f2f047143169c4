/**
 * Which minutes of a broker's candles are written over what the store holds of them, and as what rows.
 * Pure: stored rows and coverage in, rows out.
 */
import type { Coverage } from '../../market/coverage.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import { futureBarRow, minuteBarRow, optionBarRow } from '../bars/bar-rows.ts'
import { beneathOf, NOTHING_BENEATH } from '../bars/candle-row.ts'
import { FULL } from '../bars/final-bar.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { BarColumns, CandleRows, StoredBar } from '../ports.ts'
import type { Candle, CandleSource } from './candle-writer.ts'
import { dayVolumes } from './day-volumes.ts'

/** A minute of a batch: its candle, or null where the broker is known to have none. */
export interface BatchMinute {
  readonly minuteMs: number
  readonly candle: Candle | null
}

export interface CandleContext {
  readonly bars: InstrumentBars
  readonly source: CandleSource
  /** Rows of the minutes and of those right before and after them, by minute. */
  readonly stored: ReadonlyMap<number, StoredBar>
  /** When the instrument was streamed, around a minute. */
  readonly coverageAt: (minuteMs: number) => Coverage
}

/** The minutes of a batch in order. */
export function minutesOf(candles: readonly Candle[], none: readonly number[]): BatchMinute[] {
  const minutes = [
    ...candles.map((candle) => ({ minuteMs: candle.minuteMs, candle })),
    ...none.map((minuteMs) => ({ minuteMs, candle: null })),
  ]
  return minutes.sort((a, b) => a.minuteMs - b.minuteMs)
}

/** The minutes right before and after runs of minutes, whose rows the first and the last rest on. */
export function neighboursOf(minutes: readonly BatchMinute[]): number[] {
  const own = new Set(minutes.map(({ minuteMs }) => minuteMs))
  const around = minutes.flatMap(({ minuteMs }) => [minuteMs - MINUTE_MS, minuteMs + MINUTE_MS])
  return [...new Set(around)].filter((minuteMs) => !own.has(minuteMs))
}

/** Settled, then live and complete, stand above a candle. */
export function isWritten(
  { source, stored, coverageAt }: CandleContext,
  minuteMs: number,
): boolean {
  if (source === 'settled') return true
  const row = stored.get(minuteMs)
  if (row?.source === 'settled' || (row?.source === 'live' && row.complete === true)) return false
  return !coverageAt(minuteMs).spansMinute(minuteMs, FULL)
}

/** @param minutes those that are written, ascending */
export function candleRows(minutes: readonly BatchMinute[], context: CandleContext): CandleRows {
  const { bars } = context
  const days = dayVolumesOf(minutes, context)
  const rows: { [Table in keyof CandleRows]: CandleRows[Table][number][] } = {
    minuteBars: [],
    futureBars: [],
    optionBars: [],
  }
  let closeBefore: number | null = null
  minutes.forEach((minute, i) => {
    const { columns, book, beneath } = rowOf(minute, context, days[i] ?? null, closeBefore)
    closeBefore = columns.close
    const { kind } = bars.instrument
    if (kind === 'option') {
      rows.optionBars.push({ ...optionBarRow(bars, columns, book, undefined), ...beneath })
    } else if (kind === 'future') {
      rows.futureBars.push({ ...futureBarRow(bars, columns, book, null), ...beneath })
    } else rows.minuteBars.push({ ...minuteBarRow(bars, columns), ...beneath })
  })
  return rows
}

function rowOf(
  { minuteMs, candle }: BatchMinute,
  { source, stored }: CandleContext,
  dayVolume: number | null,
  closeBefore: number | null,
) {
  const row = stored.get(minuteMs)
  const before = stored.get(minuteMs - MINUTE_MS)
  const packets = row?.source === 'snapshot' ? undefined : row
  const isSettled = source === 'settled'
  // What the minute's close makes exact: the newest price before it, whenever that is stored.
  const flat = before?.close ?? closeBefore ?? row?.close ?? null
  const columns: BarColumns = {
    minuteMs,
    open: candle === null ? flat : candle.open,
    high: candle === null ? flat : candle.high,
    low: candle === null ? flat : candle.low,
    close: candle === null ? flat : candle.close,
    volume: candle?.volume ?? 0,
    dayVolume: shownOf(row) ?? dayVolume,
    baseVolume: packets?.baseVolume ?? null,
    tickCount: packets?.tickCount ?? 0,
    complete: false,
    source,
    openKey: isSettled ? null : (packets?.openKey ?? null),
    closeKey: isSettled ? null : (packets?.closeKey ?? null),
    quoteKey: packets?.quoteKey ?? null,
  }
  const book = {
    oi: candle === null ? (before?.oi ?? null) : candle.oi,
    bid: packets?.bid ?? null,
    ask: packets?.ask ?? null,
  }
  return { columns, book, beneath: isSettled ? NOTHING_BENEATH : beneathOf(row) }
}

/** What packets showed as the day's volume in the minute. */
function shownOf(row: StoredBar | undefined): number | null {
  return row === undefined || row.baseVolume === null ? null : row.dayVolume
}

function dayVolumesOf(
  minutes: readonly BatchMinute[],
  { bars, stored, coverageAt }: CandleContext,
): (number | null)[] {
  if (bars.instrument.kind === 'index') return []
  const volumes = minutes.map(({ minuteMs, candle }) => ({
    minuteMs,
    volume: candle?.volume ?? 0,
    shown: shownOf(stored.get(minuteMs)),
    isShownAtEnd: coverageAt(minuteMs).coversStartOf(minuteMs + MINUTE_MS),
    opensSession: bars.sessionAt(minuteMs)?.openMs === minuteMs,
  }))
  return dayVolumes(volumes, {
    endOf: (minuteMs) => stored.get(minuteMs)?.dayVolume ?? null,
    startOf: (minuteMs) => {
      const row = stored.get(minuteMs)
      // A live bar that is not complete may have begun somewhere within its minute.
      if (row === undefined || (row.source === 'live' && row.complete !== true)) return null
      return row.dayVolume === null || row.volume === null ? null : row.dayVolume - row.volume
    },
  })
}
