/**
 * What is not known of an instrument's minutes, and what a broker's answer says of them. A minute is
 * known where all of it was streamed, or what was not is told by the broker's candle or by its having
 * none; any other minute of its sessions is missing.
 */
import { MINUTE_MS } from './ist.ts'
import type { Interval } from './session-time.ts'

/**
 * Whole minutes of `sessions` that the intervals of `known` leave something of, as ascending intervals
 * that do not touch.
 *
 * @param known in any order, may overlap and begin or end within a minute
 * @param sessions ascending, without overlap
 */
export function missingMinutes(
  known: readonly Interval[],
  sessions: readonly Interval[],
): Interval[] {
  const whole = mergeIntervals(mergeIntervals(known, KEY_SHIFT_MS).map(wholeMinutes))
  const missing: Interval[] = []
  let next = 0
  for (const session of sessions) {
    const { fromMs, toMs } = outerMinutes(session)
    let atMs = fromMs
    while (next > 0 && (whole[next - 1]?.toMs ?? 0) > fromMs) next--
    for (; next < whole.length && atMs < toMs; next++) {
      const stretch = whole[next]
      if (stretch === undefined || stretch.fromMs >= toMs) break
      if (stretch.fromMs > atMs) missing.push({ fromMs: atMs, toMs: stretch.fromMs })
      atMs = Math.max(atMs, stretch.toMs)
    }
    if (atMs < toMs) missing.push({ fromMs: atMs, toMs })
  }
  return mergeIntervals(missing)
}

/** An interval whose start was taken as a key is stored as beginning so much later. */
const KEY_SHIFT_MS = 1

/** Ascending, without overlap, those no further apart than `apartMs` as one; empty ones are left out. */
export function mergeIntervals(intervals: readonly Interval[], apartMs = 0): Interval[] {
  const merged: Interval[] = []
  const ordered = intervals.filter((one) => one.fromMs < one.toMs)
  for (const one of ordered.sort((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last === undefined || last.toMs + apartMs < one.fromMs) merged.push(one)
    else if (last.toMs < one.toMs)
      merged[merged.length - 1] = { fromMs: last.fromMs, toMs: one.toMs }
  }
  return merged
}

/** The opening instants of the minutes of intervals that begin and end with a minute. */
export function minutesOf(intervals: readonly Interval[]): number[] {
  const minutes: number[] = []
  for (const { fromMs, toMs } of intervals) {
    for (let minuteMs = fromMs; minuteMs < toMs; minuteMs += MINUTE_MS) minutes.push(minuteMs)
  }
  return minutes
}

/** Of minutes, ascending, the intervals that they make. */
export function intervalsOf(minutes: readonly number[]): Interval[] {
  return mergeIntervals(
    minutes.map((minuteMs) => ({ fromMs: minuteMs, toMs: minuteMs + MINUTE_MS })),
  )
}

/** What one answer of the broker says of the minutes that were wanted; each is in one list. */
export interface AnswerVerdict {
  /** There is a candle. */
  readonly given: readonly number[]
  /** The broker is known to have no candle. */
  readonly none: readonly number[]
  /** No candle now, but the list may have been cut short: another answer has to agree. */
  readonly doubtful: readonly number[]
  /** Not final yet. */
  readonly open: readonly number[]
}

/**
 * A minute that is absent is known to have no candle only where the same answer has a later one, or
 * an earlier answer, at least a minute older, lacked it too.
 *
 * @param wanted opening instants of minutes, ascending
 * @param answered opening instants of all candles of the answer
 * @param finalUntilMs candles that end by then are in the answer
 * @param wasAbsent whether an answer of a minute ago or more lacked the minute
 */
export function judgeAnswer(
  wanted: readonly number[],
  answered: readonly number[],
  finalUntilMs: number,
  wasAbsent: (minuteMs: number) => boolean,
): AnswerVerdict {
  const known = new Set(answered)
  const newestMs = answered.reduce((newest, minuteMs) => Math.max(newest, minuteMs), 0)
  const verdict = { given: [], none: [], doubtful: [], open: [] } as Record<
    keyof AnswerVerdict,
    number[]
  >
  for (const minuteMs of wanted) {
    if (known.has(minuteMs)) verdict.given.push(minuteMs)
    else if (minuteMs + MINUTE_MS > finalUntilMs) verdict.open.push(minuteMs)
    else if (minuteMs < newestMs || wasAbsent(minuteMs)) verdict.none.push(minuteMs)
    else verdict.doubtful.push(minuteMs)
  }
  return verdict
}

/** The minutes that lie within it altogether. */
function wholeMinutes({ fromMs, toMs }: Interval): Interval {
  return {
    fromMs: Math.ceil((fromMs - KEY_SHIFT_MS) / MINUTE_MS) * MINUTE_MS,
    toMs: toMs === Number.POSITIVE_INFINITY ? toMs : Math.floor(toMs / MINUTE_MS) * MINUTE_MS,
  }
}

/** All minutes that it touches. */
function outerMinutes({ fromMs, toMs }: Interval): Interval {
  return {
    fromMs: Math.floor(fromMs / MINUTE_MS) * MINUTE_MS,
    toMs: Math.ceil(toMs / MINUTE_MS) * MINUTE_MS,
  }
}
