/**
 * Events that were seen lately. A ticker that is in doubt tells an event again with the same id; two
 * publishers may give the same id to different events.
 */
import { LIFECYCLE_IDS_KEPT } from '../../limits.ts'
import type { ReceivedEvent } from './parse-event.ts'

export class SeenEvents {
  /** Oldest first. */
  readonly #keys = new Set<string>()

  get size(): number {
    return this.#keys.size
  }

  /** Whether it is a repetition; one without an id never is. */
  isRepeated({ eventId, type, token }: ReceivedEvent): boolean {
    if (eventId === undefined) return false
    const key = `${eventId} ${type} ${token ?? ''}`
    if (this.#keys.has(key)) return true
    this.#keys.add(key)
    const [oldest] = this.#keys
    if (this.#keys.size > LIFECYCLE_IDS_KEPT && oldest !== undefined) this.#keys.delete(oldest)
    return false
  }
}
