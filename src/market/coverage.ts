/**
 * What is known of one instrument from the live feed: stretches of streaming, each in one mode.
 * Whatever lies in no stretch is missing, as far as the live feed goes.
 */
import type { SessionBounds } from './attribution.ts'
import { MINUTE_MS } from './ist.ts'
import type { TickMode } from './tick.ts'

export interface CoverageStretch {
  readonly fromMs: number
  /** Infinity while streaming goes on. */
  readonly toMs: number
  readonly mode: TickMode
}

export class Coverage {
  #stretches: CoverageStretch[]

  /** @param stretches in order of time, without overlap */
  constructor(stretches: readonly CoverageStretch[] = []) {
    this.#stretches = [...stretches]
  }

  get stretches(): readonly CoverageStretch[] {
    return this.#stretches
  }

  /** The stretch that is still open, if any. */
  get current(): CoverageStretch | undefined {
    const last = this.#stretches.at(-1)
    return last?.toMs === Number.POSITIVE_INFINITY ? last : undefined
  }

  /** Streaming begins, or changes its mode. Repeating what holds changes nothing. Returns whether it did. */
  begin(fromMs: number, mode: TickMode): boolean {
    const current = this.current
    if (current?.mode === mode) return false
    if (current !== undefined) this.end(fromMs)
    const last = this.#stretches.at(-1)
    const begins = Math.max(fromMs, last?.toMs ?? 0)
    // An empty stretch of the same instant (its mode changed at once) says nothing that this does not.
    if (last !== undefined && last.fromMs === begins) this.#stretches.pop()
    this.#stretches.push({ fromMs: begins, toMs: Number.POSITIVE_INFINITY, mode })
    return true
  }

  /**
   * Streaming ended at `toMs`, which may lie back in time (a gap is noticed later than it began). A
   * stretch that began after it stays as an empty one: trades count from the first begin that was
   * told, and would else count or not depending on when the gap was noticed. Returns whether
   * anything changed.
   */
  end(toMs: number): boolean {
    let isChanged = false
    this.#stretches = this.#stretches.map((stretch) => {
      if (stretch.toMs <= Math.max(toMs, stretch.fromMs)) return stretch
      isChanged = true
      return { ...stretch, toMs: Math.max(toMs, stretch.fromMs) }
    })
    return isChanged
  }

  /** When coverage within the session began; undefined where there was none. */
  coveredFromMs(session: SessionBounds): number | undefined {
    for (const stretch of this.#stretches) {
      if (stretch.toMs >= session.openMs && stretch.fromMs < session.closeMs) return stretch.fromMs
    }
    return undefined
  }

  /** True where some part of the minute is covered. */
  touchesMinute(minuteMs: number): boolean {
    const endMs = minuteMs + MINUTE_MS
    return this.#stretches.some((s) => s.fromMs < endMs && s.toMs > minuteMs && s.toMs > s.fromMs)
  }

  /** True where the feed was known up to the minute's first instant, so that the cumulative volume there is known. */
  coversStartOf(minuteMs: number): boolean {
    for (const { fromMs, toMs } of this.#stretches) {
      if (fromMs < minuteMs && toMs >= minuteMs) return true
    }
    return false
  }

  /** True where one stretch in one of `modes` spans the whole minute. */
  spansMinute(minuteMs: number, modes: ReadonlySet<TickMode>): boolean {
    const endMs = minuteMs + MINUTE_MS
    return this.#stretches.some((s) => s.fromMs <= minuteMs && s.toMs >= endMs && modes.has(s.mode))
  }

  /** Forgets stretches that ended before `beforeMs`. */
  forget(beforeMs: number): void {
    this.#stretches = this.#stretches.filter((stretch) => stretch.toMs >= beforeMs)
  }
}

/**
 * Of a feed that is delivered at most once: when its ticks began to come and when they stopped is
 * known, so that trades and volumes have their place; but nothing is known for certain in between, so
 * there is no stretch to claim, no minute without a packet to fill and none that is complete.
 */
export class SampledCoverage extends Coverage {
  override get stretches(): readonly CoverageStretch[] {
    return []
  }

  override touchesMinute(): boolean {
    return false
  }

  override spansMinute(): boolean {
    return false
  }
}
