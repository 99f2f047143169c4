/**
 * One kind of request (history or quotes), over all accounts: it waits in the queue, leaves with the
 * first account that may ask, and is answered to everybody who asked for the same.
 *
 *   submit ─▶ queued ──turn──▶ running ──▶ answered
 *                ▲               │ 429, dead token, failure: another account, or this one later
 *                └── resting ◀───┘
 *
 * Market data is the same with every account, so N accounts are N times the rate. Accounts that are
 * down are not waited for: with none left everything that waits is refused.
 */

import type { RequestQueueStatus } from '../../contract/api/history.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { KiteError } from '../../kite/kite-error.ts'
import {
  REQUEST_ATTEMPTS,
  REQUEST_CHECK_PERIOD_MS,
  REQUEST_RETRY_PAUSE_MS,
  REQUESTS_IN_FLIGHT_MAX,
} from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import type { BrokerAccess } from '../broker.ts'
import type { RequestKind } from './account-budget.ts'
import { type Lane, Lanes } from './lanes.ts'
import type { PacedClock } from './paced-clock.ts'
import { brokerRefusal, RequestError } from './request-error.ts'
import { type QueueRank, RequestQueue } from './request-queue.ts'
import { Waiters, type WaitOptions } from './waiters.ts'

/** What is particular to one kind. */
export interface RequestRules<Ask, Answer> {
  readonly kind: RequestKind
  /** Requests that wait at most. */
  readonly queueMax: number
  /** Only requests of the same topic can be the same; joining another one does not change it. */
  topic(ask: Ask): string
  /** One request for both; undefined where the broker does not answer so much at once. */
  join(waiting: Ask, more: Ask): Ask | undefined
  /** Whether the answer to one that has left serves the other as well. */
  covers(running: Ask, asked: Ask, askedAtMs: number, nowMs: number): boolean
  call(rest: BrokerAccess['rest'], ask: Ask, signal: AbortSignal): Promise<Answer>
}

export interface DispatcherDeps {
  readonly clock: Clock
  readonly paced: PacedClock
  readonly log: Log
  readonly lanes: readonly Lane[]
  readonly marketTimeMs: () => number
}

/** What the broker said, and the market time at which it was asked. */
export interface Answered<Answer> {
  readonly answer: Answer
  readonly askedAtMs: number
}

interface Job<Ask, Answer> {
  ask: Ask
  rank: QueueRank
  readonly arrival: number
  readonly waiters: Waiters<Answered<Answer>>
  state: 'queued' | 'running' | 'resting'
  failures: number
  /** Accounts with which it has failed. */
  readonly failedWith: Set<Lane>
  askedAtMs: number
  readonly abort: AbortController
  cancelRest: () => void
}

export class Dispatcher<Ask, Answer> {
  readonly #rules: RequestRules<Ask, Answer>
  readonly #deps: DispatcherDeps
  readonly #queue = new RequestQueue<Job<Ask, Answer>>()
  readonly #topics = new Map<string, Set<Job<Ask, Answer>>>()
  readonly #inFlight = new Map<Lane, number>()
  readonly #lanes: Lanes
  #arrivals = 0
  #lastAnswerAtMs: number | undefined
  #cancelWake: () => void = () => undefined
  #isStopped = false

  constructor(rules: RequestRules<Ask, Answer>, deps: DispatcherDeps) {
    this.#rules = rules
    this.#deps = deps
    this.#lanes = new Lanes(deps.lanes, rules.kind, deps.clock)
  }

  /**
   * Asks for all or nothing: with the first failure the others are taken back. Refused at once where
   * the queue is full, nobody may ask, or the turn cannot come within the caller's time.
   *
   * @throws RequestError
   */
  async submit(asks: readonly Ask[], options: WaitOptions): Promise<Answered<Answer>[]> {
    this.#refuseAtOnce(asks.length)
    const family = new AbortController()
    const signal =
      options.signal === undefined
        ? family.signal
        : AbortSignal.any([options.signal, family.signal])
    const jobs = asks.map((ask) => this.#place(ask, options))
    const answers = jobs.map((job) => this.#join(job, { ...options, signal }))
    const all = Promise.all(answers)
    all.catch(() => family.abort())
    const lateMs = this.#lateness(jobs, options.timeoutMs)
    if (lateMs > 0) {
      family.abort(
        new RequestError('too_slow', 'The turn does not come in time.', { retryAfterMs: lateMs }),
      )
    }
    this.#pump()
    return await all
  }

  /** Takes back what was asked for under that name. */
  cancelGroup(group: string): void {
    const error = new RequestError('cancelled', 'The request was taken back.')
    for (const job of this.#all()) job.waiters.rejectGroup(group, error)
  }

  /** The most requests that ever waited. */
  get highWater(): number {
    return this.#queue.highWater
  }

  status(): RequestQueueStatus {
    const eta = this.#etaMs(this.#queue.length)
    return {
      queued: this.#queue.counts(),
      running: [...this.#inFlight.values()].reduce((sum, count) => sum + count, 0),
      eta_ms: eta === undefined ? null : Math.round(eta),
      last_answer_at: this.#lastAnswerAtMs === undefined ? null : formatIst(this.#lastAnswerAtMs),
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelWake()
    for (const job of this.#all()) this.#fail(job, stopped())
  }

  // ---------------------------------------------------------------- in

  #refuseAtOnce(more: number): void {
    if (this.#isStopped) throw stopped()
    const { queueMax } = this.#rules
    if (this.#queue.length + more <= queueMax) return
    const retryAfterMs =
      this.#etaMs(this.#queue.length + more - queueMax) ?? REQUEST_CHECK_PERIOD_MS
    const message = `${queueMax} requests wait already.`
    throw new RequestError('queue_full', message, { retryAfterMs })
  }

  /** The job that will answer it: one that is there already, or a new one. */
  #place(ask: Ask, { priority, order }: WaitOptions): Job<Ask, Answer> {
    const rank = { priority, order }
    const topic = this.#rules.topic(ask)
    for (const job of this.#topics.get(topic) ?? []) {
      if (this.#serves(job, ask)) {
        if (job.state === 'queued') this.#queue.hurry(job, rank)
        return job
      }
    }
    return this.#newJob(ask, rank, topic)
  }

  /** Whether a job answers the ask as well; one that waits may be widened for it. */
  #serves(job: Job<Ask, Answer>, ask: Ask): boolean {
    if (job.state === 'running') {
      return this.#rules.covers(job.ask, ask, job.askedAtMs, this.#deps.marketTimeMs())
    }
    const joined = this.#rules.join(job.ask, ask)
    if (joined === undefined) return false
    job.ask = joined
    return true
  }

  #newJob(ask: Ask, rank: QueueRank, topic: string): Job<Ask, Answer> {
    this.#arrivals++
    const job: Job<Ask, Answer> = {
      ask,
      rank,
      arrival: this.#arrivals,
      waiters: new Waiters(this.#deps.clock, () => this.#abandon(job)),
      state: 'queued',
      failures: 0,
      failedWith: new Set(),
      askedAtMs: 0,
      abort: new AbortController(),
      cancelRest: () => undefined,
    }
    const peers = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, peers.add(job))
    this.#queue.add(job)
    return job
  }

  #join(job: Job<Ask, Answer>, options: WaitOptions): Promise<Answered<Answer>> {
    return job.waiters.add(options, () => this.#overdue(job))
  }

  /** By how much the last of them comes too late, ms; 0 where all come in time. */
  #lateness(jobs: readonly Job<Ask, Answer>[], timeoutMs: number): number {
    const places = jobs.map((job) => (job.state === 'queued' ? this.#queue.positionOf(job) : 0))
    const etaMs = this.#etaMs(Math.max(0, ...places)) ?? 0
    return Math.max(0, etaMs - timeoutMs)
  }

  #overdue(job: Job<Ask, Answer>): RequestError {
    if (job.state === 'running') {
      return new RequestError('timeout', 'The broker has not answered in time.')
    }
    const place = job.state === 'queued' ? this.#queue.positionOf(job) : 1
    const retryAfterMs = this.#etaMs(place) ?? REQUEST_CHECK_PERIOD_MS
    return new RequestError('too_slow', 'The turn did not come in time.', { retryAfterMs })
  }

  // ---------------------------------------------------------------- out

  /** Lets everything leave that may, and wakes up for the next. */
  #pump(): void {
    this.#cancelWake()
    if (this.#isStopped || this.#queue.length === 0) return
    const lanes = this.#lanes.usable
    if (lanes.length === 0) {
      const error = this.#lanes.noAccount()
      for (const job of [...this.#queue.jobs]) this.#fail(job, error)
      return
    }
    for (const lane of lanes) this.#drain(lane, lanes)
    if (this.#queue.length > 0) this.#wakeLater(lanes)
  }

  #drain(lane: Lane, lanes: readonly Lane[]): void {
    while (this.#mayAsk(lane)) {
      const job = this.#queue.jobs.find(({ failedWith }) => suits(failedWith, lane, lanes))
      if (job === undefined) return
      this.#queue.remove(job)
      void this.#run(job, lane)
    }
  }

  #mayAsk(lane: Lane): boolean {
    const inFlight = this.#inFlight.get(lane) ?? 0
    return inFlight < REQUESTS_IN_FLIGHT_MAX && lane.budget.waitMs(this.#rules.kind) === 0
  }

  #wakeLater(lanes: readonly Lane[]): void {
    const { paced } = this.#deps
    const waits = lanes.map(({ budget }) => budget.waitMs(this.#rules.kind)).filter((ms) => ms > 0)
    const restMs = Math.min(REQUEST_CHECK_PERIOD_MS * paced.speed, ...waits)
    this.#cancelWake = paced.after(restMs, () => this.#pump())
  }

  async #run(job: Job<Ask, Answer>, lane: Lane): Promise<void> {
    job.state = 'running'
    job.askedAtMs = this.#deps.marketTimeMs()
    const login = lane.login()
    this.#count(lane, 1)
    try {
      const answer = await this.#rules.call(lane.rest, job.ask, job.abort.signal)
      this.#lastAnswerAtMs = this.#deps.clock.nowMs()
      this.#forget(job)
      job.waiters.resolveAll({ answer, askedAtMs: job.askedAtMs })
    } catch (error) {
      this.#onFailure(job, lane, login, error)
    } finally {
      this.#count(lane, -1)
      this.#pump()
    }
  }

  #count(lane: Lane, by: number): void {
    this.#inFlight.set(lane, (this.#inFlight.get(lane) ?? 0) + by)
  }

  #onFailure(job: Job<Ask, Answer>, lane: Lane, login: string, error: unknown): void {
    if (job.waiters.size === 0) return
    if (!(error instanceof KiteError)) {
      this.#deps.log.error({ err: error, kind: this.#rules.kind }, 'Request failed')
      this.#fail(job, error)
      return
    }
    const { code, message } = error
    if (code === 'too_many_requests') {
      this.#deps.log.warn(
        { account: lane.name, kind: this.#rules.kind },
        'The broker asks to slow down',
      )
      this.#requeue(job)
      return
    }
    job.failedWith.add(lane)
    if (code === 'token_expired' || code === 'forbidden') {
      this.#lanes.reject(lane, login)
      this.#requeue(job)
      return
    }
    job.failures++
    const isOver = !error.retryable || job.failures >= REQUEST_ATTEMPTS
    this.#deps.log.warn(
      { account: lane.name, code, reason: message, gives_up: isOver },
      'Request to the broker failed',
    )
    if (isOver) this.#fail(job, brokerRefusal(error))
    else if (this.#lanes.usable.some((other) => !job.failedWith.has(other))) this.#requeue(job)
    else this.#rest(job)
  }

  #requeue(job: Job<Ask, Answer>): void {
    job.state = 'queued'
    this.#queue.add(job)
  }

  #rest(job: Job<Ask, Answer>): void {
    job.state = 'resting'
    job.cancelRest = this.#deps.clock.after(REQUEST_RETRY_PAUSE_MS * job.failures, () => {
      this.#requeue(job)
      this.#pump()
    })
  }

  // ---------------------------------------------------------------- over

  #fail(job: Job<Ask, Answer>, error: unknown): void {
    job.waiters.rejectAll(error)
  }

  /** Nobody waits for it any more, whether refused or taken back. */
  #abandon(job: Job<Ask, Answer>): void {
    this.#forget(job)
    if (job.state === 'queued') this.#queue.remove(job)
    if (job.state === 'resting') job.cancelRest()
    job.abort.abort()
  }

  #forget(job: Job<Ask, Answer>): void {
    const topic = this.#rules.topic(job.ask)
    const peers = this.#topics.get(topic)
    peers?.delete(job)
    if (peers?.size === 0) this.#topics.delete(topic)
  }

  #all(): Job<Ask, Answer>[] {
    return [...this.#topics.values()].flatMap((jobs) => [...jobs])
  }

  /** Until the n-th in the queue leaves, ms of our time; undefined where nobody may ask. */
  #etaMs(place: number): number | undefined {
    const etaMs = this.#lanes.departureMs(place)
    return etaMs === undefined ? undefined : etaMs / this.#deps.paced.speed
  }
}

/** An account with which it has failed is asked again only where there is no other. */
function suits(failedWith: ReadonlySet<Lane>, lane: Lane, lanes: readonly Lane[]): boolean {
  return !failedWith.has(lane) || lanes.every((other) => failedWith.has(other))
}

function stopped(): RequestError {
  return new RequestError('stopped', 'The ticker is stopping.')
}
