/**
 * What a start says of a run before it that did not end in order: from when on ticks are missing, and
 * where to see it. Nothing is kept for it: such a run has no end in the journal, and what it streamed
 * is in a gap.
 */
import { formatIst, SECOND_MS } from '../market/ist.ts'

/** What a run left behind in one partition of the journal. */
interface LeftBehind {
  readonly last: { readonly epoch: number }
  readonly hasEnded: boolean
}

/**
 * A line of the announcement; none where there was no run or where it ended in order.
 *
 * @param missingFromMs market time; undefined where nothing was streaming
 */
export function lastRunLines(
  recovered: Iterable<LeftBehind>,
  missingFromMs: number | undefined,
): [name: string, value: string][] {
  const parts = [...recovered]
  const epoch = Math.max(0, ...parts.map(({ last }) => last.epoch))
  // Partitions of an earlier number of them ended long ago, in order or not.
  const left = parts.filter(({ last }) => last.epoch === epoch)
  if (epoch === 0 || left.every(({ hasEnded }) => hasEnded)) return []
  const what =
    missingFromMs === undefined
      ? 'nothing was streaming'
      : `ticks are missing from ${formatIst(missingFromMs - (missingFromMs % SECOND_MS))} on, a gap that is repaired from history where it can be; fostream verify shows it`
  return [['Last run', `did not end in order: ${what}`]]
}
