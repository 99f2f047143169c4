/**
 * Bad events for people: of each kind the first ones of a minute have a line each, the rest of the
 * minute is one line, so that somebody who publishes nonsense fills the metrics and not the disk.
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { LIFECYCLE_FAULT_LINES, LIFECYCLE_FAULT_PERIOD_MS } from '../../limits.ts'

export class FaultLines {
  readonly #clock: Clock
  readonly #log: Log
  /** By reason, of the minute that runs. */
  readonly #counts = new Map<string, number>()
  #endMinute: (() => void) | undefined

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** `reason` is one of a few words of ours. */
  say(reason: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const count = (this.#counts.get(reason) ?? 0) + 1
    this.#counts.set(reason, count)
    this.#endMinute ??= this.#clock.after(LIFECYCLE_FAULT_PERIOD_MS, () => this.flush())
    if (count <= LIFECYCLE_FAULT_LINES) this.#log.warn({ reason, ...fields }, message)
  }

  /** Says what had no line yet. */
  flush(): void {
    this.#endMinute?.()
    this.#endMinute = undefined
    for (const [reason, count] of this.#counts) {
      const untold = count - LIFECYCLE_FAULT_LINES
      if (untold > 0) this.#log.warn({ reason, events: untold }, 'More events of that kind')
    }
    this.#counts.clear()
  }
}
