/**
 * `GET /fo/strike-distribution`: one whole chain with its metrics, at the latest minute or as of `at`.
 *
 * Prices in rupees; OI and volume in units (contracts × lot), volume the day's; IV a decimal per
 * year (0.1234 = 12.34 %); theta ₹ a day, vega ₹ per vol point, gamma per index point. `null` = not known.
 *
 * The stream sends the same chain without the ages (`StreamChain`): an age is true only at the
 * instant it is said, and would change every leg in every message.
 */
import { type Static, Type } from 'typebox'
import {
  feed,
  flag,
  integer,
  istDate,
  maybe,
  maybeChoice,
  maybeFlag,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  querySymbol,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

const expiryQuery = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}$',
  description: 'YYYY-MM-DD; without it the nearest expiry.',
})
export const strikesEachSide = Type.Integer({
  minimum: 1,
  maximum: 500,
  description: 'Strikes on each side of the ATM strike; without it all of them.',
})

export const StrikeDistributionQuery = Type.Object(
  {
    symbol: querySymbol,
    expiry: Type.Optional(expiryQuery),
    at: Type.Optional(queryTime('The chain as it was; without it the latest.')),
    strikes: Type.Optional(strikesEachSide),
  },
  strict,
)
export type StrikeDistributionQuery = Static<typeof StrikeDistributionQuery>

export const BUILDUPS = [
  'long_buildup',
  'short_buildup',
  'short_covering',
  'long_unwinding',
  'neutral',
] as const
export const BAR_SOURCES = ['live', 'backfill', 'repair', 'snapshot', 'settled'] as const

const streamLegFields = {
  tradingsymbol: text('Exchange name of the contract.'),
  instrument_token: integer('Number on the wire; reused by the exchange after expiry.'),
  ltp: maybeNumber('Last traded price, ₹.'),
  prev_close: maybeNumber("Previous day's close, ₹."),
  change: maybeNumber('ltp − prev_close, ₹.'),
  change_percent: maybeNumber('change in percent of prev_close.'),
  open: maybeNumber("Day's open, ₹."),
  high: maybeNumber("Day's high, ₹."),
  low: maybeNumber("Day's low, ₹."),
  bid: maybeNumber('Best bid, ₹; null where the side is empty.'),
  ask: maybeNumber('Best ask, ₹; null where the side is empty.'),
  bid_quantity: maybeInteger('Units at the best bid; null with `at`.'),
  ask_quantity: maybeInteger('Units at the best ask; null with `at`.'),
  volume: maybeInteger('Units traded this day.'),
  oi: maybeInteger('Open interest, units.'),
  oi_prev_close: maybeInteger("Open interest at the previous day's close, units."),
  oi_change: maybeInteger('oi − oi_prev_close, units; null until a previous close is known.'),
  iv: maybeNumber(
    'Implied volatility of the strike (its OTM leg), decimal per year; Greeks use it.',
  ),
  iv_raw: maybeNumber("Implied volatility of this leg's own price, decimal per year."),
  iv_reason: maybeText(
    'Why there is no iv: no_price, zero_price, stale, below_intrinsic, at_intrinsic, above_max, expired, no_forward, settled; low_confidence comes with a number; null where nothing is wrong.',
  ),
  delta: maybeNumber('Per 1.00 of the forward, discounted.'),
  gamma: maybeNumber('Change of delta per index point.'),
  theta: maybeNumber('₹ per calendar day.'),
  vega: maybeNumber('₹ per vol point (1 %).'),
  buildup: maybeChoice(BUILDUPS, 'Price and OI against the previous close, with dead-bands.'),
  last_trade_at: maybeIstTime('Last trade of the contract.'),
  source: maybeChoice(BAR_SOURCES, 'Where the figures come from.'),
  complete: maybeFlag(
    'Whether the minute is fully covered by the live feed; null while it is open.',
  ),
}

export const StreamLeg = Type.Object(streamLegFields)
export type StreamLeg = Static<typeof StreamLeg>

export const ChainLeg = Type.Object({
  ...streamLegFields,
  age_ms: maybeNumber('Milliseconds from the last packet or quote of this contract to `as_of`.'),
})
export type ChainLeg = Static<typeof ChainLeg>

const strikeFields = {
  strike: number('Strike, ₹; the list is ascending.'),
  moneyness: maybeText(
    "The call's bucket: ATM, ITM1… below, OTM1… above; the put's is the mirror. null where no ATM is known.",
  ),
}

export const StreamStrike = Type.Object({
  ...strikeFields,
  call: maybe(StreamLeg),
  put: maybe(StreamLeg),
})
export type StreamStrike = Static<typeof StreamStrike>

export const ChainStrike = Type.Object({
  ...strikeFields,
  call: maybe(ChainLeg),
  put: maybe(ChainLeg),
})
export type ChainStrike = Static<typeof ChainStrike>

/** Totals, PCR and max pain are over every strike that is present, whatever `strikes` was asked for. */
export const Completeness = Type.Object({
  strikes_listed: maybeInteger('Strikes that the instrument master lists for this expiry.'),
  strikes_streamed: maybeInteger('Strikes of which a leg is streamed; the others are snapshots.'),
  strikes_present: maybeInteger('Strikes of which any figure is known.'),
  complete: flag(
    'Every listed strike is present, so PCR, max pain and totals are of the whole chain.',
  ),
})
export type Completeness = Static<typeof Completeness>

const chainHeaderFields = {
  symbol: text('Canonical underlying, e.g. NIFTY50.'),
  expiry: istDate('Expiry of the series.'),
  bucket_time: maybeIstTime(
    'Opening instant of the minute that the chain belongs to; null before the first one.',
  ),
  as_of: maybeIstTime('Market time up to which the figures speak.'),
  feed,
  spot: maybeNumber('Index level, ₹.'),
  spot_stale: flag(
    'The index is not a live price now (closing auction, no packet): use the forward.',
  ),
  future: maybeNumber(
    'Last price of the future of the same expiry, else the nearest later one, ₹.',
  ),
  forward: maybeNumber('Forward to this expiry, ₹; moneyness, IV and Greeks are relative to it.'),
  forward_source: maybeText('parity, future, carry (interpolated) or spot.'),
  india_vix: maybeNumber('India VIX, percent per year.'),
  atm_strike: maybeNumber('Listed strike nearest the forward, ₹; a tie takes the lower.'),
  pcr_oi: maybeNumber('Put OI / call OI, whole chain; null where call OI is 0.'),
  pcr_volume: maybeNumber(
    "Day's put volume / call volume, whole chain; null where call volume is 0.",
  ),
  max_pain: maybeNumber('Lowest strike with the least total payout, ₹.'),
  max_pain_high: maybeNumber('Highest such strike, ₹; differs from max_pain only on a tie.'),
  atm_iv: maybeNumber('IV at the forward, decimal per year.'),
  straddle: maybeNumber('Call + put at the forward, ₹.'),
  expected_move: maybeNumber('forward × atm_iv × √T: one standard deviation to expiry, ₹.'),
  total_call_oi: maybeInteger('Units.'),
  total_put_oi: maybeInteger('Units.'),
  total_call_volume: maybeInteger("Units, the day's."),
  total_put_volume: maybeInteger("Units, the day's."),
  lot_size: maybeInteger('Units per contract of this series.'),
  days_to_expiry: integer('Calendar days (IST) to the expiry; 0 on the day itself.'),
  minutes_to_expiry: integer('Whole minutes to the F&O close on the expiry date; 0 from then on.'),
  completeness: Completeness,
}

/** The chain as the stream carries it: everything but the ages and `strikes`. */
export const StreamChainHeader = Type.Object(chainHeaderFields)
export type StreamChainHeader = Static<typeof StreamChainHeader>

export const StreamChain = Type.Object({
  ...chainHeaderFields,
  strikes: Type.Array(StreamStrike),
})
export type StreamChain = Static<typeof StreamChain>

export const StrikeDistribution = Type.Object({
  ...chainHeaderFields,
  age_ms: maybeNumber('Milliseconds from `as_of` to this answer, by the server’s clock.'),
  strikes: Type.Array(ChainStrike),
})
export type StrikeDistribution = Static<typeof StrikeDistribution>
