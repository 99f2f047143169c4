/** Which gaps are repaired: those of which every instrument's minutes are streamed, told or known to be none. */
import type { SessionBounds } from '../../market/attribution.ts'
import { instrumentKey } from '../../market/instrument.ts'
import { DAY_MS, floorToMinute, istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import type { FeedGapRow, GapInstrument, RepairedGap } from '../ports.ts'
import { coverWholly } from './broker-coverage.ts'

interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/**
 * @param sessionAt of an instrument on the date of an instant
 * @param knownOf what is known of an instrument, ascending by start
 * @returns the gap as repaired; undefined where something of it is missing
 */
export function repairedGap(
  gap: FeedGapRow,
  sessionAt: (instrument: GapInstrument, atMs: number) => SessionBounds | undefined,
  knownOf: (key: string) => readonly Span[],
): RepairedGap | undefined {
  if (gap.status !== 'closed') return undefined
  let rows = 0
  for (const instrument of gap.instruments) {
    const known = knownOf(instrumentKey(instrument.exchange, instrument.tradingsymbol))
    for (const { fromMs, toMs } of inSessions(gap, instrument, sessionAt)) {
      if (!coverWholly(known, fromMs, toMs)) return undefined
      rows += Math.ceil((toMs - floorToMinute(fromMs)) / MINUTE_MS)
    }
  }
  const { id, producer, partition } = gap
  return { id, producer, partition, rows }
}

/** The parts of an instrument's gap that lie in its sessions. */
function inSessions(
  { fromMs }: FeedGapRow,
  instrument: GapInstrument,
  sessionAt: (instrument: GapInstrument, atMs: number) => SessionBounds | undefined,
): Span[] {
  const toMs = instrument.to ?? Number.POSITIVE_INFINITY
  if (!Number.isFinite(toMs)) return [{ fromMs, toMs }]
  const spans: Span[] = []
  for (let dayMs = startOfDateMs(istDate(fromMs)); dayMs < toMs; dayMs += DAY_MS) {
    const session = sessionAt(instrument, dayMs)
    if (session === undefined) continue
    const span = {
      fromMs: Math.max(fromMs, session.openMs),
      toMs: Math.min(toMs, session.closeMs),
    }
    if (span.fromMs < span.toMs) spans.push(span)
  }
  return spans
}
