/**
 * The look that comes round every few minutes: of all instruments that are subscribed, what is still
 * missing of the last hours. It never overlaps itself and asks for nothing that is on its way already.
 */
import type { Log } from '../../kit/log.ts'
import { HISTORY_SETTLE_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { floorToMinute } from '../../market/ist.ts'
import { missingMinutes } from '../../market/missing-minutes.ts'
import { sessionsWithin, sessionTimeBack } from '../../market/session-time.ts'
import type { CoverageRow } from '../ports.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'
import { isBackfilled } from './find-instrument.ts'
import { isKnown } from './history-look.ts'
import { keyOf, resolve } from './job.ts'
import type { Jobs } from './jobs.ts'
import type { BackfillStore, InstrumentName } from './ports.ts'

/** Names of one read of coverage. */
const NAMES_PER_READ = 1_000

export interface PeriodicParts {
  readonly store: Pick<BackfillStore, 'coverage' | 'streamedWithin' | 'subscribed'>
  readonly tickers: Pick<TickerClient, 'listSubscriptions'>
  readonly jobs: Jobs
  readonly master: () => InstrumentMaster
  readonly isMine: (symbol: string) => boolean
  readonly isSubscriptionAware: () => boolean
  readonly calendar: MarketCalendar
  readonly marketNowMs: () => number
  readonly lookbackMinutes: number
  readonly log: Pick<Log, 'info' | 'warn'>
}

export class Periodic {
  readonly #parts: PeriodicParts
  #isRunning = false

  constructor(parts: PeriodicParts) {
    this.#parts = parts
  }

  /** Rejects while the store is away. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#isRunning || this.#isUnderWay()) return
    this.#isRunning = true
    try {
      await this.#run(signal)
    } finally {
      this.#isRunning = false
    }
  }

  #isUnderWay(): boolean {
    for (const { spec, isEnded } of this.#parts.jobs.all()) {
      if (spec.kind === 'periodic' && !isEnded) return true
    }
    return false
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { jobs, log, isMine, master } = this.#parts
    const untilMs = this.#untilMs()
    const subscribed = await this.#subscribed(signal)
    const names = subscribed ?? (await this.#known(untilMs))
    const all = resolve(names, master()).instruments.filter(
      (instrument) => isBackfilled(instrument) && isMine(instrument.symbol),
    )
    const awaited = jobs.awaitedKeys()
    const groups = this.#bySpan(
      all.filter((instrument) => !awaited.has(keyOf(instrument))),
      untilMs,
    )
    let lacking = 0
    for (const [fromMs, instruments] of groups) {
      const some = await this.#lacking(instruments, fromMs, untilMs)
      if (signal.aborted) return
      lacking += some.length
      if (some.length > 0) this.#open(some, fromMs, untilMs)
    }
    const what = subscribed === undefined ? 'known' : 'subscribed'
    log.info({ lacking }, `Backfilling ${all.length} ${what} instruments`)
  }

  /** Nothing after it is final yet. */
  #untilMs(): number {
    return floorToMinute(this.#parts.marketNowMs() - HISTORY_SETTLE_MS)
  }

  /** What the ticker streams; undefined where it does not say, or need not be asked. */
  async #subscribed(signal: AbortSignal): Promise<readonly InstrumentName[] | undefined> {
    const { tickers, log, isSubscriptionAware } = this.#parts
    if (!isSubscriptionAware()) return undefined
    try {
      const rows = await tickers.listSubscriptions({ status: 'active' }, signal)
      log.info({}, `Found ${rows.length} active subscriptions from ticker service`)
      if (rows.length > 0) return rows
      log.info({}, 'No active subscriptions found, using metadata-based backfill')
    } catch (err) {
      if (signal.aborted) throw err
      log.warn({ err }, 'No active subscriptions found, using metadata-based backfill')
    }
    return undefined
  }

  /** What the store knows as subscribed, or as streamed within the lookback. */
  async #known(untilMs: number): Promise<readonly InstrumentName[]> {
    const { store } = this.#parts
    const window = { fromMs: this.#fromMs(INDEX, untilMs), toMs: untilMs }
    const names = [...(await store.subscribed()), ...(await store.streamedWithin(window))]
    return [...new Map(names.map((name) => [keyOf(name), name])).values()]
  }

  /** Segments open at different hours, so the lookback begins at different instants. */
  #bySpan(instruments: readonly Instrument[], untilMs: number): Map<number, Instrument[]> {
    const starts = new Map<string, number>()
    const groups = new Map<number, Instrument[]>()
    for (const instrument of instruments) {
      const key = `${instrument.segment} ${instrument.expiry}`
      const fromMs = starts.get(key) ?? this.#fromMs(instrument, untilMs)
      starts.set(key, fromMs)
      const group = groups.get(fromMs)
      if (group === undefined) groups.set(fromMs, [instrument])
      else group.push(instrument)
    }
    return groups
  }

  #fromMs(instrument: Pick<Instrument, 'segment' | 'expiry'>, untilMs: number): number {
    const { calendar, lookbackMinutes } = this.#parts
    return sessionTimeBack(instrument, untilMs, lookbackMinutes, calendar)
  }

  async #lacking(
    instruments: readonly Instrument[],
    fromMs: number,
    untilMs: number,
  ): Promise<Instrument[]> {
    const window = { fromMs, toMs: untilMs }
    const lacking: Instrument[] = []
    for (let i = 0; i < instruments.length; i += NAMES_PER_READ) {
      const some = instruments.slice(i, i + NAMES_PER_READ)
      const rows = byName(await this.#parts.store.coverage(some, window))
      for (const instrument of some) {
        const sessions = sessionsWithin(instrument, window, this.#parts.calendar)
        const known = (rows.get(keyOf(instrument)) ?? []).filter((row) => isKnown(row, instrument))
        if (missingMinutes(known, sessions).length > 0) lacking.push(instrument)
      }
    }
    return lacking
  }

  #open(instruments: readonly Instrument[], fromMs: number, toMs: number): void {
    this.#parts.jobs.open({
      kind: 'periodic',
      scope: 'instruments',
      instruments,
      symbol: null,
      expiry: null,
      fromMs,
      toMs,
      reason: null,
      requestedBy: null,
    })
  }
}

/** Whose sessions decide how far back what was streamed counts as recent. */
const INDEX = { segment: 'INDICES', expiry: null }

function byName(rows: readonly CoverageRow[]): Map<string, CoverageRow[]> {
  const groups = new Map<string, CoverageRow[]>()
  for (const row of rows) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}
