/** A wait that a stop cuts short. */
import { setMaxListeners } from 'node:events'
import type { Clock } from './clock.ts'

/** Resolves after `ms`, or as soon as `signal` aborts; whoever waits asks the signal which it was. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    // One signal may end any number of pauses; each takes its listener back.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', done, { once: true })
  })
}
