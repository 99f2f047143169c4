/**
 * What the broker's history tells of an instrument, as intervals of coverage: merged, half open, and
 * never over what was streamed. Pure.
 */
import type { CoverageKey, CoverageRow } from '../ports.ts'

/** Something is known of [fromMs, toMs). */
export interface KnownSpan {
  readonly fromMs: number
  readonly toMs: number
  readonly source: 'broker' | 'none'
}

interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export interface CoverageChange {
  readonly coverage: CoverageRow[]
  readonly removed: CoverageKey[]
  /** Everything that is known of the instrument then, streamed or told, by start. */
  readonly known: readonly Span[]
}

/**
 * @param stored all intervals that overlap or touch the added ones
 * @param streamed stretches of streaming, as they are known now
 */
export function addBrokerCoverage(
  instrument: { readonly exchange: string; readonly tradingsymbol: string },
  stored: readonly CoverageRow[],
  streamed: readonly Span[],
  added: readonly KnownSpan[],
): CoverageChange {
  const { exchange, tradingsymbol } = instrument
  const told = stored.filter(isTold)
  const older = told.flatMap((row) => without(row, added).map((part) => ({ ...part, ...of(row) })))
  const wanted = merge(
    [...older, ...added].flatMap((span) =>
      without(span, streamed).map((part) => ({ ...part, ...of(span) })),
    ),
  )
  // An empty stretch of streaming holds the key of its instant.
  const taken = new Set([
    ...streamed.map(({ fromMs }) => fromMs),
    ...stored.filter((row) => !isTold(row)).map(({ fromMs }) => fromMs),
  ])
  const placed = wanted.flatMap((span) => {
    let { fromMs } = span
    while (taken.has(fromMs)) fromMs++
    return fromMs < span.toMs ? [{ ...span, fromMs }] : []
  })
  const byStart = new Map(told.map((row) => [row.fromMs, row]))
  const coverage = placed
    .filter(({ fromMs, toMs, source }) => {
      const row = byStart.get(fromMs)
      return row === undefined || row.toMs !== toMs || row.source !== source
    })
    .map((span): CoverageRow => ({ exchange, tradingsymbol, ...span, mode: null }))
  const starts = new Set(placed.map(({ fromMs }) => fromMs))
  const removed = told
    .filter(({ fromMs }) => !starts.has(fromMs))
    .map(({ fromMs }) => ({ exchange, tradingsymbol, fromMs }))
  return { coverage, removed, known: [...streamed, ...placed].sort(byFrom) }
}

/** Whether the spans, ascending by start, leave nothing of [fromMs, toMs) out. */
export function coverWholly(spans: readonly Span[], fromMs: number, toMs: number): boolean {
  let untilMs = fromMs
  for (const span of spans) {
    // A key that was taken moves a start by a millisecond.
    if (span.fromMs > untilMs + 1) break
    untilMs = Math.max(untilMs, span.toMs)
  }
  return untilMs >= toMs
}

function isTold(row: CoverageRow): row is CoverageRow & KnownSpan {
  return row.source !== 'live'
}

function of({ source }: KnownSpan): Pick<KnownSpan, 'source'> {
  return { source }
}

function byFrom(a: Span, b: Span): number {
  return a.fromMs - b.fromMs
}

/** What is left of a span when others are cut out of it. */
function without({ fromMs, toMs }: Span, others: readonly Span[]): Span[] {
  let left: Span[] = [{ fromMs, toMs }]
  for (const other of others) {
    if (other.toMs <= other.fromMs) continue
    left = left.flatMap((part) => {
      if (other.fromMs >= part.toMs || other.toMs <= part.fromMs) return [part]
      return [
        { fromMs: part.fromMs, toMs: other.fromMs },
        { fromMs: other.toMs, toMs: part.toMs },
      ].filter((rest) => rest.fromMs < rest.toMs)
    })
  }
  return left
}

/** Spans of one source that touch or overlap become one. */
function merge(spans: readonly KnownSpan[]): KnownSpan[] {
  const merged: KnownSpan[] = []
  for (const span of [...spans].sort(byFrom)) {
    const last = merged.at(-1)
    if (last !== undefined && last.source === span.source && last.toMs >= span.fromMs) {
      merged.splice(-1, 1, { ...last, toMs: Math.max(last.toMs, span.toMs) })
    } else merged.push(span)
  }
  return merged
}
