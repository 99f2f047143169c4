/**
 * The broker's request rates, per api_key and in market time: a bucket of one second's requests that
 * refills steadily.
 */
import { EXCHANGE_RATE_KEYS } from '../limits.ts'
import { BoundedCache } from './market/bounded-cache.ts'

export const REQUESTS_PER_SECOND = { historical: 3, quote: 1, other: 10 } as const
export type RequestKind = keyof typeof REQUESTS_PER_SECOND

/** A client that keeps exactly to the rate is not refused because a timer fired early. */
const TOLERANCE_MS = 60

interface Bucket {
  /** When the bucket will be full again. */
  fullAtMs: number
}

export class RateLimits {
  private readonly buckets = new BoundedCache<string, Bucket>(EXCHANGE_RATE_KEYS, () => ({
    fullAtMs: Number.NEGATIVE_INFINITY,
  }))

  /** Takes one request; false where it comes too soon. */
  take(apiKey: string, kind: RequestKind, nowMs: number): boolean {
    const perSecond = REQUESTS_PER_SECOND[kind]
    const bucket = this.buckets.get(`${kind} ${apiKey}`)
    const fullAtMs = Math.max(bucket.fullAtMs, nowMs) + 1_000 / perSecond
    if (fullAtMs - nowMs > 1_000 + TOLERANCE_MS) return false
    bucket.fullAtMs = fullAtMs
    return true
  }
}
