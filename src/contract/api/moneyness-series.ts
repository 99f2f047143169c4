/**
 * `GET /fo/moneyness-series`: one figure of a series over time by moneyness, in bars of a timeframe.
 * A bucket (ATM, OTM3) means another strike as the market moves, so each point names its strike.
 */
import { type Static, Type } from 'typebox'
import { timeframe } from './expiry-metrics.ts'
import {
  choice,
  istDate,
  istTime,
  maybeNumber,
  number,
  querySymbol,
  queryTime,
  strict,
  text,
} from './schema-parts.ts'

export const INDICATORS = [
  'iv',
  'ltp',
  'oi',
  'oi_change',
  'volume',
  'delta',
  'gamma',
  'theta',
  'vega',
  'pcr_oi',
  'premium',
] as const
export type Indicator = (typeof INDICATORS)[number]

export const SIDES = ['CE', 'PE', 'both'] as const

const indicator = choice(
  INDICATORS,
  "iv decimal per year; ltp ₹; oi and oi_change (since the previous day's close) units; volume units traded in the bar; theta ₹ a day; vega ₹ per vol point; pcr_oi put OI / call OI and premium call + put price (₹), both of the bucket's strike. Of volume a bar has the sum, of all else the last that is known.",
)
const moneyness = (description: string) =>
  Type.String({ pattern: '^(?:ATM|(?:OTM|ITM)(?:[1-9]|1\\d|20))$', description })

/** Series of one request: each is read and answered by itself. */
export const MONEYNESS_EXPIRIES_MAX = 12

export const MoneynessSeriesQuery = Type.Object(
  {
    symbol: querySymbol,
    expiry: Type.Optional(
      Type.Array(istDate('An expiry.'), {
        minItems: 1,
        maxItems: MONEYNESS_EXPIRIES_MAX,
        description: 'Repeated, or comma-separated; without it the nearest expiry.',
      }),
    ),
    indicator,
    side: Type.Optional(choice(SIDES, 'Without it both.')),
    buckets: Type.Optional(
      Type.Array(moneyness('ATM, OTM1 to OTM20, ITM1 to ITM20.'), {
        minItems: 1,
        maxItems: 41,
        description: 'ATM, OTM1 to OTM20, ITM1 to ITM20, comma-separated; without it ATM.',
      }),
    ),
    timeframe: Type.Optional(timeframe),
    from: Type.Optional(queryTime("First instant; without it the open of the day's session.")),
    to: Type.Optional(queryTime('Last instant, exclusive; without it now.')),
  },
  strict,
)
export type MoneynessSeriesQuery = Static<typeof MoneynessSeriesQuery>

export const MoneynessPoint = Type.Object({
  time: istTime("The bar's opening instant."),
  value: maybeNumber('null = not known, though the strike was looked at.'),
  strike: number('The strike that the bucket stood for, ₹; where it rolled, the last one.'),
})
export type MoneynessPoint = Static<typeof MoneynessPoint>

export const MoneynessSeries = Type.Object({
  symbol: text('Canonical underlying.'),
  expiry: istDate('The first expiry asked for.'),
  indicator,
  timeframe,
  series: Type.Array(
    Type.Object({
      expiry: istDate('Expiry of this one.'),
      bucket: moneyness("Rank among the listed strikes from the minute's ATM strike."),
      side: choice(['CE', 'PE'], 'OTM of a call lies above, of a put below.'),
      points: Type.Array(MoneynessPoint, {
        description: 'Ascending; bars without a row of that strike are left out.',
      }),
    }),
    { description: 'By expiry, bucket and side, in the order asked for.' },
  ),
})
export type MoneynessSeries = Static<typeof MoneynessSeries>
