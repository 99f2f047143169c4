/**
 * What is read off the smile of one expiry: volatility at the forward and at 25 delta. Only the
 * out-of-the-money leg of each strike speaks, by its own price.
 */
import { normalCdf } from './normal.ts'
import { otmType, type StrikeAnalytics } from './strike.ts'

/** One out-of-the-money option with a volatility of its own. */
export interface SmilePoint {
  /** ln(K/F): negative for puts. */
  readonly logMoneyness: number
  /** N(d1) of a call, N(−d1) of a put: the forward delta without sign. */
  readonly delta: number
  readonly iv: number
}

export interface Smile {
  /** Both sides from the forward outwards. */
  readonly calls: readonly SmilePoint[]
  readonly puts: readonly SmilePoint[]
}

const WING_DELTA = 0.25
/** With fewer strikes between the forward and 25 delta, that point is the step's and not the market's. */
const MIN_POINTS_INSIDE = 2

/** The smile of a chain whose strikes ascend. */
export function smileOf(
  strikes: readonly StrikeAnalytics[],
  forward: number,
  timeYears: number,
): Smile {
  const calls: SmilePoint[] = []
  const puts: SmilePoint[] = []
  for (const { strike, call, put } of strikes) {
    const isCall = otmType(strike, forward) === 'CE'
    const iv = (isCall ? call : put)?.ivRaw ?? null
    if (iv === null) continue
    const logMoneyness = Math.log(strike / forward)
    const deviation = iv * Math.sqrt(timeYears)
    const d1 = -logMoneyness / deviation + 0.5 * deviation
    const point = { logMoneyness, delta: normalCdf(isCall ? d1 : -d1), iv }
    if (isCall) calls.push(point)
    else puts.push(point)
  }
  return { calls, puts: puts.reverse() }
}

/**
 * Volatility at the forward: variance interpolated in ln(K/F) between the nearest strike on either
 * side, so that it does not jump when another strike becomes the nearest. null where a side has none.
 */
export function atmVolatility({ calls, puts }: Smile): number | null {
  const above = calls[0]
  if (above?.logMoneyness === 0) return above.iv
  const below = puts[0]
  if (above === undefined || below === undefined) return null
  const share = -below.logMoneyness / (above.logMoneyness - below.logMoneyness)
  return Math.sqrt(below.iv ** 2 + share * (above.iv ** 2 - below.iv ** 2))
}

/** Volatility at a forward delta of 0.25 on one side; null where too few strikes say. */
export function wingVolatility(side: readonly SmilePoint[]): number | null {
  const outside = side.findIndex((point) => point.delta <= WING_DELTA)
  if (outside < MIN_POINTS_INSIDE) return null
  const inner = side[outside - 1] as SmilePoint
  const outer = side[outside] as SmilePoint
  const share = (inner.delta - WING_DELTA) / (inner.delta - outer.delta)
  return inner.iv + share * (outer.iv - inner.iv)
}

/** IV of the 25-delta call − IV of the 25-delta put. */
export function riskReversal(call: number | null, put: number | null): number | null {
  return call === null || put === null ? null : call - put
}

/** Mean of both 25-delta volatilities − the volatility at the forward. */
export function butterfly(
  call: number | null,
  put: number | null,
  atm: number | null,
): number | null {
  return call === null || put === null || atm === null ? null : (call + put) / 2 - atm
}
