/** The gaps of one partition that are not closed yet, and those that changed since the last commit. */
import { instrumentKey } from '../../market/instrument.ts'
import type { FeedGapRow, GapInstrument } from '../ports.ts'

interface OpenGap {
  row: FeedGapRow
  /** Instruments that wait for their first packet, by exchange:tradingsymbol. */
  readonly waiting: Map<string, number>
}

export class GapBook {
  readonly #open = new Map<string, OpenGap>()
  readonly #dirty = new Map<string, FeedGapRow>()
  readonly #inGap = new Map<string, string>()

  constructor(stored: readonly FeedGapRow[]) {
    for (const row of stored) {
      const waiting = new Map<string, number>()
      row.instruments.forEach((instrument, index) => {
        if (instrument.to === null) waiting.set(nameOf(instrument), index)
      })
      this.#track({ row, waiting })
    }
  }

  get openCount(): number {
    return this.#open.size
  }

  isOpen(gapId: string): boolean {
    return this.#open.has(gapId)
  }

  /** True while a commit is still to store what became of the gap. */
  isUnwritten(gapId: string): boolean {
    return this.#dirty.has(gapId)
  }

  /** True while a gap is open for the instrument. */
  isWaiting(instrumentKey: string): boolean {
    return this.#inGap.has(instrumentKey)
  }

  open(row: FeedGapRow): void {
    if (this.#open.has(row.id)) return
    const waiting = new Map<string, number>()
    row.instruments.forEach((instrument, index) => {
      waiting.set(nameOf(instrument), index)
    })
    this.#track({ row, waiting })
    this.#dirty.set(row.id, row)
  }

  /** Ends the gap for the instruments named; with the last one the gap is closed. */
  end(gapId: string, ends: readonly { key: string; toMs: number }[], wallMs: number): void {
    const gap = this.#open.get(gapId)
    if (gap === undefined) return
    const instruments: GapInstrument[] = [...gap.row.instruments]
    for (const { key, toMs } of ends) {
      const index = gap.waiting.get(key)
      const instrument = index === undefined ? undefined : instruments[index]
      if (index === undefined || instrument === undefined) continue
      instruments[index] = { ...instrument, to: toMs }
      gap.waiting.delete(key)
      this.#inGap.delete(key)
    }
    gap.row = { ...gap.row, instruments }
    if (gap.waiting.size === 0) {
      const toMs = Math.max(...instruments.map((i) => i.to ?? gap.row.fromMs))
      gap.row = { ...gap.row, status: 'closed', toMs, closedAtMs: wallMs }
      this.#open.delete(gapId)
    }
    this.#dirty.set(gapId, gap.row)
  }

  takeDirty(): FeedGapRow[] {
    const rows = [...this.#dirty.values()]
    this.#dirty.clear()
    return rows
  }

  #track(gap: OpenGap): void {
    this.#open.set(gap.row.id, gap)
    for (const key of gap.waiting.keys()) this.#inGap.set(key, gap.row.id)
  }
}

function nameOf(instrument: GapInstrument): string {
  return instrumentKey(instrument.exchange, instrument.tradingsymbol)
}
