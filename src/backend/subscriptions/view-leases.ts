/**
 * How long what somebody looks at is held. No clock, no I/O.
 *
 *   a view:    asked for ──▶ lives, and every strike it ever wanted with it ──lease──▶ ended
 *   a strike:  wanted by a live view ──▶ kept ──lease and linger after the last call──▶ let go
 *
 * What is held and nobody remembers, after a restart, is kept as if it had been asked for just now.
 */
import { VIEW_LEASE_MS, VIEW_LINGER_MS } from '../../limits.ts'

interface LiveView {
  /** Keys of all instruments that it wanted while it lived. */
  readonly wanted: Set<string>
  readonly liveUntilMs: number
}

/** Times are monotonic milliseconds; instruments are named by their keys. */
export class ViewLeases {
  readonly #views = new Map<string, LiveView>()
  readonly #keptUntilMs = new Map<string, number>()

  /** Views that live. */
  count(nowMs: number): number {
    for (const [name, { liveUntilMs }] of this.#views) {
      if (liveUntilMs <= nowMs) this.#views.delete(name)
    }
    return this.#views.size
  }

  lives(view: string, nowMs: number): boolean {
    return (this.#views.get(view)?.liveUntilMs ?? nowMs) > nowMs
  }

  renew(view: string, wanted: readonly string[], nowMs: number): void {
    const before = this.lives(view, nowMs) ? this.#views.get(view)?.wanted : undefined
    const all = new Set([...(before ?? []), ...wanted])
    this.#views.set(view, { wanted: all, liveUntilMs: nowMs + VIEW_LEASE_MS })
    for (const key of all) this.#keptUntilMs.set(key, keptUntilMs(nowMs))
  }

  /** All that is held; what nobody remembers is kept from now on. */
  meet(held: Iterable<string>, nowMs: number): void {
    for (const key of held) {
      if (!this.#keptUntilMs.has(key)) this.#keptUntilMs.set(key, keptUntilMs(nowMs))
    }
  }

  isOver(key: string, nowMs: number): boolean {
    return (this.#keptUntilMs.get(key) ?? Number.POSITIVE_INFINITY) <= nowMs
  }

  /** Whether the time of anything is over. */
  isDue(nowMs: number): boolean {
    return [...this.#keptUntilMs.values()].some((untilMs) => untilMs <= nowMs)
  }

  /** What is over has been let go, or is not held at all. */
  forgetOver(nowMs: number): void {
    for (const [key, untilMs] of this.#keptUntilMs) {
      if (untilMs <= nowMs) this.#keptUntilMs.delete(key)
    }
  }
}

function keptUntilMs(nowMs: number): number {
  return nowMs + VIEW_LEASE_MS + VIEW_LINGER_MS
}
