/**
 * When each instrument was streamed, in which mode, as the log's control records say.
 *
 *   covered begin ──► stretch goes on ──► covered end, or a gap (set back in time) ends it
 *                          ▲                                  │
 *                          └───────────── gap_close ──────────┘
 */
import type {
  ControlRecord,
  CoveredRecord,
  GapCloseRecord,
  GapOpenRecord,
} from '../../contract/journal-record.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import type { TickMode } from '../../market/tick.ts'

/** [fromMs, toMs) of market time; `toMs` is Infinity while it goes on. */
export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly mode: TickMode
}

interface Instance {
  stretches: Stretch[]
  readonly openGaps: Set<string>
}

type KeyOfToken = (token: number) => string | undefined

/** Told of each instrument whose stretches changed, and from when on. */
export type Touched = (key: string, fromMs: number) => void

/** Follows the control records of one log, in order. Instruments go by any key of the caller's. */
export class LiveCoverage {
  readonly #byKey = new Map<string, Instance>()
  readonly #gapsSeen = new Set<string>()

  apply(record: ControlRecord, keyOf: KeyOfToken, touched: Touched = () => undefined): void {
    if (record.kind === 'covered') this.#covered(record, keyOf, touched)
    if (record.kind === 'gap_open') this.#openGap(record, keyOf, touched)
    if (record.kind === 'gap_close') this.#closeGap(record, keyOf, touched)
  }

  /** Ascending, of one instrument. */
  of(key: string): readonly Stretch[] {
    return this.#byKey.get(key)?.stretches ?? []
  }

  /** Ascending; a stretch that was ended before it began is empty and says when a begin was told. */
  stretches(): Map<string, Stretch[]> {
    return new Map([...this.#byKey].map(([key, { stretches }]) => [key, stretches]))
  }

  /** A changed mode ends and begins in one record, so ends come first. */
  #covered({ begin, end }: CoveredRecord, keyOf: KeyOfToken, touched: Touched): void {
    for (const { token, toMs } of end) {
      endStretch(this.#of(keyOf(token)), toMs)
      tell(touched, keyOf(token), toMs)
    }
    for (const { token, fromMs, mode } of begin) {
      beginStretch(this.#of(keyOf(token)), fromMs, mode)
      tell(touched, keyOf(token), fromMs)
    }
  }

  /** What was told after the gap began was told by a connection that was no longer whole. */
  #openGap({ gapId, fromMs, tokens }: GapOpenRecord, keyOf: KeyOfToken, touched: Touched): void {
    if (this.#gapsSeen.has(gapId)) return
    this.#gapsSeen.add(gapId)
    for (const token of tokens) {
      const instance = this.#of(keyOf(token))
      instance.openGaps.add(gapId)
      instance.stretches = instance.stretches.map((stretch) => ({
        ...stretch,
        toMs: Math.max(stretch.fromMs, Math.min(stretch.toMs, fromMs)),
      }))
      tell(touched, keyOf(token), fromMs)
    }
  }

  #closeGap({ gapId, ends }: GapCloseRecord, keyOf: KeyOfToken, touched: Touched): void {
    for (const { token, toMs, mode } of ends) {
      const instance = this.#of(keyOf(token))
      instance.openGaps.delete(gapId)
      if (mode !== null) beginStretch(instance, toMs, mode)
      tell(touched, keyOf(token), toMs)
    }
  }

  /** What is said of a token that nobody knows is forgotten. */
  #of(key: string | undefined): Instance {
    const known = key === undefined ? undefined : this.#byKey.get(key)
    if (known !== undefined) return known
    const instance = { stretches: [], openGaps: new Set<string>() }
    if (key !== undefined) this.#byKey.set(key, instance)
    return instance
  }
}

function tell(touched: Touched, key: string | undefined, fromMs: number): void {
  if (key !== undefined) touched(key, fromMs)
}

function beginStretch(instance: Instance, fromMs: number, mode: TickMode): void {
  if (instance.openGaps.size > 0) return
  const open = instance.stretches.at(-1)
  if (open?.toMs === Number.POSITIVE_INFINITY) {
    if (open.mode === mode) return
    endStretch(instance, fromMs)
  }
  const endOfLast = instance.stretches.at(-1)?.toMs ?? fromMs
  const begins = Math.max(fromMs, endOfLast)
  // An empty one of the same instant says nothing more.
  if (instance.stretches.at(-1)?.fromMs === begins) instance.stretches.pop()
  instance.stretches.push({ fromMs: begins, toMs: Number.POSITIVE_INFINITY, mode })
}

function endStretch(instance: Instance, toMs: number): void {
  const open = instance.stretches.at(-1)
  if (open?.toMs !== Number.POSITIVE_INFINITY) return
  instance.stretches.pop()
  instance.stretches.push({ ...open, toMs: Math.max(open.fromMs, toMs) })
}

// ---------------------------------------------------------------- asking

/** The first stretch that has any of [fromMs, toMs). */
export function firstWithin(
  stretches: readonly Stretch[],
  fromMs: number,
  toMs: number,
): Stretch | undefined {
  return stretches.find(
    (stretch) => stretch.fromMs < toMs && stretch.toMs > fromMs && stretch.toMs > stretch.fromMs,
  )
}

export function touchesMinute(stretches: readonly Stretch[], minuteMs: number): boolean {
  return firstWithin(stretches, minuteMs, minuteMs + MINUTE_MS) !== undefined
}

/** True where the feed was there already when the instant came. */
export function holdsAt(stretches: readonly Stretch[], instantMs: number): boolean {
  return stretches.some((stretch) => stretch.fromMs < instantMs && instantMs <= stretch.toMs)
}

export function isWholeMinuteInFull(stretches: readonly Stretch[], minuteMs: number): boolean {
  return stretches.some(
    ({ fromMs, toMs, mode }) =>
      mode === 'full' && fromMs <= minuteMs && minuteMs + MINUTE_MS <= toMs,
  )
}
