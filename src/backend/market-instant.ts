/** What time it is in the market, whichever of log and clock tells it. */
import type { Feed } from '../contract/journal-record.ts'

/**
 * Epoch ms. The broker's market runs with our clock, and a log that stands
 * still must not hold the calendar; a simulated one has its own time, known from the log alone.
 *
 * @param marketTimeMs as the log tells it; 0 where it has told none
 */
export function marketInstant(feed: Feed, marketTimeMs: number, wallMs: number): number {
  if (feed === 'kite') return Math.max(marketTimeMs, wallMs)
  return marketTimeMs > 0 ? marketTimeMs : wallMs
}
