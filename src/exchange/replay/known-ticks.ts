/**
 * What the journal knows of each instrument at the instant that is being played: whether it was
 * streaming, and its newest tick.
 *
 *   unknown ──covered, gap closed──▶ streaming ──gap, end, loss──▶ unknown
 *
 * A tick of an instrument that is not streaming is not played: whoever gets it would take the gap
 * for ended.
 */
import type { ControlRecord, CoveredRecord } from '../../contract/journal-record.ts'
import type { JournalledTick } from '../../market/tick.ts'
import type { KnownGap, ReplayRecord } from './ports.ts'

export interface Step {
  /** To be sent to whoever listens. */
  readonly tick?: JournalledTick
  /** Of these nothing is known from now on: their silence must not look like a market at rest. */
  readonly ended: readonly number[]
}

export class KnownTicks {
  /** By token, those that stream; undefined before their first tick. */
  private readonly known = new Map<number, JournalledTick | undefined>()
  private readonly gaps: readonly KnownGap[]
  private nextGap = 0

  /** @param gaps ascending */
  constructor(gaps: readonly KnownGap[]) {
    this.gaps = gaps
  }

  /** Undefined where it is not streaming, or has sent nothing yet. */
  newest(token: number): JournalledTick | undefined {
    return this.known.get(token)
  }

  take(record: ReplayRecord): Step {
    const before = this.endGapped(record.timeMs)
    if ('tick' in record) return { ended: before, ...this.onTick(record.tick) }
    const tokens = 'lostTokens' in record ? record.lostTokens : this.endedBy(record.control)
    return { ended: [...before, ...this.end(tokens)] }
  }

  private onTick(tick: JournalledTick): { tick?: JournalledTick } {
    if (!this.known.has(tick.token)) return {}
    this.known.set(tick.token, tick)
    return { tick }
  }

  /** Takes in what a control record says; answers the tokens that it ends. */
  private endedBy(control: ControlRecord): readonly number[] {
    switch (control.kind) {
      case 'covered':
        return this.onCovered(control)
      case 'gap_open':
        return control.tokens
      case 'gap_close':
        for (const { token, mode } of control.ends) if (mode !== null) this.begin(token)
        return []
      default:
        return []
    }
  }

  /** A changed mode ends one stretch and begins another in one record: it streams on. */
  private onCovered({ begin, end }: CoveredRecord): readonly number[] {
    for (const { token } of begin) this.begin(token)
    const begun = new Set(begin.map(({ token }) => token))
    return end.map(({ token }) => token).filter((token) => !begun.has(token))
  }

  private begin(token: number): void {
    if (!this.known.has(token)) this.known.set(token, undefined)
  }

  private end(tokens: readonly number[]): number[] {
    return tokens.filter((token) => this.known.delete(token))
  }

  private endGapped(timeMs: number): number[] {
    const ended: number[] = []
    for (let gap = this.gaps[this.nextGap]; gap !== undefined; gap = this.gaps[this.nextGap]) {
      if (gap.atMs >= timeMs) break
      this.nextGap++
      ended.push(...this.end(gap.tokens))
    }
    return ended
  }
}
