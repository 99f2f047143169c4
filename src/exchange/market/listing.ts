/**
 * The contracts listed on a date. It follows the date: what has expired is gone the day after, new
 * expiries and strikes appear as time and the spot move on. A contract once listed stays to its
 * expiry, and every rule here is a function of the date, so that yesterday's listing can be had too.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import { expiriesBetween, hasWeeklies, RULES_BEGIN, type RuledExpiry } from '../../market/expiry.ts'
import type { Instrument, OptionType } from '../../market/instrument.ts'
import { addDays, dayNumber, parseDate } from '../../market/ist.ts'
import { type ContractExpiry, formatTradingsymbol } from '../../market/symbol.ts'
import { symbolOfName, type Underlying, underlyingOf } from '../../market/underlying.ts'
import { buildContract, type Contract } from './contract.ts'
import {
  COMMODITY_EXPIRIES,
  COMMODITY_LISTINGS,
  type CommodityListing,
  LISTED_INDICES,
  MONTHLY_EXPIRIES,
  NEAR_EXPIRIES,
  OPTION_LISTINGS,
  type OptionListing,
  QUARTERLY_EXPIRIES,
} from './listed-series.ts'
import { futureExchangeToken, optionExchangeToken, SEGMENT_NUMBERS, tokenOf } from './token.ts'
import type { UnderlyingMarket } from './underlying-market.ts'

export interface ListingRules {
  readonly seedKey: number
  readonly underlyings: ReadonlyMap<string, UnderlyingMarket>
  /** Holidays, by which expiries are moved. */
  readonly holidays: MarketCalendar
  /** When contracts stop trading on their expiry date. */
  readonly sessions: MarketCalendar
}

/** What all contracts of one underlying and expiry have in common. */
interface Series {
  readonly name: string
  readonly symbol: string
  readonly exchange: keyof typeof SEGMENT_NUMBERS
  readonly lotSize: number
  /** Place of the underlying among those of its exchange. */
  readonly place: number
  readonly expiry: string
  readonly nominalDay: number
  readonly civil: ContractExpiry
  readonly closeMs: number
}

/** An expiry with the IST days from which its contracts are listed. */
interface ListedExpiry extends RuledExpiry {
  /** Futures, and options at every strike; undefined where they are not listed yet. */
  readonly futureFrom: number | undefined
  readonly nearFrom: number | undefined
  /** Options at the wide strikes of a quarterly expiry. */
  readonly quarterlyFrom: number | undefined
}

/** Indices have had a price since then. */
const HISTORY_BEGINS = dayNumber('2021-01-01')
/** Expiries further away are not looked for. */
const HORIZON_DAYS = 430
const QUARTER_MONTHS = 3
/** The range of strikes follows the spot once a week. */
const RANGE_DAYS = 7

export function listContracts(rules: ListingRules, date: string): Contract[] {
  return [
    ...LISTED_INDICES.map((symbol) => indexContract(rules, symbol)),
    ...OPTION_LISTINGS.flatMap((listing) => derivatives(rules, listing, date)),
    ...COMMODITY_LISTINGS.flatMap((listing, place) => commodities(rules, listing, place, date)),
  ]
}

/** The future that is nearest to its expiry on a date; undefined where none is listed. */
export function frontFuture(
  rules: ListingRules,
  symbol: string,
  date: string,
): Contract | undefined {
  const place = COMMODITY_LISTINGS.findIndex(({ name }) => name === symbol)
  const commodity = COMMODITY_LISTINGS[place]
  if (commodity !== undefined) return commodities(rules, commodity, place, date)[0]
  const listing = OPTION_LISTINGS.find((each) => each.symbol === symbol)
  if (listing === undefined) return undefined
  const today = dayNumber(date)
  for (const expiry of listedExpiries(rules, listing, date)) {
    const { futureFrom } = expiry
    if (!isListed(futureFrom, today)) continue
    const series = seriesOf(rules, rootOf(listing), expiry)
    return futureOf(rules, listing, series, futureFrom)
  }
  return undefined
}

// ---------------------------------------------------------------- indices

function indexContract(rules: ListingRules, symbol: string): Contract {
  const { indexToken, indexExchange, indexTradingsymbol } = known(symbol)
  const instrument: Instrument = {
    token: indexToken,
    exchange: indexExchange,
    tradingsymbol: indexTradingsymbol,
    name: indexTradingsymbol,
    symbol,
    segment: 'INDICES',
    kind: 'index',
    optionType: null,
    expiry: null,
    strike: null,
    lotSize: 0,
    tickSize: 0,
  }
  return buildContract(rules.seedKey, {
    instrument,
    exchangeToken: indexToken >>> 8,
    firstDay: HISTORY_BEGINS,
    closeMs: Number.POSITIVE_INFINITY,
  })
}

function known(symbol: string): Underlying {
  const underlying = underlyingOf(symbol)
  if (underlying === undefined) throw new RangeError(`no underlying ${symbol}`)
  return underlying
}

// ---------------------------------------------------------------- index futures and options

function derivatives(rules: ListingRules, listing: OptionListing, date: string): Contract[] {
  const today = dayNumber(date)
  const root = rootOf(listing)
  return listedExpiries(rules, listing, date).flatMap((expiry) => {
    const series = seriesOf(rules, root, expiry)
    const { futureFrom } = expiry
    return [
      ...(isListed(futureFrom, today) ? [futureOf(rules, listing, series, futureFrom)] : []),
      ...strikesOn(rules, listing, expiry, today).flatMap((strike) => [
        optionOf(rules, listing, series, 'CE', strike),
        optionOf(rules, listing, series, 'PE', strike),
      ]),
    ]
  })
}

type Root = Pick<Series, 'name' | 'symbol' | 'exchange' | 'lotSize' | 'place'>

function rootOf(listing: OptionListing): Root {
  const { symbol, exchange, lotSize } = listing
  const neighbours = OPTION_LISTINGS.filter((other) => other.exchange === exchange)
  const name = known(symbol).dumpName ?? symbol
  return { name, symbol, exchange, lotSize, place: neighbours.indexOf(listing) }
}

function seriesOf(rules: ListingRules, root: Root, expiry: RuledExpiry): Series {
  const civil = parseDate(expiry.expiry)
  if (civil === undefined) throw new RangeError(`not a date: ${expiry.expiry}`)
  return {
    ...root,
    expiry: expiry.expiry,
    nominalDay: dayNumber(expiry.nominal),
    civil: { ...civil, day: expiry.kind === 'weekly' ? civil.day : null },
    closeMs: rules.sessions.expiryCloseMs(root.exchange, expiry.expiry),
  }
}

/** The expiries from a date on of which anything is listed on it. */
function listedExpiries(rules: ListingRules, listing: OptionListing, date: string): ListedExpiry[] {
  const from = latest(RULES_BEGIN, addDays(date, -HORIZON_DAYS))
  const all = expiriesBetween(
    listing.symbol,
    listing.exchange,
    from,
    addDays(date, HORIZON_DAYS),
    rules.holidays,
  )
  const monthlies = all.filter(({ kind }) => kind === 'monthly')
  const quarterlies = monthlies.filter(({ expiry }) => monthOf(expiry) % QUARTER_MONTHS === 0)
  const begin = dayNumber(from)
  return all
    .map((expiry) => ({
      ...expiry,
      futureFrom: listedFrom(monthlies, expiry, MONTHLY_EXPIRIES, begin),
      nearFrom: earliest(
        hasWeeklies(listing.symbol) ? listedFrom(all, expiry, NEAR_EXPIRIES, begin) : undefined,
        listedFrom(monthlies, expiry, MONTHLY_EXPIRIES, begin),
      ),
      quarterlyFrom: listedFrom(quarterlies, expiry, QUARTERLY_EXPIRIES, begin),
    }))
    .filter(({ expiry }) => expiry >= date)
}

/** The day after the expiry that stands `ahead` places before it in `row`. */
function listedFrom(
  row: readonly RuledExpiry[],
  expiry: RuledExpiry,
  ahead: number,
  begin: number,
): number | undefined {
  const place = row.indexOf(expiry)
  if (place < 0) return undefined
  const opener = row[place - ahead]
  return opener === undefined ? begin : dayNumber(opener.expiry) + 1
}

interface ListedStrike {
  readonly strike: number
  readonly firstDay: number
}

/** Every strike that has been in range since the series was listed, with the day it came. */
function strikesOn(
  rules: ListingRules,
  listing: OptionListing,
  expiry: ListedExpiry,
  today: number,
): ListedStrike[] {
  const strikes = new Map<number, number>()
  const { quarterlyFrom, nearFrom } = expiry
  if (isListed(quarterlyFrom, today)) {
    const { quarterlyStep, quarterlyStrikesEachSide } = listing
    const range = { step: quarterlyStep, eachSide: quarterlyStrikesEachSide }
    addStrikes(strikes, rules, listing.symbol, range, quarterlyFrom, today)
  }
  if (isListed(nearFrom, today)) {
    const range = { step: listing.strikeStep, eachSide: listing.strikesEachSide }
    addStrikes(strikes, rules, listing.symbol, range, nearFrom, today)
  }
  return [...strikes]
    .map(([strike, firstDay]) => ({ strike, firstDay }))
    .sort((a, b) => a.strike - b.strike)
}

function addStrikes(
  strikes: Map<number, number>,
  rules: ListingRules,
  symbol: string,
  range: { readonly step: number; readonly eachSide: number },
  from: number,
  today: number,
): void {
  const { midnight } = marketOf(rules, symbol)
  for (let day = from; day <= today; day = nextRangeDay(day)) {
    const middle = Math.round(midnight(day).spot / range.step)
    for (let i = middle - range.eachSide; i <= middle + range.eachSide; i++) {
      const strike = i * range.step
      if (!strikes.has(strike)) strikes.set(strike, day)
    }
  }
}

function nextRangeDay(day: number): number {
  return (Math.floor(day / RANGE_DAYS) + 1) * RANGE_DAYS
}

function futureOf(
  rules: ListingRules,
  listing: OptionListing,
  series: Series,
  firstDay: number,
): Contract {
  return derivative(rules, {
    series,
    type: 'FUT',
    strike: null,
    tickSize: listing.futureTick,
    exchangeToken: futureExchangeToken(series.nominalDay, series.place),
    firstDay,
  })
}

function optionOf(
  rules: ListingRules,
  listing: OptionListing,
  series: Series,
  type: OptionType,
  { strike, firstDay }: ListedStrike,
): Contract {
  const exchangeToken = optionExchangeToken({
    nominalDay: series.nominalDay,
    isPut: type === 'PE',
    underlying: series.place,
    strikeSteps: Math.round(strike / listing.strikeStep),
  })
  const tickSize = listing.optionTick
  return derivative(rules, { series, type, strike, tickSize, exchangeToken, firstDay })
}

// ---------------------------------------------------------------- commodity futures

function commodities(
  rules: ListingRules,
  listing: CommodityListing,
  place: number,
  date: string,
): Contract[] {
  const expiries = commodityExpiries(rules, listing, date)
  const next = expiries.findIndex(({ expiry }) => expiry >= date)
  const { name, lotSize } = listing
  const root: Root = { name, symbol: symbolOfName(name), exchange: 'MCX', lotSize, place }
  return expiries.slice(next, next + COMMODITY_EXPIRIES).map((expiry, i) => {
    const opener = expiries[next + i - COMMODITY_EXPIRIES]
    const series = seriesOf(rules, root, expiry)
    return derivative(rules, {
      series,
      type: 'FUT',
      strike: null,
      tickSize: listing.tick,
      exchangeToken: futureExchangeToken(series.nominalDay, place),
      firstDay: opener === undefined ? 0 : dayNumber(opener.expiry) + 1,
    })
  })
}

/** Of the year before, the year of the date and the year after, ascending. */
function commodityExpiries(
  rules: ListingRules,
  listing: CommodityListing,
  date: string,
): RuledExpiry[] {
  const year = parseDate(date)?.year ?? 0
  return [year - 1, year, year + 1].flatMap((each) =>
    listing.months.map((month) => {
      const nominal = `${each}-${two(month)}-${two(listing.day)}`
      return { expiry: onTradingDay(rules, nominal), kind: 'monthly' as const, nominal }
    }),
  )
}

function onTradingDay(rules: ListingRules, nominal: string): string {
  let date = nominal
  while (!rules.holidays.isFullTradingDay(date, 'MCX')) date = addDays(date, -1)
  return date
}

// ---------------------------------------------------------------- any derivative

interface DerivativeTerms {
  readonly series: Series
  readonly type: OptionType | 'FUT'
  readonly strike: number | null
  readonly tickSize: number
  readonly exchangeToken: number
  readonly firstDay: number
}

/** Made for thousands of contracts at once: no spread, no search. */
function derivative(rules: ListingRules, terms: DerivativeTerms): Contract {
  const { series, type, strike, tickSize, exchangeToken, firstDay } = terms
  const { name, symbol, exchange, expiry, lotSize, closeMs } = series
  const isFuture = type === 'FUT'
  const instrument: Instrument = {
    token: tokenOf(exchangeToken, SEGMENT_NUMBERS[exchange]),
    exchange,
    tradingsymbol: formatTradingsymbol({ name, kind: type, expiry: series.civil, strike }),
    name,
    symbol,
    segment: isFuture ? `${exchange}-FUT` : `${exchange}-OPT`,
    kind: isFuture ? 'future' : 'option',
    optionType: isFuture ? null : type,
    expiry,
    strike,
    lotSize,
    tickSize,
  }
  return buildContract(rules.seedKey, { instrument, exchangeToken, firstDay, closeMs })
}

function marketOf(rules: ListingRules, symbol: string): UnderlyingMarket {
  const market = rules.underlyings.get(symbol)
  if (market === undefined) throw new RangeError(`no market for ${symbol}`)
  return market
}

function isListed(from: number | undefined, today: number): from is number {
  return from !== undefined && from <= today
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}

function latest(a: string, b: string): string {
  return a > b ? a : b
}

function monthOf(date: string): number {
  return parseDate(date)?.month ?? 0
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
