/** Waiting, but not for ever. */
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'

/** What `work` resolves to, or undefined where that takes longer than `ms`; the work goes on. */
export function withinMs<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(undefined))
    work.then(resolve, reject).finally(cancel)
  })
}

const OVER = Symbol('over')

/** Runs one step of a shutdown up to a monotonic deadline; what fails or is late is logged, no more. */
export async function bounded(
  clock: Clock,
  deadlineMs: number,
  name: string,
  log: Log,
  step: () => unknown,
): Promise<void> {
  const leftMs = Math.max(0, deadlineMs - clock.elapsedMs())
  const work = Promise.resolve()
    .then(step)
    .then(() => OVER)
  try {
    const done = await withinMs(clock, leftMs, work)
    if (done !== OVER) log.error({ step: name }, 'Stopping took too long')
  } catch (error) {
    log.error({ err: error, step: name }, 'Stopping failed')
  }
}
