/**
 * Long work in small steps: a generator yields now and then and returns its result, so that whoever
 * runs it on the thread of live ticks can let these pass in between (`kit/slices`).
 */

/** Work that can be paused at every `yield`. */
export type Steps<Result> = Generator<undefined, Result>

/** Rows between two pauses: well under a millisecond of the usual work. */
export const ROWS_PER_STEP = 500

/** Runs all steps without a pause. */
export function runAtOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const next = steps.next()
    if (next.done === true) return next.value
  }
}

/** Sorts a copy: short runs first, then merges them two by two. Stable. */
export function* sortInSteps<Item>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Steps<Item[]> {
  let runs: Item[][] = []
  for (let at = 0; at < items.length; at += ROWS_PER_STEP) {
    runs.push(items.slice(at, at + ROWS_PER_STEP).sort(compare))
    yield
  }
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(yield* mergeInSteps(runs[i] ?? [], runs[i + 1] ?? [], compare))
    }
    runs = merged
  }
  return runs[0] ?? []
}

function* mergeInSteps<Item>(
  left: readonly Item[],
  right: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Steps<Item[]> {
  const merged: Item[] = []
  let l = 0
  let r = 0
  while (l < left.length || r < right.length) {
    const [a, b] = [left[l], right[r]]
    const isLeft = b === undefined || (a !== undefined && compare(a, b) <= 0)
    const next = isLeft ? a : b
    if (next === undefined) break
    merged.push(next)
    if (isLeft) l += 1
    else r += 1
    if (merged.length % ROWS_PER_STEP === 0) yield
  }
  return merged
}
