/** Watches from outside until the two hours before a subscription can be read. */
import type { Backfills } from '../../src/contract/api/backfills.ts'
import type { Bars } from '../../src/contract/api/bars.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { floorToMinute, MINUTE_MS } from '../../src/market/ist.ts'
import { getJson } from './http.ts'
import { pause } from './loaded-platform.ts'

const LOOKBACK_MINUTES = 120
/**
 * The newest do not count: the broker may still correct one, and a minute without a trade is known for
 * such only by a later candle.
 */
const NEWEST_MINUTES = 5
/** Newer ones than those that are watched. */
const OTHER_JOBS = 20

export interface Watched {
  readonly backendUrl: string
  readonly instruments: readonly Instrument[]
  /** When they were subscribed, epoch ms. */
  readonly sinceMs: number
  readonly lookMs: number
  readonly withinMs: number
}

/** Milliseconds from now until each is readable, by tradingsymbol. Throws where one does not become so. */
export async function untilReadable(watched: Watched): Promise<ReadonlyMap<string, number>> {
  const { backendUrl, instruments, sinceMs, lookMs, withinMs } = watched
  const startMs = performance.now()
  const tookMs = new Map<string, number>()
  const left = new Set(instruments.map(({ tradingsymbol }) => tradingsymbol))
  while (left.size > 0) {
    for (const name of await candidates(watched, left)) {
      if (!(await isReadable(backendUrl, name, sinceMs))) continue
      left.delete(name)
      tookMs.set(name, performance.now() - startMs)
    }
    if (left.size > 0 && performance.now() - startMs > withinMs) {
      throw new Error(
        `${left.size} of ${instruments.length} without two hours: ${[...left].slice(0, 5)}`,
      )
    }
    await pause(lookMs)
  }
  return tookMs
}

/** Of many only those are looked at of which a job says that it has written something. */
async function candidates(
  { backendUrl, instruments }: Watched,
  left: ReadonlySet<string>,
): Promise<readonly string[]> {
  if (left.size === 1) return [...left]
  const url = `${backendUrl}/backfills?kind=immediate&limit=${instruments.length + OTHER_JOBS}`
  const { backfills } = await getJson<Backfills>(url)
  const written = backfills.filter(({ rows }) => rows > 0)
  return written.flatMap(({ tradingsymbol: name }) => (name !== null && left.has(name) ? name : []))
}

async function isReadable(backendUrl: string, name: string, sinceMs: number): Promise<boolean> {
  const fromMs = floorToMinute(sinceMs) - LOOKBACK_MINUTES * MINUTE_MS
  const query = new URLSearchParams({
    tradingsymbol: name,
    timeframe: '1m',
    from: String(fromMs / 1000),
  })
  const { bars } = await getJson<Bars>(`${backendUrl}/bars?${query}`)
  const toMs = floorToMinute(sinceMs) - NEWEST_MINUTES * MINUTE_MS
  const before = bars.filter(({ time }) => Date.parse(time) < toMs)
  // Another minute may have begun before the history was asked for.
  return before.length >= LOOKBACK_MINUTES - NEWEST_MINUTES - 1
}
