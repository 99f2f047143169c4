/** Which contracts of an underlying are streamed by themselves: index, futures, strikes around the money. */
import type { MarketCalendar } from '../../market/calendar.ts'
import { rollMs } from '../../market/expiry.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { timeToExpiryYears } from '../../market/options/chain.ts'
import { computeForward, type ForwardPoint } from '../../market/options/forward.ts'
import { nearestIndex } from '../../market/options/moneyness.ts'

export interface AutoSettings {
  /** Canonical symbols. */
  readonly underlyings: readonly string[]
  /** How many expiries of each, the nearest first. */
  readonly expiries: number
  readonly strikesEachSide: number | 'all'
}

/** What is known of an underlying's market; rupees. */
export interface UnderlyingPrices {
  /** The index, or what stands for it. */
  readonly spot: number
  /** By expiry. */
  readonly futures: ReadonlyMap<string, number>
}

/** A contract with its distance from the money, in ranks of strikes. */
export interface RankedOption {
  readonly instrument: Instrument
  readonly rank: number
}

/** The nearest `count` that have not rolled; one that has closed stays in until 16:00. */
export function openExpiries<
  T extends { readonly expiry: string | null; readonly segment: string },
>(listed: readonly T[], count: number, nowMs: number, calendar: MarketCalendar): T[] {
  const isOpen = ({ expiry, segment }: T) =>
    expiry !== null && nowMs < rollMs(expiry, calendar, segment)
  return listed.filter(isOpen).slice(0, count)
}

/** What the options of the series are priced around, from spot and futures; undefined once it has closed. */
export function forwardOf(
  { expiry, segment }: Pick<Series, 'expiry' | 'segment'>,
  { spot, futures }: UnderlyingPrices,
  rate: number,
  nowMs: number,
  calendar: MarketCalendar,
): number | undefined {
  const yearsTo = (date: string) => timeToExpiryYears(nowMs, calendar.expiryCloseMs(segment, date))
  const timeYears = yearsTo(expiry)
  if (timeYears === null) return undefined
  const otherForwards = [...futures].flatMap(([date, forward]): ForwardPoint[] => {
    const years = date === expiry ? null : yearsTo(date)
    return years === null ? [] : [{ timeYears: years, forward }]
  })
  const future = futures.get(expiry) ?? null
  return computeForward({ strikes: [], timeYears, rate, spot, future, otherForwards })?.forward
}

/** The options up to `eachSide` strikes from the anchor. */
export function optionsAround(
  { strikes }: Series,
  anchor: number,
  eachSide: number | 'all',
): RankedOption[] {
  const centre = nearestIndex(
    strikes.map(({ strike }) => strike),
    anchor,
  )
  const ranked: RankedOption[] = []
  for (const [i, { call, put }] of strikes.entries()) {
    const rank = Math.abs(i - centre)
    if (eachSide !== 'all' && rank > eachSide) continue
    for (const instrument of [call, put]) if (instrument !== null) ranked.push({ instrument, rank })
  }
  return ranked
}

/** Index and futures of an underlying, the index first. */
export function underlyingInstruments(
  master: InstrumentMaster,
  symbol: string,
  expiries: number,
  nowMs: number,
  calendar: MarketCalendar,
): Instrument[] {
  const index = master.index(symbol)
  const futures = openExpiries(master.futures(symbol), expiries, nowMs, calendar)
  return index === undefined ? futures : [index, ...futures]
}
