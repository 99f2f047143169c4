/**
 * What the log says at one place: the instruments of its tokens, what is streaming, which gaps are
 * open. It is what a segment's preamble repeats, what a reader is given first, and what a ticker
 * finds when it starts again.
 */
import type { BatchBuilder, ControlEntry } from '../contract/journal-batch.ts'
import type { CoveredRecord, GapCloseRecord, GapOpenRecord } from '../contract/journal-record.ts'
import type { Instrument } from '../market/instrument.ts'
import type { TickMode } from '../market/tick.ts'

export interface CoveredInstrument {
  readonly token: number
  readonly mode: TickMode
  /** Market time, epoch ms. */
  readonly fromMs: number
}

interface KnownInstrument {
  readonly instrument: Instrument
  readonly json: Uint8Array
}

export class KnownState {
  readonly #instruments = new Map<number, KnownInstrument>()
  readonly #covered = new Map<number, CoveredInstrument>()
  readonly #gaps = new Map<string, GapOpenRecord>()
  #hasEnded = false

  get instruments(): readonly Instrument[] {
    return Array.from(this.#instruments.values(), (known) => known.instrument)
  }

  get covered(): readonly CoveredInstrument[] {
    return [...this.#covered.values()]
  }

  /** With the tokens that still wait for their first packet. */
  get openGaps(): readonly GapOpenRecord[] {
    return [...this.#gaps.values()]
  }

  /** True where the epoch was ended in order. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  apply({ record, json }: ControlEntry): void {
    if (record.kind === 'epoch_start') this.#clear()
    else if (record.kind === 'epoch_end') this.#hasEnded = true
    else if (record.kind === 'instrument') this.#learn(record.instrument, json)
    else if (record.kind === 'covered') this.#cover(record)
    else if (record.kind === 'gap_open') this.#openGap(record)
    else if (record.kind === 'gap_close') this.#closeGap(record)
  }

  /** Repeats the state in `batch`; a reader that has it already is told nothing new. */
  writeTo(batch: BatchBuilder): void {
    for (const known of this.#instruments.values()) batch.addControlJson(known.json)
    // A gap ends coverage, so it stands before the coverage that began after it.
    for (const gap of this.#gaps.values()) batch.addControl(gap)
    if (this.#covered.size > 0) batch.addControl({ kind: 'covered', begin: this.covered, end: [] })
  }

  #clear(): void {
    this.#instruments.clear()
    this.#covered.clear()
    this.#gaps.clear()
    this.#hasEnded = false
  }

  /** Keeps a copy of the JSON: the view would keep its whole batch in memory. */
  #learn(instrument: Instrument, json: Uint8Array): void {
    this.#instruments.set(instrument.token, { instrument, json: json.slice() })
  }

  #cover({ begin, end }: CoveredRecord): void {
    for (const { token } of end) this.#covered.delete(token)
    for (const { token, mode, fromMs } of begin) {
      if (this.#covered.get(token)?.mode !== mode) this.#covered.set(token, { token, mode, fromMs })
    }
  }

  #openGap(record: GapOpenRecord): void {
    this.#gaps.set(record.gapId, record)
    for (const token of record.tokens) this.#covered.delete(token)
  }

  #closeGap({ gapId, ends }: GapCloseRecord): void {
    for (const { token, toMs, mode } of ends) {
      if (mode === null) this.#covered.delete(token)
      else this.#covered.set(token, { token, mode, fromMs: toMs })
    }
    this.#shrinkGap(gapId, new Set(ends.map((end) => end.token)))
  }

  #shrinkGap(gapId: string, ended: ReadonlySet<number>): void {
    const gap = this.#gaps.get(gapId)
    if (gap === undefined) return
    const tokens = gap.tokens.filter((token) => !ended.has(token))
    if (tokens.length === 0) this.#gaps.delete(gapId)
    else this.#gaps.set(gapId, { ...gap, tokens })
  }
}
