/**
 * What somebody may have meant by a tradingsymbol that is not listed. Of 120,000 names only a few
 * hundred that begin or end alike are compared, since comparing takes microseconds and ticks wait.
 */
import { nearestName } from '../../kit/nearest-name.ts'
import { TICKER_SUGGESTION_CANDIDATES } from '../../limits.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { canonicalSymbol } from '../../market/underlying.ts'

const MOST_EDITS = 3
/** What must be the same at one end; the other end may be misspelt. */
const TAIL_CHARS = 7
const LENGTHS_APART = 2

/** The nearest listed tradingsymbol; undefined where none is near. */
export function suggestName(name: string, master: InstrumentMaster): string | undefined {
  const spelled = canonicalSymbol(name)
  const index = spelled === undefined ? undefined : master.index(spelled)
  if (index !== undefined) return index.tradingsymbol
  const nearest = nearestName(name, candidates(name, master))
  return nearest !== undefined && nearest.edits <= MOST_EDITS ? nearest.name : undefined
}

function candidates(name: string, { instruments }: InstrumentMaster): string[] {
  const head = name.slice(0, Math.max(2, name.length - MOST_EDITS))
  const tail = name.slice(-TAIL_CHARS)
  const found: string[] = []
  for (const { tradingsymbol } of instruments) {
    if (Math.abs(tradingsymbol.length - name.length) > LENGTHS_APART) continue
    if (!tradingsymbol.startsWith(head) && !tradingsymbol.endsWith(tail)) continue
    if (found.push(tradingsymbol) >= TICKER_SUGGESTION_CANDIDATES) break
  }
  return found
}
