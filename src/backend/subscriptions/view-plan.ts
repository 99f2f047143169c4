/**
 * What somebody looks at and what has to be asked for it: a pure decision. Wanted are the
 * underlying's index, the future that the series is priced by, and the options around the strike
 * nearest the forward, from the money outwards.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import { hasExpired } from '../../market/expiry.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { nearestIndex } from '../../market/options/moneyness.ts'
import { allot, type Holdings } from './plan.ts'
import { forwardOf, optionsAround, type UnderlyingPrices } from './window.ts'

export interface ViewInput extends Holdings {
  readonly series: Series
  readonly strikesEachSide: number | 'all'
  readonly master: Pick<InstrumentMaster, 'index' | 'futures'>
  readonly calendar: MarketCalendar
  /** Market time, epoch ms. */
  readonly nowMs: number
  /** Continuous, decimal per year. */
  readonly rate: number
  /** Undefined where the underlying's price is not known. */
  readonly prices: UnderlyingPrices | undefined
}

export interface ViewPlan {
  /** Rupees, as the ATM strike; undefined where the price is not known or the series has expired. */
  readonly forward: number | undefined
  readonly atmStrike: number | undefined
  /** The most important first; none of a series that has expired. */
  readonly wanted: readonly Instrument[]
  /** Of these what is to be held that is not held and streamed. */
  readonly add: readonly Instrument[]
  /** Wanted, and there is no room. */
  readonly unplaced: readonly Instrument[]
  /** Why not all of it is wanted; undefined where it is. */
  readonly problem: string | undefined
}

export function planView(input: ViewInput): ViewPlan {
  const { series, nowMs, calendar } = input
  if (hasExpired(series.expiry, nowMs, calendar, series.segment)) {
    const problem = `${series.symbol} ${series.expiry} has expired; nothing more is streamed of it.`
    return { ...NOTHING, problem }
  }
  const { prices, rate } = input
  const forward = prices && forwardOf(series, prices, rate, nowMs, calendar)
  const strikes = series.strikes.map(({ strike }) => strike)
  const atmStrike = forward === undefined ? undefined : strikes[nearestIndex(strikes, forward)]
  const wanted = [...underlyingOf(input), ...optionsOf(input, atmStrike)]
  const problem =
    atmStrike === undefined ? `The price of ${series.symbol} is not known yet.` : undefined
  return { forward, atmStrike, wanted, ...allot(wanted, input), problem }
}

const NOTHING = { forward: undefined, atmStrike: undefined, wanted: [], add: [], unplaced: [] }

/** A series without a future of its own is priced by the next later one. */
function underlyingOf({ master, series, nowMs, calendar }: ViewInput): Instrument[] {
  const open = master
    .futures(series.symbol)
    .filter(({ expiry, segment }) => !hasExpired(expiry ?? '', nowMs, calendar, segment))
  const future = open.find(({ expiry }) => (expiry ?? '') >= series.expiry) ?? open.at(-1)
  return [master.index(series.symbol), future].filter((each) => each !== undefined)
}

function optionsOf(
  { series, strikesEachSide }: ViewInput,
  atmStrike: number | undefined,
): Instrument[] {
  if (atmStrike === undefined) return []
  return optionsAround(series, atmStrike, strikesEachSide)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ instrument }) => instrument)
}
