/**
 * One chain that any number of clients follow: the difference from one revision to the next is made
 * and serialised once for all of them. Who missed a revision gets a snapshot.
 */
import { diffChain } from '../../../contract/api/chain-delta.ts'
import type { PresentedChain } from '../../chain/present-chain.ts'

export interface ChainOf {
  readonly symbol: string
  readonly expiry: string
  /** Strikes each side of ATM; null = all. */
  readonly eachSide: number | null
}

export class ChainGroup<Follower> {
  readonly of: ChainOf
  readonly key: string
  readonly followers = new Set<Follower>()
  #current: PresentedChain
  #revision = 1
  #snapshot: string | undefined
  /** From the revision before; undefined for the first one. */
  #delta: string | undefined

  constructor(of: ChainOf, current: PresentedChain) {
    this.of = of
    this.key = groupKey(of)
    this.#current = current
  }

  get revision(): number {
    return this.#revision
  }

  get presented(): PresentedChain {
    return this.#current
  }

  /** Takes the chain as it is now. The same object means that nothing changed. */
  update(next: PresentedChain): void {
    if (next.chain === this.#current.chain) return
    const delta = diffChain(this.#current.chain, next.chain)
    this.#current = next
    if (delta === undefined) return
    this.#revision++
    this.#snapshot = undefined
    this.#delta = JSON.stringify(delta)
  }

  /** The whole chain as JSON. */
  snapshot(): string {
    this.#snapshot ??= JSON.stringify(this.#current.chain)
    return this.#snapshot
  }

  /** What makes the current chain out of that of `revision`, as JSON; undefined where only a snapshot does. */
  deltaFrom(revision: number): string | undefined {
    return revision === this.#revision - 1 ? this.#delta : undefined
  }
}

export function groupKey({ symbol, expiry, eachSide }: ChainOf): string {
  return `${symbol}|${expiry}|${eachSide ?? 'all'}`
}
