/**
 * The broker's last word on a day. Some minutes after the opening its first minutes are read again,
 * since the broker corrects them; after the close each instrument that was streamed is read once for
 * its whole day. Each series is a job of its own, named by its day, so that a restart neither forgets
 * nor repeats one; when its final values stand, the day's row of the series is written.
 *
 * What is not listed any more by then cannot be asked for, since its token belongs to another contract:
 * its bars stay as they are, the day's row is made of them, and its job ends as failed and says so.
 */
import type { Log } from '../../kit/log.ts'
import { OPENING_MINUTES, OPENING_READ_AFTER_MS, SETTLE_AFTER_CLOSE_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { yearsToExpiry } from '../../market/expiry.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { addDays, istDate, MINUTE_MS } from '../../market/ist.ts'
import { constantMaturityIv, type MaturityPoint } from '../../market/options/constant-maturity.ts'
import { type Interval, sessionOn } from '../../market/session-time.ts'
import { type DayMoment, momentsOf } from './day-moments.ts'
import { isBackfilled } from './find-instrument.ts'
import { type Job, resolve } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { BackfillStore, ClosingIv } from './ports.ts'

export interface SettlingParts {
  readonly store: Pick<
    BackfillStore,
    | 'streamedWithin'
    | 'lastListed'
    | 'knownJobs'
    | 'hasFinalsDue'
    | 'closingIvs'
    | 'writeDailyMetrics'
  >
  readonly jobs: () => Jobs
  readonly master: () => InstrumentMaster
  readonly isMine: (symbol: string) => boolean
  readonly calendar: MarketCalendar
  readonly marketNowMs: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** What is read of one series on one day. */
interface Part {
  readonly id: string
  readonly symbol: string
  readonly expiry: string | null
  readonly window: Interval
  readonly instruments: Instrument[]
  /** Those that are not listed any more. */
  readonly unlisted: Instrument[]
}

export class Settling {
  readonly #parts: SettlingParts
  /** Moments that were seen to, as `date kind atMs`. */
  readonly #done = new Set<string>()

  constructor(parts: SettlingParts) {
    this.#parts = parts
  }

  /** Makes the jobs of every moment that has come. Rejects while the store is away. */
  async look(): Promise<void> {
    const { calendar } = this.#parts
    const nowMs = this.#parts.marketNowMs()
    const today = istDate(nowMs)
    // A commodity may have traded on yesterday's holiday.
    const dates = [...new Set([calendar.previousTradingDay(today), addDays(today, -1), today])]
    for (const moment of dates.flatMap((date) => momentsOf(date, calendar))) {
      const key = `${moment.date} ${moment.kind} ${moment.atMs}`
      const isOver = moment.kind === 'opening' && moment.date !== today
      if (moment.atMs > nowMs || isOver || this.#done.has(key)) continue
      await this.#open(moment, nowMs)
      this.#done.add(key)
    }
    this.#forget(dates)
  }

  /** What ends a settled series: its day's row, once its final values stand. */
  readonly close = async (job: Job): Promise<boolean> => {
    const { store, master } = this.#parts
    const { symbol, expiry, fromMs, toMs, unlisted } = job.spec
    if (symbol === null) return true
    if (await store.hasFinalsDue(symbol, expiry, { fromMs, toMs })) return false
    const date = istDate(fromMs)
    if (unlisted.length > 0) this.#sayUnlisted(job, date)
    if (expiry === null) return true
    const index = master().index(symbol) ?? null
    const instruments = [...job.spec.instruments, ...(await store.lastListed(unlisted))]
    const minutes = this.#sessionMinutes(instruments, date)
    const ivs = await store.closingIvs(symbol, { fromMs, toMs })
    const iv = (days: number) =>
      constantMaturityIv(this.#points(ivs, instruments, toMs), days / 365)
    await store.writeDailyMetrics(
      { symbol, expiry, date, fromMs, toMs, index, minutes },
      { iv7d: iv(7), iv30d: iv(30) },
    )
    return true
  }

  #sayUnlisted(job: Job, date: string): void {
    const { symbol, expiry, instruments, unlisted } = job.spec
    const all = instruments.length + unlisted.length
    job.error = `${unlisted.length} of ${all} instruments were not listed any more and could not be settled; their bars stay as they were`
    const fields = { date, symbol, expiry, not_listed: unlisted.length, instruments: all }
    this.#parts.log.warn(fields, 'Not settled: not listed any more')
  }

  /** How many bars its instruments were to have, all together. */
  #sessionMinutes(instruments: readonly Instrument[], date: string): number {
    return instruments.reduce((sum, instrument) => {
      const session = sessionOn(instrument, date, this.#parts.calendar)
      return session === undefined ? sum : sum + (session.closeMs - session.openMs) / MINUTE_MS
    }, 0)
  }

  #points(
    ivs: readonly ClosingIv[],
    [first]: readonly Instrument[],
    atMs: number,
  ): MaturityPoint[] {
    const segment = first?.segment ?? 'NFO'
    return ivs.map(({ expiry, iv }) => {
      return { iv, years: yearsToExpiry(expiry, atMs, this.#parts.calendar, segment) }
    })
  }

  async #open(moment: DayMoment, nowMs: number): Promise<void> {
    const { store, master, log } = this.#parts
    const jobs = this.#parts.jobs()
    const names = await store.streamedWithin(moment.window)
    const { instruments, unlisted } = resolve(names, master())
    const gone = moment.kind === 'settle' ? await store.lastListed(unlisted) : []
    const parts = this.#partsOf(moment, instruments, gone, nowMs)
    const known = new Set(await store.knownJobs(parts.map(({ id }) => id)))
    const fresh = parts.filter(({ id }) => !known.has(id) && !jobs.has(id))
    for (const { window, ...part } of fresh) {
      jobs.open({
        kind: moment.kind,
        scope: 'series',
        reason: moment.date,
        requestedBy: null,
        ...part,
        ...window,
      })
    }
    if (fresh.length === 0) return
    const { kind, date } = moment
    const fields = { kind, date, series: fresh.length, not_listed: unlisted.length }
    log.info(fields, 'Reading the broker’s last word on the day')
  }

  /** The underlying's own part, and one for each expiry; those only whose time has come. */
  #partsOf(
    moment: DayMoment,
    listed: readonly Instrument[],
    gone: readonly Instrument[],
    nowMs: number,
  ): Part[] {
    const { calendar, isMine } = this.#parts
    const parts = new Map<string, Part>()
    const isGone = new Set(gone)
    for (const instrument of [...listed, ...gone]) {
      const { symbol, expiry } = instrument
      const session = sessionOn(instrument, moment.date, calendar)
      if (session === undefined || !isBackfilled(instrument) || !isMine(symbol)) continue
      const { openMs, closeMs } = session
      const isTime =
        moment.kind === 'settle'
          ? nowMs >= closeMs + SETTLE_AFTER_CLOSE_MS
          : nowMs >= openMs + OPENING_READ_AFTER_MS && nowMs < closeMs
      if (!isTime) continue
      const id = `${moment.kind}-${moment.date}-${symbol}-${expiry ?? 'underlying'}`
      const toMs = moment.kind === 'settle' ? closeMs : openMs + OPENING_MINUTES * MINUTE_MS
      const window = { fromMs: openMs, toMs }
      const part = parts.get(id) ?? {
        ...{ id, symbol, expiry, window },
        ...{ instruments: [], unlisted: [] },
      }
      parts.set(id, part)
      part[isGone.has(instrument) ? 'unlisted' : 'instruments'].push(instrument)
    }
    return [...parts.values()]
  }

  #forget(dates: readonly string[]): void {
    for (const key of this.#done) {
      if (!dates.some((date) => key.startsWith(date))) this.#done.delete(key)
    }
  }
}
