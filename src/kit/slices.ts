/** Long work beside a live feed: it lets go of the processor every few milliseconds. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/**
 * Runs `steps` to the end and resolves with what they return. Between two pauses it works for
 * `sliceMs` and the step at hand. Rejects with what a step throws.
 */
export async function runInSlices<Result>(
  steps: Iterator<unknown, Result>,
  clock: Clock,
  sliceMs: number,
): Promise<Result> {
  let resumedMs = clock.elapsedMs()
  for (;;) {
    const next = steps.next()
    if (next.done === true) return next.value
    if (clock.elapsedMs() - resumedMs < sliceMs) continue
    await nextTurn()
    resumedMs = clock.elapsedMs()
  }
}
