/**
 * How long something took, counted in buckets: cheap enough for every tick (one array increment) and
 * exact to 3 %. Buckets are linear within each power of two of microseconds.
 */
const SUB_BUCKET_BITS = 5
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS
/** About 36 minutes; what takes longer counts as that. */
const LONGEST_US = 2 ** 31 - 1
const BUCKETS = bucketOf(LONGEST_US) + 1

export interface LatencySummary {
  readonly count: number
  /** Milliseconds; null while nothing was recorded. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  get sumMs(): number {
    return this.#sumMs
  }

  /** Counts one duration of `durationMs` (fractional; negative counts as 0) `times` times. */
  record(durationMs: number, times = 1): void {
    const ms = durationMs > 0 ? durationMs : 0
    const bucket = bucketOf(Math.min(LONGEST_US, Math.floor(ms * 1000)))
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times
    this.#count += times
    this.#sumMs += ms * times
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  /** The duration in ms that the share `quantile` (0…1) does not exceed; null while empty. */
  quantileMs(quantile: number): number | null {
    if (this.#count === 0) return null
    const rank = Math.max(1, Math.ceil(quantile * this.#count))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += this.#counts[bucket] ?? 0
      if (seen >= rank) return Math.min(this.#maxMs, upperEdgeUs(bucket) / 1000)
    }
    return this.#maxMs
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      p50Ms: this.quantileMs(0.5),
      p99Ms: this.quantileMs(0.99),
      maxMs: this.#count === 0 ? null : this.#maxMs,
    }
  }

  /** How many were shorter than 2^`exponent` microseconds (5 ≤ exponent ≤ 31); exact. */
  countBelow(exponent: number): number {
    const end = bucketOf(2 ** exponent - 1)
    let seen = 0
    for (let bucket = 0; bucket <= end; bucket += 1) seen += this.#counts[bucket] ?? 0
    return seen
  }

  /** Takes over what another one has counted. */
  add(other: LatencyHistogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + (other.#counts[bucket] ?? 0)
    }
    this.#count += other.#count
    this.#sumMs += other.#sumMs
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
  }

  reset(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#sumMs = 0
    this.#maxMs = 0
  }
}

function bucketOf(us: number): number {
  if (us < SUB_BUCKETS) return us
  const shift = 31 - Math.clz32(us) - SUB_BUCKET_BITS
  return shift * SUB_BUCKETS + (us >> shift)
}

function upperEdgeUs(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket + 1
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1
  return (bucket - shift * SUB_BUCKETS + 1) * 2 ** shift
}
