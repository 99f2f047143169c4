/** Waits for something, but not without end; what is waited for goes on by itself. */
import type { Clock } from '../../kit/clock.ts'

/** Rejects with what `late` makes when `work` has not settled within `ms`. */
export function within<T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(late()))
    work.then(
      (value) => {
        cancel()
        resolve(value)
      },
      (cause: unknown) => {
        cancel()
        reject(cause)
      },
    )
  })
}
