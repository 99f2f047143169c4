/**
 * Requests that wait for their turn, in the order in which they leave. It knows no time and no
 * network.
 *
 * Order: class, then the caller's order number (ATM first), then first come, first served. A class
 * waits while a higher one has work: starvation is meant, since only new subscriptions and open gaps
 * are hurried, and both are few.
 */

import type { RequestPriority } from '../../contract/api/history.ts'
import { REQUEST_PRIORITIES } from '../../contract/api/history.ts'
import { invariant } from '../../kit/invariant.ts'

export interface QueueRank {
  readonly priority: RequestPriority
  /** Within the class, the smallest first. */
  readonly order: number
}

export interface Queued {
  rank: QueueRank
  /** Number in which it came. */
  readonly arrival: number
}

export class RequestQueue<Job extends Queued> {
  readonly #jobs: Job[] = []
  #highWater = 0

  /** The most that ever waited. */
  get highWater(): number {
    return this.#highWater
  }

  get length(): number {
    return this.#jobs.length
  }

  /** In the order in which they leave. */
  get jobs(): readonly Job[] {
    return this.#jobs
  }

  add(job: Job): void {
    this.#jobs.splice(this.#placeOf(job), 0, job)
    this.#highWater = Math.max(this.#highWater, this.#jobs.length)
  }

  remove(job: Job): void {
    const at = this.#placeOf(job)
    invariant(this.#jobs[at] === job, 'only what waits can be taken out')
    this.#jobs.splice(at, 1)
  }

  /** How many leave before it, itself included. */
  positionOf(job: Job): number {
    return this.#placeOf(job) + 1
  }

  /** Moves a waiting job forward; a lower rank than it has changes nothing. */
  hurry(job: Job, rank: QueueRank): void {
    if (compareRanks(rank, job.rank) >= 0) return
    this.remove(job)
    job.rank = rank
    this.add(job)
  }

  counts(): Record<RequestPriority, number> {
    const counts = { new_subscription: 0, gap: 0, routine: 0, on_demand: 0 }
    for (const { rank } of this.#jobs) counts[rank.priority]++
    return counts
  }

  /** Where the job stands, or would. */
  #placeOf(job: Job): number {
    let low = 0
    let high = this.#jobs.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#jobs[middle]
      if (other !== undefined && compareJobs(other, job) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function compareRanks(a: QueueRank, b: QueueRank): number {
  const byClass = REQUEST_PRIORITIES.indexOf(a.priority) - REQUEST_PRIORITIES.indexOf(b.priority)
  return byClass === 0 ? a.order - b.order : byClass
}

function compareJobs(a: Queued, b: Queued): number {
  const byRank = compareRanks(a.rank, b.rank)
  return byRank === 0 ? a.arrival - b.arrival : byRank
}
