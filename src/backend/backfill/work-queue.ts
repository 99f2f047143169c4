/**
 * What waits for its history, and the few looks that are under way.
 *
 *   add ─▶ ready ──turn──▶ running ──through──▶ gone
 *            ▲                │ newest minutes not final, a passing fault
 *            └──── later ◀────┘
 *
 * A fault that everybody would meet (no ticker, no store, the broker refuses) pauses the whole queue:
 * nothing is tried in vain, and nothing is forgotten.
 */
import { type Backoff, backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  BACKFILL_AGREE_MS,
  BACKFILL_AT_ONCE,
  BACKFILL_GATHER_MS,
  BACKFILL_LOOK_MS,
  BACKFILL_RETRY_FIRST_MS,
  BACKFILL_RETRY_MAX_MS,
  BACKFILL_TURN_TIMEOUT_MS,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { type Fault, faultOf } from './fault.ts'
import { forecast } from './forecast.ts'
import { type Looked, type LookParts, lookAtHistory, trustedTime } from './history-look.ts'
import type { Job } from './job.ts'
import { classOf, orderOf, type PriceOf, planOf, priorityOf, type Waiting } from './plan.ts'
import { RequestRate } from './request-rate.ts'
import type { Task } from './task.ts'

/** What becomes of a task is its owner's to say. */
export interface TaskOwner {
  /** Its first look begins, or the first after a restart. */
  began(task: Task): void
  /** Returns whether the task goes on: something is left, and somebody wants it. */
  looked(task: Task, looked: Looked): boolean
  /** Told of every first fault in a row, and of the last one (`retry` is `never`). */
  failed(task: Task, fault: Fault): void
}

export interface WorkQueueParts extends LookParts {
  readonly owner: TaskOwner
  readonly isEnabled: () => boolean
  /** The underlying's live price, rupees. */
  readonly priceOf: PriceOf
  /** Whether the contract has ended today. */
  readonly isExpiring: (instrument: Instrument) => boolean
  readonly isStoreAway: (error: unknown) => boolean
  readonly clock: Clock
  readonly random: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface QueueState {
  readonly waiting: number
  readonly running: number
  readonly later: number
  readonly requestsPerSecond: number
  readonly etaMs: number | null
  readonly waitsFor: string | null
}

const RETRY: Backoff = { firstMs: BACKFILL_RETRY_FIRST_MS, capMs: BACKFILL_RETRY_MAX_MS }

export class WorkQueue {
  readonly #parts: WorkQueueParts
  readonly #ready = new Set<Task>()
  readonly #later = new Set<Task>()
  readonly #running = new Set<Task>()
  /** All of them, by instrument. */
  readonly #byKey = new Map<string, Task[]>()
  readonly #began = new WeakSet<Task>()
  readonly #rate = new RequestRate()
  /** Closes that answers told, for underlyings that are not streamed. */
  readonly #closes = new Map<string, number>()
  /** Those that are ready, the next one last; undefined when it must be made anew. */
  #plan: Task[] | undefined
  #waitsFor: string | null = null
  #faultsInRow = 0
  #pausedUntilMs = 0
  #gatherUntilMs = 0
  #cancelWake: (() => void) | undefined
  #isStopped = false

  constructor(parts: WorkQueueParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#ready.size + this.#later.size + this.#running.size
  }

  /** Whether anything waits or is under way that goes before what somebody asked for. */
  get isUrgent(): boolean {
    const isUrgent = (task: Task) => priorityOf(task) !== 'on_demand'
    return [...this.#running].some(isUrgent) || [...this.#ready].some(isUrgent)
  }

  /** Of one instrument. */
  tasksOf(key: string): readonly Task[] {
    return this.#byKey.get(key) ?? []
  }

  /** Instruments that there are tasks of. */
  keys(): ReadonlySet<string> {
    return new Set(this.#byKey.keys())
  }

  add(tasks: readonly Task[]): void {
    if (tasks.length === 0) return
    if (this.#ready.size + this.#running.size === 0) {
      this.#gatherUntilMs = this.#parts.clock.elapsedMs() + BACKFILL_GATHER_MS
    }
    for (const task of tasks) {
      this.#ready.add(task)
      this.#byKey.set(task.key, [...this.tasksOf(task.key), task])
    }
    this.#plan = undefined
    this.#pump()
  }

  /** How many histories a second the tickers may ask for. */
  rateTold(perSecond: number): void {
    this.#rate.told(perSecond)
  }

  /** Takes a task back; what is under way is given up. */
  drop(task: Task): void {
    task.abort.abort()
    this.#ready.delete(task)
    this.#later.delete(task)
    this.#plan = undefined
    this.#forget(task)
  }

  /** Time has passed: minutes may have become final, pauses may be over, prices have moved. */
  look(): void {
    const marketMs = trustedTime(this.#parts)
    const nowMs = this.#parts.clock.elapsedMs()
    for (const task of this.#later) {
      if (task.againAtMs > marketMs || task.retryAtMs > nowMs) continue
      this.#later.delete(task)
      this.#ready.add(task)
    }
    for (const task of this.#ready) task.isExpiring = this.#parts.isExpiring(task.instrument)
    this.#plan = undefined
    this.#pump()
  }

  state(): QueueState {
    const nowMs = this.#parts.clock.elapsedMs()
    return {
      waiting: this.#ready.size,
      running: this.#running.size,
      later: this.#later.size,
      requestsPerSecond: Math.round(this.#rate.perSecond(nowMs) * 100) / 100,
      etaMs: this.#waitsFor === null ? this.#untilNoneWaitsMs() : null,
      waitsFor: this.#waitsFor ?? (this.#isLogEmpty ? 'log' : null),
    }
  }

  /** Milliseconds until each job is through, with what of it is asked for again. */
  etas(): ReadonlyMap<Job, number> {
    const etas = new Map<Job, number>()
    if (this.#waitsFor !== null) return etas
    for (const [{ job }, answeredInMs] of this.#forecast()) {
      if (job !== undefined) etas.set(job, Math.max(answeredInMs, etas.get(job) ?? 0))
    }
    return etas
  }

  /** What is looked at later counts as far as it goes before what waits now. */
  #untilNoneWaitsMs(): number {
    let untilMs = 0
    for (const [task, answeredInMs] of this.#forecast()) {
      if (!this.#later.has(task)) untilMs = Math.max(untilMs, answeredInMs)
    }
    return untilMs
  }

  /** Milliseconds until each of those that are there is answered, and of some that are about to come. */
  forecast(coming: readonly Waiting[]): ReadonlyMap<Waiting, number> {
    return this.#forecast(coming)
  }

  #forecast<One extends Waiting = never>(
    coming: readonly One[] = [],
  ): ReadonlyMap<Task | One, number> {
    const marketMs = trustedTime(this.#parts)
    const nowMs = this.#parts.clock.elapsedMs()
    const later = Array.from(this.#later, (task) => ({
      one: task,
      inMs: Math.max(0, task.againAtMs - marketMs, task.retryAtMs - nowMs),
    }))
    const ready: (Task | One)[] = [...this.#planned().toReversed(), ...coming]
    return forecast<Task | One>(
      { running: this.#running, ready, later },
      classOf,
      this.#rate.perSecond(nowMs),
    )
  }

  /** Nothing is begun any more, what is under way is given up, and what it brings is not heard. */
  stop(): void {
    this.#isStopped = true
    this.#cancelWake?.()
    for (const tasks of this.#byKey.values()) for (const { abort } of tasks) abort.abort()
  }

  // ---------------------------------------------------------------- turns

  /** Nothing could be written yet. That passes soon after the start. */
  get #isLogEmpty(): boolean {
    return this.#parts.logTimeMs() === 0
  }

  #pump(): void {
    if (this.#isStopped || !this.#parts.isEnabled() || this.#isLogEmpty) return
    const beginMs = Math.max(this.#pausedUntilMs, this.#gatherUntilMs)
    const leftMs = beginMs - this.#parts.clock.elapsedMs()
    if (leftMs > 0) {
      this.#wakeIn(leftMs)
      return
    }
    // After a pause one alone finds out whether it is over.
    const most = this.#waitsFor === null ? BACKFILL_AT_ONCE : 1
    while (this.#running.size < most) {
      const task = this.#next()
      if (task === undefined) return
      void this.#run(task)
    }
  }

  /** The first one in the plan of whose instrument nothing is under way. */
  #next(): Task | undefined {
    const plan = this.#planned()
    const busy = new Set(Array.from(this.#running, ({ key }) => key))
    const at = plan.findLastIndex(({ key }) => !busy.has(key))
    return at === -1 ? undefined : plan.splice(at, 1)[0]
  }

  #planned(): Task[] {
    this.#plan ??= planOf(this.#ready, this.#priceOf).reverse()
    return this.#plan
  }

  readonly #priceOf = (symbol: string): number | undefined =>
    this.#parts.priceOf(symbol) ?? this.#closes.get(symbol)

  async #run(task: Task): Promise<void> {
    this.#ready.delete(task)
    this.#running.add(task)
    this.#rate.begun(this.#parts.clock.elapsedMs())
    if (!this.#began.has(task)) {
      this.#began.add(task)
      this.#parts.owner.began(task)
    }
    try {
      const looked = await this.#look(task)
      if (!task.abort.signal.aborted) this.#take(task, looked)
    } catch (error) {
      if (!task.abort.signal.aborted) this.#fail(task, error)
    } finally {
      this.#running.delete(task)
      if (this.#running.size + this.#ready.size === 0) this.#rate.idle()
      this.#pump()
    }
  }

  #look(task: Task): Promise<Looked> {
    const { instrument, window, source, absentSince } = task
    return lookAtHistory(this.#parts, {
      instrument,
      window,
      source,
      absentSince,
      isPatient: task.kind !== 'immediate',
      moreFollows: () => this.#hasMore(task),
      wait: {
        priority: priorityOf(task),
        order: orderOf(task, this.#priceOf),
        timeoutMs: BACKFILL_TURN_TIMEOUT_MS,
        signal: task.abort.signal,
      },
    })
  }

  /** Whether more of the series is under way or comes next. */
  #hasMore({ instrument, key }: Task): boolean {
    const isSame = (other: Task) =>
      other.key !== key &&
      other.instrument.symbol === instrument.symbol &&
      other.instrument.expiry === instrument.expiry
    return [...this.#running].some(isSame) || this.#planned().slice(-BACKFILL_AT_ONCE).some(isSame)
  }

  #take(task: Task, looked: Looked): void {
    const { clock, owner, log } = this.#parts
    if (looked.asked) this.#rate.answered(clock.elapsedMs())
    const isProof = looked.asked || this.#waitsFor === 'database_down'
    if (isProof && this.#waitsFor !== null) {
      log.info({ waited_for: this.#waitsFor }, 'Backfill goes on')
      this.#waitsFor = null
      this.#faultsInRow = 0
      this.#rate.idle()
    }
    const { instrument } = task
    if (instrument.kind === 'index' && looked.lastClose !== undefined) {
      this.#closes.set(instrument.symbol, looked.lastClose)
    }
    task.failures = 0
    task.owedUntilMs ??= looked.finalUntilMs
    if (looked.asked) task.goOn()
    task.absentSince = looked.absentSince
    task.againAtMs = looked.againAtMs
    // The log may stand still; then the broker is not asked again and again.
    task.retryAtMs =
      clock.elapsedMs() + Math.min(BACKFILL_AGREE_MS, BACKFILL_LOOK_MS * 2 ** task.looks)
    task.looks++
    if (owner.looked(task, looked)) this.#later.add(task)
    else this.#forget(task)
  }

  #fail(task: Task, error: unknown): void {
    const { clock, owner, random } = this.#parts
    const fault = faultOf(error, this.#parts.isStoreAway)
    const nowMs = clock.elapsedMs()
    if (fault.retry === 'never') {
      this.#forget(task)
      owner.failed(task, fault)
      return
    }
    if (task.failures === 0 && fault.reason !== 'rate_limited') owner.failed(task, fault)
    task.retryAtMs = nowMs + backoffDelayMs(RETRY, task.failures, random)
    task.failures++
    if (fault.retry === 'everything') {
      task.retryAtMs = nowMs
      this.#pause(fault, error)
    }
    this.#later.add(task)
  }

  /** Faults of looks that began before the pause add nothing to it. */
  #pause({ reason, retryAfterMs }: Fault, error: unknown): void {
    const { clock, log, random } = this.#parts
    const nowMs = clock.elapsedMs()
    if (nowMs < this.#pausedUntilMs) return
    const pauseMs = retryAfterMs ?? backoffDelayMs(RETRY, this.#faultsInRow, random)
    this.#pausedUntilMs = nowMs + pauseMs
    this.#faultsInRow++
    if (this.#waitsFor !== reason) {
      log.warn({ err: error, reason, waiting: this.size }, 'Backfill waits')
    }
    this.#waitsFor = reason
  }

  #forget({ key, arrival }: Task): void {
    const others = this.tasksOf(key).filter((other) => other.arrival !== arrival)
    if (others.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, others)
  }

  #wakeIn(ms: number): void {
    this.#cancelWake?.()
    this.#cancelWake = this.#parts.clock.after(ms, () => this.look())
  }
}
