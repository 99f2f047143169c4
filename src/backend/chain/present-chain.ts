/**
 * A live chain as clients see it: every listed strike with all that is known of its two options, and
 * the figures of the whole. Pure; the same object feeds the REST answer and the stream, so what
 * they say is equal.
 *
 * Every listed contract has a leg, also where nothing is known of it yet. Ages stand beside the chain:
 * they are true only at the instant they are said, and the stream leaves them out.
 */
import type {
  StreamChain,
  StreamChainHeader,
  StreamLeg,
  StreamStrike,
  StrikeDistribution,
} from '../../contract/api/strike-distribution.ts'
import type { Feed } from '../../contract/journal-record.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { daysToExpiry, minutesToExpiry } from '../../market/expiry.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { StrikeRow } from '../../market/instrument-master.ts'
import { floorToMinute, formatIst, istDate, istMinuteOfDay } from '../../market/ist.ts'
import { bucketOf, nearestIndex, strikeWindow } from '../../market/options/moneyness.ts'
import { buildupOf, openInterestChange } from '../../market/options/open-interest.ts'
import type { LegAnalytics } from '../../market/options/strike.ts'
import { FRESH_QUOTE_MS } from '../../market/quote.ts'
import type { LatestQuote } from './latest-quote.ts'
import type { LiveChain } from './live-series.ts'

/** `always`: every instant is in session, as the simulated exchange has it. */
export type CalendarMode = 'exchange' | 'always'

export interface MarketSetting {
  readonly feed: Feed
  readonly calendar: MarketCalendar
  readonly calendarMode: CalendarMode
}

export interface ChainQuotes {
  /** By exchange:tradingsymbol. */
  quote(key: string): LatestQuote | undefined
  readonly spot: LatestQuote | undefined
  /** Of the series' expiry, else the nearest later one. */
  readonly future: LatestQuote | undefined
  readonly indiaVix: LatestQuote | undefined
}

/** Milliseconds from a leg's newest packet to the chain's `as_of`; null where there was none. */
export interface LegAges {
  readonly call: number | null
  readonly put: number | null
}

export interface PresentedChain {
  readonly chain: StreamChain
  /** One a strike of the chain. */
  readonly ages: readonly LegAges[]
  /** The newest packet that the chain is made of: market time, and the ticker's wall clock. */
  readonly asOfMs: number | null
  readonly receivedAtMs: number | null
}

/**
 * @param marketTimeMs what the log has told, epoch ms; 0 while it has told none
 * @param nowMs what time it is in the market, also when the log stands still
 */
export function presentChain(
  live: LiveChain,
  quotes: ChainQuotes,
  setting: MarketSetting,
  marketTimeMs: number,
  nowMs: number,
): PresentedChain {
  const newest = newestQuote(live, quotes)
  const asOfMs = newest === undefined ? null : Math.min(newest.quotedMs, marketTimeMs)
  const strikes = live.series.strikes.map(({ strike }) => strike)
  const atm = live.analytics.metrics.atmStrike
  return {
    chain: {
      ...header(live, quotes, setting, nowMs),
      bucket_time: instantOf(asOfMs && bucketMs(live.minuteMs, marketTimeMs, asOfMs)),
      as_of: instantOf(asOfMs),
      strikes: live.series.strikes.map((row, i) =>
        presentStrike(row, moneynessOf(strikes, atm, row.strike), live, i, quotes),
      ),
    },
    ages: live.series.strikes.map(({ call, put }) => ({
      call: ageOf(call, quotes, asOfMs),
      put: ageOf(put, quotes, asOfMs),
    })),
    asOfMs,
    receivedAtMs: newest?.receivedAtMs ?? null,
  }
}

/** The strikes up to `eachSide` ranks either side of the ATM strike; all of them while none is known. */
export function windowOf(presented: PresentedChain, eachSide: number | null): PresentedChain {
  const { chain, ages } = presented
  if (eachSide === null || chain.atm_strike === null) return presented
  const all = chain.strikes.map(({ strike }) => strike)
  const first = nearestIndex(all, strikeWindow(all, chain.atm_strike, eachSide)[0] ?? 0)
  const end = Math.min(all.length, nearestIndex(all, chain.atm_strike) + eachSide + 1)
  return {
    ...presented,
    chain: { ...chain, strikes: chain.strikes.slice(first, end) },
    ages: ages.slice(first, end),
  }
}

/** The REST answer; `ageMs` is that of the whole chain. */
export function strikeDistribution(
  { chain, ages }: PresentedChain,
  ageMs: number | null,
): StrikeDistribution {
  return {
    ...chain,
    age_ms: ageMs,
    strikes: chain.strikes.map(({ strike, moneyness, call, put }, i) => ({
      strike,
      moneyness,
      call: call === null ? null : { ...call, age_ms: ages[i]?.call ?? null },
      put: put === null ? null : { ...put, age_ms: ages[i]?.put ?? null },
    })),
  }
}

/**
 * Milliseconds from `as_of` to now. A simulated market may run at another speed than the clock, or at
 * another date; then its age is that of its newest packet.
 */
export function chainAgeMs(
  { asOfMs, receivedAtMs }: Pick<PresentedChain, 'asOfMs' | 'receivedAtMs'>,
  feed: Feed,
  nowMs: number,
): number | null {
  if (asOfMs === null) return null
  const runsApart =
    feed === 'simulated' &&
    receivedAtMs !== null &&
    Math.abs(receivedAtMs - asOfMs) > CLOCKS_APART_MS
  return Math.max(0, nowMs - (runsApart ? receivedAtMs : asOfMs))
}

/** The index stands still while its shares are in the closing auction, and derivatives trade on. */
export function isClosingAuction(atMs: number, mode: CalendarMode): boolean {
  if (mode === 'always' || istDate(atMs) < AUCTION_SINCE) return false
  const minute = istMinuteOfDay(atMs)
  return minute >= AUCTION_BEGINS && minute < AUCTION_ENDS
}

/** Market and wall time that differ by more than this do not run together. */
const CLOCKS_APART_MS = 60_000
/** NSE/CMTR/74466. */
const AUCTION_SINCE = '2026-08-03'
const AUCTION_BEGINS = 15 * 60 + 15
const AUCTION_ENDS = 15 * 60 + 40

function header(
  { series, analytics, strikesStreamed }: LiveChain,
  quotes: ChainQuotes,
  setting: MarketSetting,
  nowMs: number,
): Omit<StreamChainHeader, 'bucket_time' | 'as_of'> {
  const { metrics } = analytics
  const { expiry, segment } = series
  const present = metrics.strikesPresent
  return {
    symbol: series.symbol,
    expiry,
    feed: setting.feed,
    spot: metrics.spot,
    spot_stale: isSpotStale(quotes.spot, nowMs, setting.calendarMode),
    future: quotes.future?.lastPrice ?? null,
    forward: rounded(metrics.forward, 1e6),
    forward_source: metrics.forwardSource,
    india_vix: quotes.indiaVix?.lastPrice ?? null,
    atm_strike: metrics.atmStrike,
    pcr_oi: rounded(metrics.pcrOi, 1e8),
    pcr_volume: rounded(metrics.pcrVolume, 1e8),
    max_pain: metrics.maxPain,
    max_pain_high: metrics.maxPainHigh,
    atm_iv: rounded(metrics.atmIv, 1e8),
    straddle: rounded(metrics.straddle, 1e6),
    expected_move: rounded(metrics.expectedMove, 1e6),
    total_call_oi: metrics.totalCallOi,
    total_put_oi: metrics.totalPutOi,
    total_call_volume: metrics.totalCallVolume,
    total_put_volume: metrics.totalPutVolume,
    lot_size: series.lotSize,
    days_to_expiry: daysToExpiry(expiry, nowMs),
    minutes_to_expiry: minutesToExpiry(expiry, nowMs, setting.calendar, segment),
    completeness: {
      strikes_listed: series.strikes.length,
      strikes_streamed: strikesStreamed,
      strikes_present: present,
      complete: present > 0 && present === series.strikes.length,
    },
  }
}

/** The minute that is forming; once nothing has come for a while, that of the newest packet. */
function bucketMs(formingMs: number, marketTimeMs: number, asOfMs: number): number {
  return marketTimeMs - asOfMs <= FRESH_QUOTE_MS ? formingMs : floorToMinute(asOfMs)
}

export function isSpotStale(
  spot: LatestQuote | undefined,
  nowMs: number,
  mode: CalendarMode,
): boolean {
  if (spot === undefined || spot.lastPrice === null) return true
  return nowMs - spot.quotedMs > FRESH_QUOTE_MS || isClosingAuction(nowMs, mode)
}

function newestQuote({ series }: LiveChain, quotes: ChainQuotes): LatestQuote | undefined {
  let newest: LatestQuote | undefined
  const take = (quote: LatestQuote | undefined) => {
    if (quote !== undefined && quote.quotedMs > (newest?.quotedMs ?? 0)) newest = quote
  }
  take(quotes.spot)
  take(quotes.future)
  for (const { call, put } of series.strikes) {
    take(quoteOf(call, quotes))
    take(quoteOf(put, quotes))
  }
  return newest
}

/** The call's bucket; null while no ATM is known. */
export function moneynessOf(
  strikes: readonly number[],
  atm: number | null,
  strike: number,
): string | null {
  return atm === null ? null : (bucketOf(strikes, atm, strike, 'CE') ?? null)
}

function presentStrike(
  { strike, call, put }: StrikeRow,
  moneyness: string | null,
  { analytics }: LiveChain,
  index: number,
  quotes: ChainQuotes,
): StreamStrike {
  const computed = analytics.strikes[index]
  return {
    strike,
    moneyness,
    call: call === null ? null : presentLeg(call, quoteOf(call, quotes), computed?.call ?? null),
    put: put === null ? null : presentLeg(put, quoteOf(put, quotes), computed?.put ?? null),
  }
}

function presentLeg(
  instrument: Instrument,
  quote: LatestQuote | undefined,
  analytics: LegAnalytics | null,
): StreamLeg {
  const ltp = quote?.lastPrice ?? null
  const previousClose = quote?.previousClose ?? null
  const oi = quote?.openInterest ?? null
  const oiBefore = quote?.bars.previousOiAt(quote.quotedMs) ?? null
  return {
    tradingsymbol: instrument.tradingsymbol,
    instrument_token: instrument.token,
    ltp,
    ...priceChange(ltp, previousClose),
    open: quote?.dayOpen ?? null,
    high: quote?.dayHigh ?? null,
    low: quote?.dayLow ?? null,
    bid: quote?.bid ?? null,
    ask: quote?.ask ?? null,
    bid_quantity: quote?.bidQuantity ?? null,
    ask_quantity: quote?.askQuantity ?? null,
    volume: quote?.volume ?? null,
    oi,
    oi_prev_close: oiBefore,
    oi_change: openInterestChange(oi, oiBefore),
    ...presentAnalytics(analytics ?? NOTHING_COMPUTED),
    buildup: buildupOf(ltp, previousClose, oi, oiBefore, instrument.tickSize),
    last_trade_at: instantOf(quote?.lastTradeMs ?? null),
    source: quote?.source ?? null,
    complete: null,
  }
}

export interface Volatility {
  readonly iv: number | null
  readonly ivRaw: number | null
  readonly ivReason: string | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly theta: number | null
  readonly vega: number | null
}

const NOTHING_COMPUTED: Volatility = {
  iv: null,
  ivRaw: null,
  ivReason: 'no_price',
  delta: null,
  gamma: null,
  theta: null,
  vega: null,
}

/** Rounded far below what a tick can move, since each digit is sent 400 times ten times a second. */
export function presentAnalytics({ iv, ivRaw, ivReason, delta, gamma, theta, vega }: Volatility) {
  return {
    iv: rounded(iv, 1e8),
    iv_raw: rounded(ivRaw, 1e8),
    iv_reason: ivReason,
    delta: rounded(delta, 1e8),
    gamma: rounded(gamma, 1e10),
    theta: rounded(theta, 1e6),
    vega: rounded(vega, 1e6),
  }
}

export function priceChange(ltp: number | null, previousClose: number | null) {
  const change = ltp === null || previousClose === null ? null : ltp - previousClose
  return {
    prev_close: previousClose,
    change: rounded(change, 1e4),
    change_percent:
      change === null || !previousClose ? null : rounded((100 * change) / previousClose, 1e4),
  }
}

export function instantOf(ms: number | null): string | null {
  return ms === null ? null : formatIst(ms)
}

function ageOf(
  instrument: Instrument | null,
  quotes: ChainQuotes,
  asOfMs: number | null,
): number | null {
  const quote = quoteOf(instrument, quotes)
  if (quote === undefined || asOfMs === null) return null
  return Math.max(0, asOfMs - quote.quotedMs)
}

function quoteOf(instrument: Instrument | null, quotes: ChainQuotes): LatestQuote | undefined {
  if (instrument === null) return undefined
  return quotes.quote(instrumentKey(instrument.exchange, instrument.tradingsymbol))
}

/** To one part in `parts` of the unit. */
export function rounded(value: number | null, parts: number): number | null {
  return value === null ? null : Math.round(value * parts) / parts
}
