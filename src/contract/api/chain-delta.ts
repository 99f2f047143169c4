/**
 * The difference between two states of a chain, and its application: the server sends what changed,
 * the client makes the next chain out of the previous one. `applyDelta(a, diffChain(a, b))` equals b.
 *
 * Runs several times a second over 200 strikes, so unchanged legs cost comparisons only, and a leg
 * or strike that is the same object costs one. Strikes are ascending and distinct on both sides.
 * Pure and free of the schema library: the Monitor runs it in the browser.
 */
import type { ChainDelta, LegDelta, StrikeDelta } from './stream.ts'
import type {
  StreamChain,
  StreamChainHeader,
  StreamLeg,
  StreamStrike,
} from './strike-distribution.ts'

export const LEG_FIELDS = [
  'ltp',
  'change',
  'change_percent',
  'bid',
  'ask',
  'bid_quantity',
  'ask_quantity',
  'volume',
  'oi',
  'oi_change',
  'iv',
  'iv_raw',
  'iv_reason',
  'delta',
  'gamma',
  'theta',
  'vega',
  'buildup',
  'last_trade_at',
  'source',
  'complete',
  'open',
  'high',
  'low',
  'prev_close',
  'oi_prev_close',
  'tradingsymbol',
  'instrument_token',
] as const satisfies readonly (keyof StreamLeg)[]

/** `completeness` is compared by its members and sent whole. */
export const HEADER_FIELDS = [
  'symbol',
  'expiry',
  'bucket_time',
  'as_of',
  'feed',
  'spot',
  'spot_stale',
  'future',
  'forward',
  'forward_source',
  'india_vix',
  'atm_strike',
  'pcr_oi',
  'pcr_volume',
  'max_pain',
  'max_pain_high',
  'atm_iv',
  'straddle',
  'expected_move',
  'total_call_oi',
  'total_put_oi',
  'total_call_volume',
  'total_put_volume',
  'lot_size',
  'days_to_expiry',
  'minutes_to_expiry',
] as const satisfies readonly (keyof StreamChainHeader)[]

/** What turns `previous` into `next`; undefined where nothing changed. */
export function diffChain(previous: StreamChain, next: StreamChain): ChainDelta | undefined {
  if (previous === next) return undefined
  const header = diffHeader(previous, next)
  const strikes: StrikeDelta[] = []
  const removed: number[] = []
  if (previous.strikes !== next.strikes)
    diffStrikes(previous.strikes, next.strikes, strikes, removed)
  if (header === undefined && strikes.length === 0 && removed.length === 0) return undefined
  return {
    ...(header === undefined ? {} : { header }),
    ...(strikes.length === 0 ? {} : { strikes }),
    ...(removed.length === 0 ? {} : { removed }),
  }
}

/**
 * The chain after `delta`. Strikes and legs that did not change stay the same objects, so a view
 * can tell by identity what to draw again. A delta without changes answers the same chain.
 */
export function applyDelta(chain: StreamChain, delta: ChainDelta): StreamChain {
  if (!delta.header && !delta.strikes && !delta.removed) return chain
  const strikes =
    delta.strikes || delta.removed
      ? applyStrikes(chain.strikes, delta.strikes ?? [], delta.removed ?? [])
      : chain.strikes
  return { ...chain, ...delta.header, strikes }
}

function diffHeader(
  previous: StreamChainHeader,
  next: StreamChainHeader,
): Partial<StreamChainHeader> | undefined {
  let changed: Partial<StreamChainHeader> | undefined
  for (const field of HEADER_FIELDS) {
    if (previous[field] === next[field]) continue
    changed ??= {}
    assign(changed, next, field)
  }
  if (!sameCompleteness(previous, next)) {
    changed ??= {}
    changed.completeness = next.completeness
  }
  return changed
}

function sameCompleteness(previous: StreamChainHeader, next: StreamChainHeader): boolean {
  const a = previous.completeness
  const b = next.completeness
  return (
    a === b ||
    (a.strikes_listed === b.strikes_listed &&
      a.strikes_streamed === b.strikes_streamed &&
      a.strikes_present === b.strikes_present &&
      a.complete === b.complete)
  )
}

/** Walks both ascending lists at once. */
function diffStrikes(
  previous: readonly StreamStrike[],
  next: readonly StreamStrike[],
  changes: StrikeDelta[],
  removed: number[],
): void {
  let at = 0
  for (const strike of next) {
    let before = previous[at]
    while (before !== undefined && before.strike < strike.strike) {
      removed.push(before.strike)
      before = previous[++at]
    }
    if (before === undefined || before.strike > strike.strike) {
      changes.push(strike)
      continue
    }
    at++
    const change = diffStrike(before, strike)
    if (change !== undefined) changes.push(change)
  }
  for (; at < previous.length; at++) removed.push((previous[at] as StreamStrike).strike)
}

function diffStrike(previous: StreamStrike, next: StreamStrike): StrikeDelta | undefined {
  if (previous === next) return undefined
  const call = diffLeg(previous.call, next.call)
  const put = diffLeg(previous.put, next.put)
  const moved = previous.moneyness !== next.moneyness
  if (call === undefined && put === undefined && !moved) return undefined
  const change: StrikeDelta = { strike: next.strike }
  if (moved) change.moneyness = next.moneyness
  if (call !== undefined) change.call = call
  if (put !== undefined) change.put = put
  return change
}

/** Undefined where nothing changed, null where the leg is gone, the whole leg where it is new. */
function diffLeg(previous: StreamLeg | null, next: StreamLeg | null): LegDelta | null | undefined {
  if (previous === next) return undefined
  if (previous === null || next === null) return next
  let changed: LegDelta | undefined
  for (const field of LEG_FIELDS) {
    if (previous[field] === next[field]) continue
    changed ??= {}
    assign(changed, next, field)
  }
  return changed
}

function assign<Whole, Field extends keyof Whole>(
  target: Partial<Whole>,
  source: Whole,
  field: Field,
): void {
  target[field] = source[field]
}

function applyStrikes(
  strikes: readonly StreamStrike[],
  changes: readonly StrikeDelta[],
  removed: readonly number[],
): StreamStrike[] {
  const gone = removed.length === 0 ? undefined : new Set(removed)
  const result: StreamStrike[] = []
  let at = 0
  for (const strike of strikes) {
    let change = changes[at]
    while (change !== undefined && change.strike < strike.strike) {
      result.push(wholeStrike(change))
      change = changes[++at]
    }
    if (change !== undefined && change.strike === strike.strike) {
      result.push(applyStrike(strike, change))
      at++
    } else if (gone === undefined || !gone.has(strike.strike)) {
      result.push(strike)
    }
  }
  for (; at < changes.length; at++) result.push(wholeStrike(changes[at] as StrikeDelta))
  return result
}

function applyStrike(strike: StreamStrike, change: StrikeDelta): StreamStrike {
  return {
    strike: strike.strike,
    moneyness: change.moneyness === undefined ? strike.moneyness : change.moneyness,
    call: applyLeg(strike.call, change.call),
    put: applyLeg(strike.put, change.put),
  }
}

/** A leg that was not there comes whole, by the protocol. */
function applyLeg(leg: StreamLeg | null, change: LegDelta | null | undefined): StreamLeg | null {
  if (change === undefined) return leg
  if (change === null) return null
  return leg === null ? (change as StreamLeg) : { ...leg, ...change }
}

/** A strike that the client does not have comes whole, by the protocol. */
function wholeStrike(change: StrikeDelta): StreamStrike {
  return {
    strike: change.strike,
    moneyness: change.moneyness ?? null,
    call: (change.call as StreamLeg | null | undefined) ?? null,
    put: (change.put as StreamLeg | null | undefined) ?? null,
  }
}
