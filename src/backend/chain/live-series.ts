/** One series as `LiveChains` holds it: its strikes, how new its prices are, and what was computed of it. */
import { instrumentKey } from '../../market/instrument.ts'
import type { Series } from '../../market/instrument-master.ts'
import type { ChainAnalytics } from '../../market/options/chain.ts'
import type { Forward } from '../../market/options/forward.ts'
import type { StrikeAnalytics, StrikeInput } from '../../market/options/strike.ts'
import type { LatestQuote } from './latest-quote.ts'

export interface LiveChain {
  readonly series: Series
  /** Opening instant of the minute, epoch ms. */
  readonly minuteMs: number
  readonly input: readonly StrikeInput[]
  readonly analytics: ChainAnalytics
  readonly strikesStreamed: number
}

/** One contract of a strike. */
export interface LiveLeg {
  /** Kept, since putting it together costs more than the look-up. */
  readonly key: string
  /** As it was looked up last; undefined where there was none. */
  quote: LatestQuote | undefined
}

export interface LiveStrike {
  readonly strike: number
  readonly call: LiveLeg | null
  readonly put: LiveLeg | null
  /** Which set of quotes its legs' are of. */
  quotesSet: number
}

/** While these are the same, so are IV and Greeks. */
export interface AnalysedTerms {
  readonly row: LiveStrike
  readonly version: number
  readonly minuteMs: number
  readonly nowMs: number
  readonly forward: Forward | undefined
  readonly tickSize: number
}

export interface LiveSeries {
  readonly series: Series
  readonly strikes: readonly LiveStrike[]
  readonly byStrike: ReadonlyMap<number, LiveStrike>
  readonly spotKey: string | null
  /** Time to expiry from the end of the minute asked for last. */
  time: { readonly minuteMs: number; readonly years: number | null } | undefined
  /** Never the same again, also not after a reset. */
  version: number
  /** Time of the newest packet of the series or its underlying: what "now" is for its prices. */
  newestMs: number
  /** Forward for the rows of open minutes; a fraction of a second old at most. */
  forward: Forward | undefined
  forwardVersion: number
  /** Market time. */
  forwardAtMs: number
  /** Of the strike asked for last: its legs are computed together, and asked for one after the other. */
  analysed: { readonly terms: AnalysedTerms; readonly result: StrikeAnalytics } | undefined
  cached: { version: number; minuteMs: number; chain: LiveChain } | undefined
}

export function liveStrike({ strike, call, put }: Series['strikes'][number]): LiveStrike {
  return { strike, call: liveLeg(call), put: liveLeg(put), quotesSet: -1 }
}

function liveLeg(leg: { exchange: string; tradingsymbol: string } | null): LiveLeg | null {
  if (leg === null) return null
  return { key: instrumentKey(leg.exchange, leg.tradingsymbol), quote: undefined }
}

export function isSameTerms(a: AnalysedTerms, b: AnalysedTerms): boolean {
  return (
    a.row === b.row &&
    a.version === b.version &&
    a.minuteMs === b.minuteMs &&
    a.nowMs === b.nowMs &&
    a.forward === b.forward &&
    a.tickSize === b.tickSize
  )
}

export function renew(live: LiveSeries, version: number, quotedMs: number): void {
  live.version = version
  if (quotedMs > live.newestMs) live.newestMs = quotedMs
}
