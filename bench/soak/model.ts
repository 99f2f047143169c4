/**
 * What must be subscribed after the calls that were made, worked out in the simplest way: who holds
 * which instrument, and in which mode. A mode is lowered only by whoever holds an instrument alone.
 */
import type { TickMode } from '../../src/market/tick.ts'

export interface Held {
  readonly mode: TickMode
  readonly holders: ReadonlySet<string>
}

const RANK: Readonly<Record<TickMode, number>> = { ltp: 0, quote: 1, full: 2 }

export class SubscriptionModel {
  readonly held = new Map<number, Held>()

  subscribe(tokens: readonly number[], mode: TickMode, holder: string): void {
    for (const token of tokens) this.#hold(token, mode, holder)
  }

  unsubscribe(tokens: readonly number[], holder: string): void {
    for (const token of tokens) {
      const known = this.held.get(token)
      if (known === undefined) continue
      const holders = new Set([...known.holders].filter((other) => other !== holder))
      if (holders.size === 0) this.held.delete(token)
      else this.held.set(token, { ...known, holders })
    }
  }

  /** In the order in which they were first held. */
  heldBy(holder: string): number[] {
    return [...this.held].flatMap(([token, { holders }]) => (holders.has(holder) ? [token] : []))
  }

  #hold(token: number, mode: TickMode, holder: string): void {
    const known = this.held.get(token)
    if (known === undefined) {
      this.held.set(token, { mode, holders: new Set([holder]) })
      return
    }
    const isAlone = [...known.holders].every((other) => other === holder)
    const isLower = RANK[mode] < RANK[known.mode]
    this.held.set(token, {
      mode: isLower && !isAlone ? known.mode : mode,
      holders: new Set([...known.holders, holder]),
    })
  }
}
