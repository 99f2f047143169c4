/** What is known of each instrument's minutes of the date. */
import type { MarketCalendar } from '../market/calendar.ts'
import { type Instrument, instrumentKey } from '../market/instrument.ts'
import { floorToMinute, MINUTE_MS } from '../market/ist.ts'
import type { Span } from './ports.ts'
import { hoursOn } from './reference-fold/attribution.ts'
import { keyOfRow } from './store-answers.ts'
import type { StoreRow } from './store-tables.ts'

export interface InstrumentCoverage {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly symbol: string
  /** Null of an underlying itself. */
  readonly expiry: string | null
  /** Minutes of its session so far, on the date. */
  readonly session: number
  /** Of them those that the feed, the broker's candles or the knowledge of none cover. */
  readonly covered: number
  readonly rows: number
  readonly complete: number
  /** In session and not covered. */
  readonly missing: number
}

/** Counts the stored rows as they come by. */
export class RowCounts {
  readonly #counts = new Map<string, { rows: number; complete: number }>()

  add(key: string, isComplete: boolean): void {
    const counts = this.#counts.get(key) ?? { rows: 0, complete: 0 }
    counts.rows += 1
    if (isComplete) counts.complete += 1
    this.#counts.set(key, counts)
  }

  of(key: string): { readonly rows: number; readonly complete: number } {
    return this.#counts.get(key) ?? { rows: 0, complete: 0 }
  }
}

/** @param until market time, epoch ms: later minutes are not missing yet */
export function coverageReport(
  coverage: readonly StoreRow[],
  instruments: readonly Instrument[],
  counts: RowCounts,
  calendar: MarketCalendar,
  { date, untilMs }: { readonly date: string; readonly untilMs: number },
): InstrumentCoverage[] {
  const byKey = new Map(
    instruments.map((one) => [instrumentKey(one.exchange, one.tradingsymbol), one]),
  )
  const report = [...grouped(coverage)].flatMap(([key, stretches]) => {
    const instrument = byKey.get(key)
    const hours = instrument && hoursOn(calendar, instrument, date)
    if (instrument === undefined || hours === undefined) return []
    const session = { fromMs: hours.openMs, toMs: Math.min(hours.closeMs, floorToMinute(untilMs)) }
    const all = Math.max(0, (session.toMs - session.fromMs) / MINUTE_MS)
    const covered = coveredMinutes(stretches, session)
    const { exchange, tradingsymbol, symbol, expiry } = instrument
    const names = { exchange, tradingsymbol, symbol, expiry }
    return [{ ...names, session: all, covered, ...counts.of(key), missing: all - covered }]
  })
  return report.sort(bySeriesAndName)
}

function bySeriesAndName(a: InstrumentCoverage, b: InstrumentCoverage): number {
  const place = (one: InstrumentCoverage) => `${seriesOf(one)} ${one.tradingsymbol}`
  return place(a) < place(b) ? -1 : 1
}

/** An underlying sorts before its series. */
function seriesOf({ symbol, expiry }: Pick<InstrumentCoverage, 'symbol' | 'expiry'>): string {
  return `${symbol} ${expiry ?? ''}`
}

/** The instruments of one underlying and expiry together, in minutes of instruments. */
export interface SeriesCoverage {
  readonly symbol: string
  readonly expiry: string | null
  readonly instruments: number
  /** The feed had the whole minute. */
  readonly complete: number
  /** It had a part of it, or the broker's history tells of it. */
  readonly partial: number
  /** Nothing is known. */
  readonly none: number
}

/** By symbol and expiry. */
export function coverageBySeries(coverage: readonly InstrumentCoverage[]): SeriesCoverage[] {
  const bySeries = new Map<string, SeriesCoverage>()
  for (const { symbol, expiry, covered, complete, missing } of coverage) {
    const key = seriesOf({ symbol, expiry })
    const sums = bySeries.get(key)
    // Rows are read after the coverage: minutes may have become complete since.
    const partial = Math.max(0, covered - complete)
    bySeries.set(key, {
      ...{ symbol, expiry, instruments: (sums?.instruments ?? 0) + 1 },
      complete: (sums?.complete ?? 0) + complete,
      partial: (sums?.partial ?? 0) + partial,
      none: (sums?.none ?? 0) + missing,
    })
  }
  return [...bySeries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sums]) => sums)
}

function grouped(coverage: readonly StoreRow[]): Map<string, Span[]> {
  const stretches = new Map<string, Span[]>()
  for (const row of coverage) {
    const key = keyOfRow(row)
    const span = { fromMs: Number(row['from']), toMs: Number(row['to']) }
    stretches.set(key, [...(stretches.get(key) ?? []), span])
  }
  return stretches
}

/** A minute that is covered in part counts. */
function coveredMinutes(stretches: readonly Span[], session: Span): number {
  const minutes = new Set<number>()
  for (const { fromMs, toMs } of stretches) {
    const endMs = Math.min(toMs, session.toMs)
    const firstMs = Math.max(floorToMinute(fromMs), session.fromMs)
    for (let minuteMs = firstMs; minuteMs < endMs; minuteMs += MINUTE_MS) minutes.add(minuteMs)
  }
  return minutes.size
}
