/**
 * Brings stored rows into the memory of a partition's writer: all resident minutes of an instrument
 * seen for the first time (with the previous date's closing open interest), and single older minutes
 * that a late tick needs.
 */
import { startOfDateMs } from '../../market/ist.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { PartitionStore } from '../ports.ts'
import { loadPreviousOi } from '../previous-oi/load-previous-oi.ts'
import type { MissingRows, PartitionBooks } from './partition-books.ts'

export class RowLoader {
  readonly #store: PartitionStore
  readonly #books: PartitionBooks
  readonly #chains: LiveChains
  readonly #tradingDateOf: (segment: string, atMs: number) => string

  constructor(
    store: PartitionStore,
    books: PartitionBooks,
    chains: LiveChains,
    tradingDateOf: (segment: string, atMs: number) => string,
  ) {
    this.#store = store
    this.#books = books
    this.#chains = chains
    this.#tradingDateOf = tradingDateOf
  }

  /** Reads what is missing, in as few queries as there are kinds of it. */
  async load(missing: readonly MissingRows[]): Promise<void> {
    const fresh = new Set<InstrumentBars>()
    const minutes: { bars: InstrumentBars; minuteMs: number }[] = []
    for (const { bars, minuteMs } of missing) {
      if (minuteMs === null) {
        if (!bars.isLoaded) fresh.add(bars)
      } else if (!bars.bars.has(minuteMs)) minutes.push({ bars, minuteMs })
    }
    if (fresh.size > 0) await this.#loadResident([...fresh])
    if (minutes.length > 0) await this.#loadMinutes(minutes)
  }

  async #loadResident(instruments: readonly InstrumentBars[]): Promise<void> {
    const { residentFromMs } = this.#books
    const identities = instruments.map((bars) => bars.identity)
    const byName = new Map(instruments.map((bars) => [bars.instrument.tradingsymbol, bars]))
    const dayMs = startOfDateMs(this.#tradingDateOf('', residentFromMs))
    for (const row of await this.#store.loadLatestBefore(identities, dayMs, residentFromMs)) {
      const bars = byName.get(row.tradingsymbol)
      bars?.carry(row.minuteMs, row.dayVolume)
      if (bars) this.#chains.seed(bars, row)
    }
    const rows = await this.#store.loadBarsSince(identities, residentFromMs)
    for (const row of [...rows].sort((a, b) => a.minuteMs - b.minuteMs)) {
      const bars = byName.get(row.tradingsymbol)
      if (bars === undefined || bars.bars.has(row.minuteMs)) continue
      bars.adopt(row)
      this.#chains.seed(bars, row)
    }
    for (const bars of instruments) bars.isLoaded = true
    await this.#loadPreviousOi(instruments)
  }

  async #loadMinutes(
    minutes: readonly { bars: InstrumentBars; minuteMs: number }[],
  ): Promise<void> {
    const byKey = new Map(minutes.map(({ bars }) => [bars.instrument.tradingsymbol, bars]))
    const wanted = minutes.map(({ bars, minuteMs }) => ({ bar: bars.identity, minuteMs }))
    for (const row of await this.#store.loadBars(wanted)) {
      const bars = byKey.get(row.tradingsymbol)
      if (bars && !bars.bars.has(row.minuteMs)) bars.adopt(row)
    }
    for (const { bars, minuteMs } of minutes) bars.adoptAbsence(minuteMs)
  }

  /** What the open minute shows; final values look it up again when the date before is final. */
  async #loadPreviousOi(instruments: readonly InstrumentBars[]): Promise<void> {
    const nowMs = this.#books.marketTimeMs ?? this.#books.closedBeforeMs
    await loadPreviousOi(this.#store, instruments, this.#tradingDateOf('', nowMs))
  }
}
