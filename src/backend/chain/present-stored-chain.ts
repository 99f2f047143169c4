/**
 * A stored minute of a series as clients see it, in the same shape as the live chain. Volume is the
 * day's up to that minute; what no minute stores (quantities at the best quotes) is null.
 */
import type {
  StreamChain,
  StreamLeg,
  StreamStrike,
} from '../../contract/api/strike-distribution.ts'
import { daysToExpiry, minutesToExpiry } from '../../market/expiry.ts'
import type { Series } from '../../market/instrument-master.ts'
import { formatIst, MINUTE_MS } from '../../market/ist.ts'
import { strikeWindow } from '../../market/options/moneyness.ts'
import { buildupOf } from '../../market/options/open-interest.ts'
import { decodeCloseKey, decodeQuoteKey } from '../bars/key-bytes.ts'
import type { OptionDay, StoredChain, StoredLeg } from '../ports.ts'
import {
  instantOf,
  isClosingAuction,
  type LegAges,
  type MarketSetting,
  moneynessOf,
  type PresentedChain,
  presentAnalytics,
  priceChange,
} from './present-chain.ts'

/** Where a contract's own step is not known any more. */
const USUAL_TICK_SIZE = 0.05
/** No instrument has this number on the wire. */
const UNKNOWN_TOKEN = 0

/** The stored legs that a window of strikes holds. */
export function legsInWindow({ metrics, legs }: StoredChain, eachSide: number | null): StoredLeg[] {
  if (eachSide === null || metrics.atmStrike === null) return [...legs]
  const strikes = strikesOf(legs)
  const shown = new Set(strikeWindow(strikes, metrics.atmStrike, eachSide))
  return legs.filter(({ strike }) => shown.has(strike))
}

/**
 * @param legs those to show
 * @param series as listed today; undefined once it has expired
 * @param segment of the series' contracts
 * @param marketTimeMs now, for a minute that is still open
 */
export function presentStoredChain(
  stored: StoredChain,
  legs: readonly StoredLeg[],
  days: ReadonlyMap<string, OptionDay>,
  series: Series | undefined,
  segment: string,
  setting: MarketSetting,
  marketTimeMs: number,
): PresentedChain {
  const { metrics, spotTicked, indiaVix } = stored
  const { symbol, expiry, minuteMs } = metrics
  const asOfMs = Math.min(minuteMs + MINUTE_MS, Math.max(minuteMs, marketTimeMs))
  const all = strikesOf(stored.legs)
  const strikes = strikesOf(legs)
  const tickSize = series?.strikes[0]?.call?.tickSize ?? USUAL_TICK_SIZE
  const present = (leg: StoredLeg | undefined) =>
    leg === undefined ? null : presentLeg(leg, days.get(leg.tradingsymbol), tickSize, series)
  const rows = strikes.map((strike) => ({
    strike,
    call: legs.find((leg) => leg.strike === strike && leg.optionType === 'CE'),
    put: legs.find((leg) => leg.strike === strike && leg.optionType === 'PE'),
  }))
  const chain: StreamChain = {
    symbol,
    expiry,
    bucket_time: formatIst(minuteMs),
    as_of: formatIst(asOfMs),
    feed: setting.feed,
    spot: metrics.spot,
    spot_stale:
      metrics.spot === null || !spotTicked || isClosingAuction(minuteMs, setting.calendarMode),
    future: metrics.future,
    forward: metrics.forward,
    forward_source: metrics.forwardSource,
    india_vix: indiaVix,
    atm_strike: metrics.atmStrike,
    pcr_oi: metrics.pcrOi,
    pcr_volume: metrics.pcrVolume,
    max_pain: metrics.maxPain,
    max_pain_high: metrics.maxPainHigh,
    atm_iv: metrics.atmIv,
    straddle: metrics.straddle,
    expected_move: metrics.expectedMove,
    total_call_oi: metrics.totalCallOi,
    total_put_oi: metrics.totalPutOi,
    total_call_volume: metrics.totalCallVolume,
    total_put_volume: metrics.totalPutVolume,
    lot_size: series?.lotSize ?? null,
    days_to_expiry: daysToExpiry(expiry, minuteMs),
    minutes_to_expiry: minutesToExpiry(expiry, asOfMs, setting.calendar, segment),
    completeness: {
      strikes_listed: metrics.strikesListed,
      strikes_streamed: metrics.strikesStreamed,
      strikes_present: metrics.strikesPresent,
      complete: metrics.strikesPresent > 0 && metrics.strikesPresent === metrics.strikesListed,
    },
    strikes: rows.map(
      ({ strike, call, put }): StreamStrike => ({
        strike,
        moneyness: moneynessOf(all, metrics.atmStrike, strike),
        call: present(call),
        put: present(put),
      }),
    ),
  }
  const ages = rows.map(
    ({ call, put }): LegAges => ({ call: ageOf(call, asOfMs), put: ageOf(put, asOfMs) }),
  )
  return { chain, ages, asOfMs, receivedAtMs: null }
}

function presentLeg(
  leg: StoredLeg,
  day: OptionDay | undefined,
  tickSize: number,
  series: Series | undefined,
): StreamLeg {
  const previousClose = day?.previousClose ?? null
  return {
    tradingsymbol: leg.tradingsymbol,
    instrument_token: leg.instrumentToken ?? listedToken(leg, series),
    ltp: leg.lastPrice,
    ...priceChange(leg.lastPrice, previousClose),
    open: day?.open ?? null,
    high: day?.high ?? null,
    low: day?.low ?? null,
    bid: leg.bid,
    ask: leg.ask,
    bid_quantity: null,
    ask_quantity: null,
    volume: leg.volume,
    oi: leg.oi,
    oi_prev_close: leg.oiPrevClose,
    oi_change: leg.oiChange,
    ...presentAnalytics(leg),
    buildup: buildupOf(leg.lastPrice, previousClose, leg.oi, leg.oiPrevClose, tickSize),
    last_trade_at: instantOf(tradedAtMs(leg)),
    source: leg.source,
    complete: leg.complete,
  }
}

/** Today's number of a contract that has no bar of its own; it has one while it is listed. */
function listedToken({ strike, optionType }: StoredLeg, series: Series | undefined): number {
  const row = series?.strikes.find((listed) => listed.strike === strike)
  return (optionType === 'CE' ? row?.call : row?.put)?.token ?? UNKNOWN_TOKEN
}

function tradedAtMs({ closeKey }: StoredLeg): number | null {
  return closeKey === null ? null : decodeCloseKey(closeKey).tradeTimeS * 1000
}

function ageOf(leg: StoredLeg | undefined, asOfMs: number): number | null {
  if (leg === undefined || leg.quoteKey === null) return null
  return Math.max(0, asOfMs - decodeQuoteKey(leg.quoteKey).exchangeTimeS * 1000)
}

function strikesOf(legs: readonly StoredLeg[]): number[] {
  return [...new Set(legs.map(({ strike }) => strike))]
}
