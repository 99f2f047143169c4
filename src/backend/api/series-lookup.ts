/**
 * Which underlying and series a request means: any spelling of a symbol, the nearest expiry where
 * none is named. What is not known is refused with what is.
 */
import type { Clock } from '../../kit/clock.ts'
import { hasExpired, nearestExpiry } from '../../market/expiry.ts'
import type { InstrumentMaster, Series } from '../../market/instrument-master.ts'
import { isCivilDate, parseApiTime } from '../../market/ist.ts'
import { canonicalSymbol, underlyingOf } from '../../market/underlying.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { MarketSetting } from '../chain/present-chain.ts'
import { marketInstant } from '../market-instant.ts'
import { ApiError, badField, namesShown, unavailable } from './api-error.ts'

export interface MarketView extends MarketSetting {
  readonly chains: LiveChains
  readonly clock: Clock
}

/** What time it is in the market. */
export function marketNowMs({ feed, chains, clock }: MarketView): number {
  return marketInstant(feed, chains.marketTimeMs, clock.nowMs())
}

/**
 * The canonical symbol of any spelling of an underlying that is listed. What is not is refused with
 * those that have a chain, or with what else is `offered` where that is not asked about.
 */
export function requireSymbol(
  master: InstrumentMaster,
  asked: string,
  offered = withChains(master),
): string {
  if (master.size === 0) throw unavailable('The list of instruments is not there yet.')
  const text = asked.trim()
  const symbol = canonicalSymbol(text) ?? text.toUpperCase()
  if (isListed(master, symbol)) return symbol
  throw new ApiError(404, 'unknown_symbol', `No underlying is called "${text.slice(0, 40)}".`, {
    field: 'symbol',
    ...namesShown(offered),
  })
}

function withChains(master: InstrumentMaster): readonly string[] {
  return master.derivativeSymbols.filter((symbol) => master.expiries(symbol).length > 0)
}

function isListed(master: InstrumentMaster, symbol: string): boolean {
  return (
    master.index(symbol) !== undefined ||
    master.expiries(symbol).length > 0 ||
    master.futures(symbol).length > 0
  )
}

/** The series that is asked for, of those that are listed; without an expiry the nearest. */
export function requireSeries(
  view: MarketView,
  symbol: string,
  expiry: string | undefined,
): Series {
  const { master } = view.chains
  const listed = master.expiries(symbol)
  const found = expiry === undefined ? nearestSeries(view, listed) : master.series(symbol, expiry)
  if (found !== undefined) return found
  if (expiry !== undefined) requireDate('expiry', expiry)
  throw unknownExpiry(symbol, expiry, listed)
}

/** The same for what is stored: a series that has expired is not listed any more and is read all the same. */
export function storedSeries(
  view: MarketView,
  symbol: string,
  expiry: string | undefined,
): Pick<Series, 'expiry' | 'segment'> {
  if (expiry === undefined) return requireSeries(view, symbol, undefined)
  requireDate('expiry', expiry)
  return { expiry, segment: optionSegment(view, symbol) }
}

export function optionSegment({ chains }: MarketView, symbol: string): string {
  const listed = chains.master.expiries(symbol)[0]?.segment
  return listed ?? `${underlyingOf(symbol)?.derivativesExchange ?? 'NFO'}-OPT`
}

export function nearestSeries(view: MarketView, listed: readonly Series[]): Series | undefined {
  const first = listed[0]
  if (first === undefined) return undefined
  return nearestExpiry(listed, marketNowMs(view), view.calendar, first.segment)
}

/** Those still to come, today's until its close. */
export function seriesToCome(view: MarketView, symbol: string): Series[] {
  const nowMs = marketNowMs(view)
  return view.chains.master
    .expiries(symbol)
    .filter(({ expiry, segment }) => !hasExpired(expiry, nowMs, view.calendar, segment))
}

function unknownExpiry(
  symbol: string,
  expiry: string | undefined,
  listed: readonly Series[],
): ApiError {
  const what = expiry === undefined ? 'no expiry to come' : `no expiry ${expiry}`
  // One that may have been listed once is read as of then.
  const isPast =
    expiry !== undefined && listed.length > 0 && listed.every((series) => expiry < series.expiry)
  const past = isPast ? ' An expired series is read with "at".' : ''
  const hint = listed.length === 0 ? ' No options of it are listed, so it has no chain.' : past
  return new ApiError(404, 'unknown_expiry', `${symbol} has ${what}.${hint}`, {
    field: 'expiry',
    ...namesShown(listed.map((series) => series.expiry)),
  })
}

export function requireDate(field: string, text: string): void {
  if (!isCivilDate(text)) throw badField(field, `"${field}" is no date of the calendar: ${text}.`)
}

/** Epoch ms of a query's instant. */
export function requireTime(field: string, text: string): number {
  const time = parseApiTime(text)
  if (time.ok) return time.ms
  throw badField(field, `"${field}": ${time.message}.`, { value: text.slice(0, 40) })
}
