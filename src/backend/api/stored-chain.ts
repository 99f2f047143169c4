/** `GET /fo/strike-distribution?at=`: the chain as it was, from the store. */
import type { StrikeDistribution } from '../../contract/api/strike-distribution.ts'
import { API_LOOKBACK_DAYS } from '../../limits.ts'
import { hasExpired } from '../../market/expiry.ts'
import { addDays, DAY_MS, formatIst, istDate, startOfDateMs } from '../../market/ist.ts'
import { underlyingOf } from '../../market/underlying.ts'
import { chainAgeMs, strikeDistribution } from '../chain/present-chain.ts'
import { legsInWindow, presentStoredChain } from '../chain/present-stored-chain.ts'
import type { BackendReads } from '../ports.ts'
import { ApiError } from './api-error.ts'
import type { ReadGate } from './read-gate.ts'
import { type MarketView, optionSegment, requireDate } from './series-lookup.ts'

export interface StoredChainRequest {
  readonly symbol: string
  /** undefined = the nearest one then. */
  readonly expiry: string | undefined
  readonly atMs: number
  readonly eachSide: number | null
}

export async function storedChain(
  from: { readonly market: MarketView; readonly reads: BackendReads; readonly gate: ReadGate },
  { symbol, expiry: asked, atMs, eachSide }: StoredChainRequest,
): Promise<StrikeDistribution> {
  const { market, reads, gate } = from
  if (asked !== undefined) requireDate('expiry', asked)
  const segment = optionSegment(market, symbol)
  const index = underlyingOf(symbol)?.indexTradingsymbol ?? null
  const notBeforeMs = atMs - API_LOOKBACK_DAYS * DAY_MS
  return gate.read(async () => {
    const expiry = asked ?? (await nearestStored(market, reads, symbol, atMs, segment))
    const stored =
      expiry === undefined
        ? undefined
        : await reads.chainAt({ symbol, expiry, index }, atMs, notBeforeMs)
    if (stored === undefined || expiry === undefined) throw notCovered(symbol, asked, atMs)
    const { minuteMs } = stored.metrics
    const legs = legsInWindow(stored, eachSide)
    const days = await reads.optionDays(
      legs.map(({ tradingsymbol }) => tradingsymbol),
      startOfDateMs(istDate(minuteMs)),
      minuteMs,
      minuteMs - API_LOOKBACK_DAYS * DAY_MS,
    )
    const presented = presentStoredChain(
      stored,
      legs,
      new Map(days.map((day) => [day.tradingsymbol, day])),
      market.chains.master.series(symbol, expiry),
      segment,
      market,
      market.chains.marketTimeMs,
    )
    const ageMs = chainAgeMs(presented, market.feed, market.clock.nowMs())
    return strikeDistribution(presented, ageMs)
  })
}

/** The expiry that was traded at that time; what is listed today says nothing about it. */
async function nearestStored(
  { calendar }: MarketView,
  reads: BackendReads,
  symbol: string,
  atMs: number,
  segment: string,
): Promise<string | undefined> {
  const date = istDate(atMs)
  const first = await reads.firstStoredExpiry(symbol, date)
  if (first === undefined || !hasExpired(first, atMs, calendar, segment)) return first
  return reads.firstStoredExpiry(symbol, addDays(first, 1))
}

function notCovered(symbol: string, expiry: string | undefined, atMs: number): ApiError {
  const series = expiry === undefined ? symbol : `${symbol} ${expiry}`
  const message = `Nothing is stored of ${series} at ${formatIst(atMs)} or in the ${API_LOOKBACK_DAYS} days before.`
  return new ApiError(404, 'not_covered', message, { field: 'at', at: formatIst(atMs) })
}
