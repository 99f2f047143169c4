/**
 * The chain of one expiry at the end of one minute: forward, implied volatility and Greeks of every
 * option, and the metrics of the whole. A pure function of the minute's rows, so that the live path
 * and the close of the minute give the same figures.
 *
 * One volatility a strike: that of its out-of-the-money leg, used for both legs. Deep in-the-money
 * prices are old and hold next to no time value; with the other leg's volatility their Greeks stay
 * sane. Each leg's own volatility is kept beside it as `ivRaw`.
 */
import type { OptionType } from '../instrument.ts'
import { black76Greeks } from './black76.ts'
import { computeForward, type Forward, type ForwardPoint } from './forward.ts'
import { DEFAULT_TICK_SIZE, impliedVolatility } from './implied-volatility.ts'
import { computeExpiryMetrics, type ExpiryMetrics } from './metrics.ts'
import {
  type IvReason,
  type LegAnalytics,
  type LegInput,
  legPrice,
  otmType,
  type StrikeAnalytics,
  type StrikeInput,
  whyNoPrice,
} from './strike.ts'

export interface ChainInput {
  /** The F&O close on the expiry date, epoch ms. */
  readonly expiryCloseMs: number
  /** The end of the minute (its opening instant + 60,000), epoch ms; also while it is forming. */
  readonly barEndMs: number
  /** Continuous, decimal per year. */
  readonly rate: number
  /** Every listed strike, ascending. Throws a RangeError where they do not ascend. */
  readonly strikes: readonly StrikeInput[]
  readonly spot: number | null
  /** Of the same expiry; null where that has none. */
  readonly future: number | null
  /** Forwards of other expiries of this underlying in this minute, by parity or future only. */
  readonly otherForwards?: readonly ForwardPoint[]
  /** Smallest price step, rupees. */
  readonly tickSize?: number
}

export interface ChainAnalytics {
  /** What the volatilities and Greeks were computed with; null once the series is settled. */
  readonly timeYears: number | null
  readonly forward: Forward | null
  /** One a strike of the input, in its order. */
  readonly strikes: readonly StrikeAnalytics[]
  readonly metrics: ExpiryMetrics
}

/** A leg's own volatility, or why it has none. */
interface OwnVolatility {
  readonly iv: number | null
  readonly reason: IvReason | null
}

/** What all strikes of one chain share. */
export interface StrikeTerms {
  readonly forward: number | null
  /** As `timeToExpiryYears` gives it; positive. */
  readonly timeYears: number
  readonly rate: number
  readonly tickSize: number
}

const MINUTE_MS = 60_000
const MINUTES_PER_YEAR = 525_600

const SETTLED: LegAnalytics = withoutVolatility('settled')

export function computeChain(input: ChainInput): ChainAnalytics {
  requireAscending(input.strikes)
  const timeYears = timeToExpiryYears(input.barEndMs, input.expiryCloseMs)
  if (timeYears === null) return settledChain(input)
  const forward = computeForward({
    strikes: input.strikes,
    timeYears,
    rate: input.rate,
    spot: input.spot,
    future: input.future,
    otherForwards: input.otherForwards ?? [],
  })
  const terms = {
    forward: forward?.forward ?? null,
    timeYears,
    rate: input.rate,
    tickSize: input.tickSize ?? DEFAULT_TICK_SIZE,
  }
  const strikes = input.strikes.map((strike) => analyseStrike(strike, terms))
  const metrics = computeExpiryMetrics({ ...metricsInput(input, strikes), forward, timeYears })
  return { timeYears, forward: forward ?? null, strikes, metrics }
}

/**
 * Years of 525,600 minutes from the end of a bar to the expiry's close, at least one minute; null
 * after the close.
 */
export function timeToExpiryYears(barEndMs: number, expiryCloseMs: number): number | null {
  if (barEndMs > expiryCloseMs) return null
  return Math.max(1, (expiryCloseMs - barEndMs) / MINUTE_MS) / MINUTES_PER_YEAR
}

/** Open interest and volume still speak after the close; prices no longer do. */
function settledChain(input: ChainInput): ChainAnalytics {
  const strikes = input.strikes.map(({ strike, call, put }) => ({
    strike,
    call: call === null ? null : SETTLED,
    put: put === null ? null : SETTLED,
  }))
  const metrics = computeExpiryMetrics({
    ...metricsInput(input, strikes),
    forward: undefined,
    timeYears: 0,
  })
  return { timeYears: null, forward: null, strikes, metrics }
}

function metricsInput(input: ChainInput, analytics: readonly StrikeAnalytics[]) {
  return { strikes: input.strikes, analytics, spot: input.spot, future: input.future }
}

/** Volatility and Greeks of both options of one strike, as `computeChain` gives them. */
export function analyseStrike(
  { strike, call, put }: StrikeInput,
  terms: StrikeTerms,
): StrikeAnalytics {
  const ofCall = ownVolatility(call, 'CE', strike, terms)
  const ofPut = ownVolatility(put, 'PE', strike, terms)
  const otm = terms.forward !== null && otmType(strike, terms.forward) === 'PE' ? ofPut : ofCall
  return {
    strike,
    call: call === null ? null : analyseLeg('CE', strike, otm, ofCall, terms),
    put: put === null ? null : analyseLeg('PE', strike, otm, ofPut, terms),
  }
}

function ownVolatility(
  leg: LegInput | null,
  optionType: OptionType,
  strike: number,
  terms: StrikeTerms,
): OwnVolatility {
  if (leg === null) return { iv: null, reason: 'no_price' }
  const price = legPrice(leg)
  if (price === null) return { iv: null, reason: whyNoPrice(leg) }
  const { forward, timeYears, rate, tickSize } = terms
  const solved = impliedVolatility(optionType, price, forward, strike, timeYears, rate, tickSize)
  return solved.status === 'ok'
    ? { iv: solved.iv, reason: null }
    : { iv: null, reason: solved.status }
}

function analyseLeg(
  optionType: OptionType,
  strike: number,
  otm: OwnVolatility,
  own: OwnVolatility,
  { forward, timeYears, rate }: StrikeTerms,
): LegAnalytics {
  const iv = otm.iv ?? own.iv
  if (iv === null || forward === null) return withoutVolatility(own.reason ?? 'no_forward')
  const greeks = black76Greeks(optionType, forward, strike, timeYears, rate, iv)
  return {
    iv,
    ivRaw: own.iv,
    ivReason: null,
    delta: greeks.delta,
    gamma: greeks.gamma,
    theta: greeks.theta,
    vega: greeks.vega,
  }
}

function withoutVolatility(ivReason: IvReason): LegAnalytics {
  return { iv: null, ivRaw: null, ivReason, delta: null, gamma: null, theta: null, vega: null }
}

/** Ranks, prefix sums and the smile all rest on the order. */
function requireAscending(strikes: readonly StrikeInput[]): void {
  for (let i = 1; i < strikes.length; i++) {
    const before = strikes[i - 1] as StrikeInput
    const { strike } = strikes[i] as StrikeInput
    if (!(strike > before.strike)) {
      throw new RangeError(`strikes do not ascend: ${before.strike}, ${strike}`)
    }
  }
}
