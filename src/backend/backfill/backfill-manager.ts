/**
 * History in the backend: what a new subscription, a gap, the clock, the close or a request makes
 * necessary becomes jobs, and those go through one queue to the broker and one writer into the store.
 * What cannot be done now waits; what a restart interrupts is gone on with.
 */
import type { Backfill, Backfills, JobKind, JobStatus } from '../../contract/api/backfills.ts'
import { pause } from '../../kit/pause.ts'
import {
  BACKFILL_ENDED_STREAMED_MS,
  BACKFILL_JOBS_KEPT_MS,
  BACKFILL_JOBS_STREAMED,
  BACKFILL_LOOK_MS,
  BACKFILL_RATE_PERIOD_MS,
} from '../../limits.ts'
import { hasExpired } from '../../market/expiry.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { floorToMinute, istDate, MINUTE_MS } from '../../market/ist.ts'
import { sessionTimeBack } from '../../market/session-time.ts'
import type { Flags } from '../flags/flags.ts'
import type { EventMetadata } from '../lifecycle/parse-event.ts'
import type { InstrumentHistory } from '../lifecycle/ports.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'
import { findInstrument, isBackfilled } from './find-instrument.ts'
import { GapRepair } from './gap-repair.ts'
import { Job, presentJob } from './job.ts'
import { Jobs, type JobsParts, type NewJob, QueueFullError } from './jobs.ts'
import { Periodic } from './periodic.ts'
import type { BackfillStore, StoredJob } from './ports.ts'
import { Settling } from './settling.ts'

export interface BackfillParts
  extends Omit<JobsParts, 'closers' | 'isEnabled' | 'isExpiring' | 'store' | 'tickers'> {
  readonly store: BackfillStore
  readonly tickers: Pick<TickerClient, 'history' | 'listSubscriptions' | 'standing'>
  readonly flags: Pick<Flags, 'isOn' | 'onChange'>
  readonly master: () => InstrumentMaster
  /** Partitions that this process writes, and whether a symbol's instruments are of them. */
  readonly partitions: readonly number[]
  readonly isMine: (symbol: string) => boolean
  readonly intervalMs: number
  readonly lookbackMinutes: number
}

/** What jobs are asked for; all where nothing is given. */
export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly kind?: JobKind | undefined
  readonly symbol?: string | undefined
  readonly limit: number
}

/** How far the history of new subscriptions is. */
export interface NewHistory {
  /** Instruments whose history is to come. */
  readonly pending: number
  /** Milliseconds until the last of it is there; null where that is not known. */
  readonly etaMs: number | null
  readonly waitsFor: string | null
}

export class BackfillManager implements InstrumentHistory {
  readonly #parts: BackfillParts
  readonly #jobs: Jobs
  readonly #gaps: GapRepair
  readonly #settling: Settling
  readonly #periodic: Periodic
  readonly #stopping = new AbortController()
  readonly #stops: (() => void)[] = []
  #isResumed = false
  #isLooking = false
  #lookedBack: number | undefined
  #askedForRateMs: number | undefined

  constructor(parts: BackfillParts) {
    this.#parts = parts
    this.#gaps = new GapRepair({ ...parts, jobs: () => this.#jobs })
    this.#settling = new Settling({ ...parts, jobs: () => this.#jobs })
    this.#jobs = new Jobs({
      ...parts,
      isEnabled: () => this.isEnabled,
      isExpiring: (instrument) => this.#isExpiring(instrument),
      closers: { repair: this.#gaps.close, settle: this.#settling.close },
    })
    this.#periodic = new Periodic({
      ...parts,
      jobs: this.#jobs,
      isSubscriptionAware: () => parts.flags.isOn('backfill_subscription_aware'),
    })
  }

  get isEnabled(): boolean {
    return this.#parts.flags.isOn('backfill_enabled')
  }

  /** Goes on with what an earlier run left, and begins to look. */
  start(): void {
    const { clock, flags } = this.#parts
    this.#stops.push(
      clock.every(BACKFILL_LOOK_MS, () => void this.#look()),
      flags.onChange((name, isOn) => {
        if (name !== 'backfill_enabled' || !isOn) return
        this.#lookedBack = undefined
        void this.#look()
      }),
    )
    void this.#look()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const stop of this.#stops.splice(0)) stop()
    await this.#jobs.stop()
  }

  backfillInstrumentImmediate(token: number, metadata?: EventMetadata): void {
    const { flags, log, metrics } = this.#parts
    if (!this.isEnabled || !flags.isOn('backfill_immediate_on_subscribe')) return
    const instrument = findInstrument(token, metadata, this.#parts.master())
    const reason = this.#whyNot(instrument)
    if (instrument === undefined || reason !== undefined) {
      if (reason === 'not_owned') return
      metrics.failed(reason ?? 'unknown_instrument').value++
      const { tradingsymbol } = instrument ?? metadata ?? {}
      log.warn({ token, tradingsymbol, reason, tried_again: false }, 'Immediate backfill failed')
      return
    }
    if (this.#jobs.isImmediateAwaited(instrument)) return
    this.#openOne(instrument)
  }

  cancel(token: number): void {
    const instrument = this.#parts.master().byToken(token)
    if (instrument !== undefined) this.#jobs.cancelImmediate(instrument)
  }

  /** Makes a job that was asked for. Throws `QueueFullError`. */
  request(spec: NewJob): Backfill {
    const job = this.#jobs.open(spec)
    return presentJob(job.toStored(), this.#jobs.etas().get(job) ?? null)
  }

  /** The newest jobs, with what the store remembers of earlier runs where it answers. */
  async list(filter: JobFilter): Promise<Backfills> {
    const etas = this.#jobs.etas()
    const own = new Map(
      Array.from(this.#jobs.all(), (job) => [
        job.spec.id,
        { stored: job.toStored(), etaMs: job.isEnded ? null : (etas.get(job) ?? null) },
      ]),
    )
    for (const stored of await this.#storedJobs(filter.limit)) {
      if (!own.has(stored.id)) own.set(stored.id, { stored, etaMs: null })
    }
    const backfills = [...own.values()]
      .filter(({ stored }) => matches(stored, filter))
      .sort((a, b) => b.stored.createdAtMs - a.stored.createdAtMs)
      .slice(0, filter.limit)
      .map(({ stored, etaMs }) => presentJob(stored, etaMs))
    return { backfills, queue: this.queue() }
  }

  /** Jobs under way and those that have just ended, the newest first; from memory. */
  progress(): Backfills {
    const nowMs = this.#parts.clock.nowMs()
    const etas = this.#jobs.etas()
    const isShown = ({ finishedAtMs }: Job) =>
      finishedAtMs === null || nowMs - finishedAtMs < BACKFILL_ENDED_STREAMED_MS
    const shown = [...this.#jobs.all()].filter(isShown).slice(-BACKFILL_JOBS_STREAMED).reverse()
    const backfills = shown.map((job) =>
      presentJob(job.toStored(), job.isEnded ? null : (etas.get(job) ?? null)),
    )
    return { backfills, queue: this.queue() }
  }

  /**
   * Of some instruments; from memory.
   *
   * @param added subscribed a moment ago: counted also where no event has told of them yet
   */
  newHistory(streamed: readonly Instrument[], added: readonly Instrument[]): NewHistory {
    const { flags } = this.#parts
    const isAsked =
      this.isEnabled &&
      flags.isOn('backfill_immediate_on_subscribe') &&
      flags.isOn('subscription_events_enabled')
    const isComing = (instrument: Instrument) =>
      this.#whyNot(instrument) === undefined && !this.#jobs.isImmediateAwaited(instrument)
    const coming = isAsked ? added.filter(isComing) : []
    const { pending, etaMs } = this.#jobs.immediate([...streamed, ...added], coming)
    const { waits_for: waitsFor } = this.queue()
    return { pending, etaMs: pending === 0 || waitsFor === null ? etaMs : null, waitsFor }
  }

  /** Whether history is being asked for that goes before what somebody asked for. */
  get isUrgent(): boolean {
    return this.#jobs.isUrgent
  }

  queue(): Backfills['queue'] {
    const { waiting, running, later, requestsPerSecond, etaMs, waitsFor } = this.#jobs.state()
    return {
      waiting,
      running,
      later,
      requests_per_second: requestsPerSecond,
      eta_ms: etaMs,
      waits_for: this.isEnabled ? waitsFor : 'switched_off',
    }
  }

  // ---------------------------------------------------------------- looking round

  async #look(): Promise<void> {
    if (this.#isLooking || this.#parts.master().size === 0) return
    this.#isLooking = true
    try {
      await this.#resume()
      this.#jobs.look()
      this.#askForRate()
      if (!this.isEnabled) return
      await this.#gaps.look()
      await this.#settling.look()
      await this.#lookBack()
    } catch (err) {
      if (!this.#stopping.signal.aborted) await this.#sayAndRest(err)
    } finally {
      this.#isLooking = false
    }
  }

  /** The queue says itself what it waits for. */
  async #sayAndRest(err: unknown): Promise<void> {
    const { isStoreAway, log, clock } = this.#parts
    if (!isStoreAway(err)) log.error({ err }, 'Backfill could not look for what is missing')
    await pause(clock, BACKFILL_LOOK_MS, this.#stopping.signal)
  }

  async #resume(): Promise<void> {
    if (this.#isResumed) return
    const { store, log } = this.#parts
    const unfinished = (await store.unfinishedJobs()).filter((stored) => !this.#jobs.has(stored.id))
    this.#isResumed = true
    const jobs = unfinished
      .map((stored) => Job.resumed(stored, this.#parts.master()))
      .filter((job) => this.#isOwn(job))
    for (const job of jobs) this.#jobs.resume(job)
    if (jobs.length > 0) log.info({ jobs: jobs.length }, 'Backfill goes on where it ended')
  }

  /** For the first estimates; what is measured counts for more. A ticker that is away says nothing. */
  #askForRate(): void {
    const { clock, tickers, log } = this.#parts
    const nowMs = clock.elapsedMs()
    if (
      this.#askedForRateMs !== undefined &&
      nowMs - this.#askedForRateMs < BACKFILL_RATE_PERIOD_MS
    )
      return
    this.#askedForRateMs = nowMs
    tickers.standing(this.#stopping.signal).then(
      ({ historiesPerSecond }) => this.#jobs.rateTold(historiesPerSecond),
      (err) => log.debug({ err }, 'The tickers did not tell how fast they may ask'),
    )
  }

  async #lookBack(): Promise<void> {
    const { clock, store, intervalMs } = this.#parts
    const nowMs = clock.elapsedMs()
    if (this.#lookedBack !== undefined && nowMs - this.#lookedBack < intervalMs) return
    this.#lookedBack = nowMs
    await this.#periodic.run(this.#stopping.signal)
    await store.forgetJobs(clock.nowMs() - BACKFILL_JOBS_KEPT_MS)
  }

  // ---------------------------------------------------------------- one instrument

  #openOne(instrument: Instrument): void {
    const { marketNowMs, calendar, lookbackMinutes, log } = this.#parts
    const nowMs = marketNowMs()
    try {
      this.#jobs.open({
        kind: 'immediate',
        scope: 'instrument',
        instruments: [instrument],
        symbol: instrument.symbol,
        expiry: instrument.expiry,
        fromMs: sessionTimeBack(instrument, floorToMinute(nowMs), lookbackMinutes, calendar),
        // Into the minute in which the first packet comes.
        toMs: floorToMinute(nowMs) + FIRST_PACKET_MINUTES * MINUTE_MS,
        reason: 'subscribed',
        requestedBy: null,
      })
    } catch (err) {
      if (!(err instanceof QueueFullError)) throw err
      const { token, tradingsymbol } = instrument
      this.#parts.metrics.failed(err.code).value++
      log.warn({ token, tradingsymbol, reason: err.code, err }, 'Immediate backfill failed')
    }
  }

  /** Why an instrument's history is not fetched here; undefined where it is. */
  #whyNot(instrument: Instrument | undefined): string | undefined {
    if (instrument === undefined) return 'unknown_instrument'
    if (!isBackfilled(instrument)) return 'unsupported_segment'
    return this.#parts.isMine(instrument.symbol) ? undefined : 'not_owned'
  }

  #isExpiring({ expiry, segment }: Instrument): boolean {
    const nowMs = this.#parts.marketNowMs()
    if (expiry !== istDate(nowMs)) return false
    return hasExpired(expiry, nowMs, this.#parts.calendar, segment)
  }

  /** Jobs of other backends on the same store are theirs. */
  #isOwn({ spec }: Job): boolean {
    const { isMine, partitions } = this.#parts
    if (spec.gap !== undefined) return partitions.includes(spec.gap.partition)
    if (spec.symbol !== null) return isMine(spec.symbol)
    return spec.instruments.some(({ symbol }) => isMine(symbol))
  }

  /** None where the store is away: what is under way is known without it. */
  async #storedJobs(limit: number): Promise<readonly StoredJob[]> {
    try {
      return await this.#parts.store.newestJobs(limit)
    } catch (err) {
      if (!this.#parts.isStoreAway(err)) throw err
      return []
    }
  }
}

const FIRST_PACKET_MINUTES = 2

function matches(stored: StoredJob, { status, kind, symbol }: JobFilter): boolean {
  if (status !== undefined && stored.status !== status) return false
  if (kind !== undefined && stored.kind !== kind) return false
  return symbol === undefined || stored.symbol === symbol
}
