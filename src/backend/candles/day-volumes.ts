/**
 * The day's cumulative volume at the end of minutes that only candles tell of, so that a chain of
 * candles shows the day's volume and the next live minute knows where it began. Pure.
 *
 * A candle has the minute's volume alone. From a minute whose end is known (the session's open, a
 * stored row, packets) the sums lead on to later minutes, and back to earlier ones.
 */
import { MINUTE_MS } from '../../market/ist.ts'

export interface VolumeMinute {
  readonly minuteMs: number
  /** Units of the minute. */
  readonly volume: number
  /** The largest cumulative volume that packets showed in the minute; null where none did. */
  readonly shown: number | null
  /** Packets tell of the minute's end too. */
  readonly isShownAtEnd: boolean
  readonly opensSession: boolean
}

export interface StoredVolumes {
  endOf(minuteMs: number): number | null
  startOf(minuteMs: number): number | null
}

/**
 * @param minutes ascending
 * @param stored the cumulative volume at the end and at the start of a minute that is not among them
 * @returns one a minute: units traded that day up to its end; null where nothing tells it
 */
export function dayVolumes(
  minutes: readonly VolumeMinute[],
  stored: StoredVolumes,
): (number | null)[] {
  const ends = minutes.map(() => null as number | null)
  minutes.forEach((minute, i) => {
    const before = beginOf(minute, minutes[i - 1], ends[i - 1] ?? null, stored)
    const summed = before === null ? null : before + minute.volume
    const shown = minute.isShownAtEnd || summed !== null ? minute.shown : null
    ends[i] = greater(summed, shown)
  })
  for (let i = minutes.length - 1; i >= 0; i--) {
    if (ends[i] === null) ends[i] = startAfter(minutes, i, ends[i + 1] ?? null, stored)
  }
  return ends
}

/** Where the minute after this one began. */
function startAfter(
  minutes: readonly VolumeMinute[],
  i: number,
  endAfter: number | null,
  stored: StoredVolumes,
): number | null {
  const afterMs = (minutes[i] as VolumeMinute).minuteMs + MINUTE_MS
  const after = minutes[i + 1]
  if (after?.minuteMs !== afterMs) return stored.startOf(afterMs)
  if (after.opensSession || endAfter === null || endAfter < after.volume) return null
  return endAfter - after.volume
}

function beginOf(
  minute: VolumeMinute,
  previous: VolumeMinute | undefined,
  previousEnd: number | null,
  stored: StoredVolumes,
): number | null {
  if (minute.opensSession) return 0
  const beforeMs = minute.minuteMs - MINUTE_MS
  return previous?.minuteMs === beforeMs ? previousEnd : stored.endOf(beforeMs)
}

function greater(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
