/** The store's two tables that concern the ticker, in memory; they can be away or slow. */

import { type Instrument, instrumentKey } from '../../../src/market/instrument.ts'
import { diffInstruments } from '../../../src/market/instrument-diff.ts'
import type {
  InstrumentDiff,
  InstrumentStore,
  StoredSubscription,
  SubscriptionStore,
} from '../../../src/ticker/ports.ts'

class Availability {
  isAway = false
  #held: (() => void)[] | undefined
  calls = 0

  /** Calls hang from now on. */
  hold(): void {
    this.#held ??= []
  }

  letGo(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  protected async arrive(): Promise<void> {
    this.calls++
    if (this.#held !== undefined) await new Promise<void>((go) => this.#held?.push(go))
    else await Promise.resolve()
    if (this.isAway) throw new Error('the store is away')
  }
}

export class MemorySubscriptionStore extends Availability implements SubscriptionStore {
  readonly rows = new Map<string, StoredSubscription>()

  async load(): Promise<readonly StoredSubscription[]> {
    await this.arrive()
    return [...this.rows.values()]
  }

  async save(rows: readonly StoredSubscription[]): Promise<void> {
    await this.arrive()
    for (const row of rows) this.rows.set(instrumentKey(row.exchange, row.tradingsymbol), row)
  }

  async forgetRemoved(beforeMs: number): Promise<number> {
    await this.arrive()
    const old = [...this.rows].filter(
      ([, row]) => row.removedAtMs !== null && row.removedAtMs < beforeMs,
    )
    for (const [key] of old) this.rows.delete(key)
    return old.length
  }

  /** What somebody does with psql. */
  update(instrument: Instrument, change: Partial<StoredSubscription>): void {
    const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    const row = this.rows.get(key)
    if (row === undefined) throw new Error(`no row ${key}`)
    this.rows.set(key, { ...row, ...change })
  }

  statusOf(instrument: Instrument): StoredSubscription['status'] | undefined {
    return this.rows.get(instrumentKey(instrument.exchange, instrument.tradingsymbol))?.status
  }
}

export class MemoryInstrumentStore extends Availability implements InstrumentStore {
  current: Instrument[] = []
  readonly applied: InstrumentDiff[] = []

  async loadCurrent(): Promise<readonly Instrument[]> {
    await this.arrive()
    return this.current
  }

  async apply(diff: InstrumentDiff): Promise<void> {
    await this.arrive()
    this.applied.push(diff)
    const gone = new Set(
      [...diff.removed, ...diff.changed, ...diff.added].map((row) =>
        instrumentKey(row.exchange, row.tradingsymbol),
      ),
    )
    const kept = this.current.filter(
      (row) => !gone.has(instrumentKey(row.exchange, row.tradingsymbol)),
    )
    this.current = [...kept, ...diff.changed, ...diff.added]
  }

  isSameAs(instruments: readonly Instrument[]): boolean {
    const { added, changed, removed } = diffInstruments(this.current, instruments)
    return added.length + changed.length + removed.length === 0
  }
}
