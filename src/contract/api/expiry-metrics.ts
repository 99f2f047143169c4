/** `GET /fo/expiry-metrics`: the metrics of one series over time, in bars of a timeframe. */
import { type Static, Type } from 'typebox'
import { TIMEFRAMES } from '../../market/timeframe.ts'
import {
  choice,
  istDate,
  istTime,
  maybeInteger,
  maybeNumber,
  maybeText,
  querySymbol,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

export const timeframe = choice(TIMEFRAMES, "Bar length, anchored at the session's open.")

export const ExpiryMetricsQuery = Type.Object(
  {
    symbol: querySymbol,
    expiry: Type.Optional(istDate('Without it the nearest expiry.')),
    timeframe: Type.Optional(timeframe),
    from: Type.Optional(queryTime("First instant; without it the open of the day's session.")),
    to: Type.Optional(queryTime('Last instant, exclusive; without it now.')),
  },
  strict,
)
export type ExpiryMetricsQuery = Static<typeof ExpiryMetricsQuery>

/** One bar; each figure is the last one known in it. */
export const ExpiryMetricsPoint = Type.Object({
  time: istTime("The bar's opening instant."),
  spot: maybeNumber('₹.'),
  future: maybeNumber('₹.'),
  forward: maybeNumber('₹.'),
  forward_source: maybeText('parity, future, carry or spot.'),
  atm_strike: maybeNumber('₹.'),
  atm_iv: maybeNumber('Decimal per year.'),
  straddle: maybeNumber('₹.'),
  expected_move: maybeNumber('forward × atm_iv × √T, ₹.'),
  rr25: maybeNumber('IV of the 25Δ call − IV of the 25Δ put, decimal.'),
  bf25: maybeNumber('Mean of both 25Δ IVs − ATM IV, decimal.'),
  gex: maybeNumber('Gamma exposure per 1 % move, ₹ crore; calls +, puts −.'),
  total_call_oi: maybeInteger('Units.'),
  total_put_oi: maybeInteger('Units.'),
  total_call_volume: maybeInteger("Units, the day's."),
  total_put_volume: maybeInteger("Units, the day's."),
  pcr_oi: maybeNumber('Put OI / call OI.'),
  pcr_volume: maybeNumber("Day's put volume / call volume."),
  max_pain: maybeNumber('Lowest strike with the least payout, ₹.'),
  max_pain_high: maybeNumber('Highest such strike, ₹.'),
  strikes_listed: maybeInteger('Strikes listed.'),
  strikes_streamed: maybeInteger('Strikes streamed.'),
  strikes_present: maybeInteger('Strikes with any figure.'),
})
export type ExpiryMetricsPoint = Static<typeof ExpiryMetricsPoint>

export const ExpiryMetrics = Type.Object({
  symbol: text('Canonical underlying.'),
  expiry: istDate('Expiry of the series.'),
  timeframe,
  points: Type.Array(ExpiryMetricsPoint, {
    description: 'Ascending; minutes without a row are left out.',
  }),
})
export type ExpiryMetrics = Static<typeof ExpiryMetrics>
