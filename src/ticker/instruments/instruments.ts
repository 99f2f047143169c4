/**
 * The day's instrument master: loaded from the broker at the start and again on every trading day at
 * 08:30, kept on disk for a start without the broker, and versioned in the store.
 *
 * A token is good only with the dump of its day, since the exchange reuses them: a copy of another
 * day is used only where the broker does not answer.
 */
import type { RefreshMetadata } from '../../contract/events.ts'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { parseInstruments } from '../../kite/instruments.ts'
import { TICKER_BROKER_RETRY_FIRST_MS, TICKER_BROKER_RETRY_MAX_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { diffInstruments, InstrumentMaster } from '../../market/instrument-master.ts'
import { istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { type CopiedDump, DumpCopy } from './dump-copy.ts'

export interface InstrumentsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly calendar: MarketCalendar
  readonly marketTimeMs: () => number
  /** The dump as the broker writes it. Rejects with a `KiteError`. */
  readonly fetchDump: () => Promise<string>
  readonly copyPath: string
  /** Another dump holds, which differs from the one before; at the start from none. */
  readonly onRefreshed: (news: RefreshMetadata) => void
  /** Every dump that was loaded, changed or not. */
  readonly onLoaded: (master: InstrumentMaster, date: string) => void
}

const BACKOFF = { firstMs: TICKER_BROKER_RETRY_FIRST_MS, capMs: TICKER_BROKER_RETRY_MAX_MS }
/** When the exchange's lists of the day are complete at the broker. */
const DUMP_MINUTE = 8 * 60 + 30
/** A dump with fewer of the former contracts than this share is broken, whatever it says. */
const LEAST_KEPT_SHARE = 0.5

export class Instruments {
  readonly #deps: InstrumentsDeps
  readonly #copy: DumpCopy
  #master = new InstrumentMaster([])
  /** Market time at which the broker gave the dump; undefined while there is none. */
  #fetchedAtMs: number | undefined
  /** True where the master comes from the copy. */
  #isCopy = false
  #lastError: string | null = null
  #attempt = 0
  #loading: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  #isStopped = false

  constructor(deps: InstrumentsDeps) {
    this.#deps = deps
    this.#copy = new DumpCopy(deps.copyPath)
  }

  get master(): InstrumentMaster {
    return this.#master
  }

  /** IST date of the dump; undefined while there is none. */
  get date(): string | undefined {
    return this.#fetchedAtMs === undefined ? undefined : istDate(this.#fetchedAtMs)
  }

  /** Why the dump of today could not be had; null where it was. */
  get lastError(): string | null {
    return this.#lastError
  }

  /**
   * Loads a master. With a copy that is not old the broker is not waited for; else it is, and where it does
   * not answer whatever copy there is is used while it is asked again and again.
   */
  async start(): Promise<void> {
    const copy = await this.#readCopy()
    if (copy !== undefined && copy.fetchedAtMs >= this.#dueSinceMs) {
      this.#use(copy.text, copy.fetchedAtMs, true)
      void this.#load()
      return
    }
    await this.#load()
    if (this.#fetchedAtMs !== undefined || copy === undefined) return
    this.#deps.log.warn({ date: istDate(copy.fetchedAtMs) }, 'Instruments of an older day are used')
    this.#use(copy.text, copy.fetchedAtMs, true)
  }

  /** Once a minute: gets the dump of a new trading day. */
  check(): void {
    if (this.#cancelRetry !== undefined) return
    if ((this.#fetchedAtMs ?? 0) < this.#dueSinceMs) void this.#load()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    await this.#loading
  }

  get #today(): string {
    return istDate(this.#deps.marketTimeMs())
  }

  /** A dump that was fetched before this instant is an old one: the last 08:30 of a trading day. */
  get #dueSinceMs(): number {
    const { calendar, marketTimeMs } = this.#deps
    const today = this.#today
    const dumpMs = dumpTimeMs(today)
    if (calendar.isTradingDay(today) && marketTimeMs() >= dumpMs) return dumpMs
    return dumpTimeMs(calendar.previousTradingDay(today))
  }

  /** Never rejects: what goes wrong is tried again later. */
  #load(): Promise<void> {
    this.#loading ??= this.#tryLoad().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #tryLoad(): Promise<void> {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    const fetchedAtMs = this.#deps.marketTimeMs()
    try {
      const text = await this.#deps.fetchDump()
      if (this.#isStopped) return
      const fault = this.#use(text, fetchedAtMs, false)
      if (fault !== undefined) throw new Error(fault)
      this.#attempt = 0
      this.#lastError = null
      await this.#copy.write({ fetchedAtMs, text })
    } catch (error) {
      this.#retryLater(error)
    }
  }

  #retryLater(error: unknown): void {
    if (this.#isStopped) return
    const { clock, log, random } = this.#deps
    this.#lastError = error instanceof Error ? error.message : String(error)
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt++, random)
    log.warn({ err: error, retry_in_ms: Math.round(delayMs) }, 'Instruments could not be loaded')
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#cancelRetry = undefined
      void this.#load()
    })
  }

  async #readCopy(): Promise<CopiedDump | undefined> {
    try {
      return await this.#copy.read()
    } catch (error) {
      this.#deps.log.error({ err: error }, 'Instruments on disk cannot be read')
      return undefined
    }
  }

  /** Makes a dump the master; returns why not, where it is none. */
  #use(text: string, fetchedAtMs: number, isCopy: boolean): string | undefined {
    const { log } = this.#deps
    const dump = parseInstruments(text)
    if (!dump.ok) return dump.message
    const { instruments, malformed, malformedCount } = dump
    if (malformedCount > 0) log.warn({ malformedCount, malformed }, 'Instrument rows left out')
    const before = this.#master
    const master = new InstrumentMaster(instruments)
    const diff = diffInstruments(before.instruments, master.instruments)
    const kept = before.size - diff.removed.length
    if (master.size === 0 || kept < before.size * LEAST_KEPT_SHARE) {
      return `the dump has ${master.size} instruments and only ${kept} of ${before.size} known ones`
    }
    this.#master = master
    this.#fetchedAtMs = fetchedAtMs
    const date = istDate(fetchedAtMs)
    this.#isCopy = isCopy
    log.info({ date, instruments: master.size, is_copy: isCopy }, 'Instruments loaded')
    this.#deps.onLoaded(master, date)
    const isChanged = diff.added.length + diff.removed.length + diff.changed.length > 0
    const counts = { added: diff.added.length, removed: diff.removed.length }
    if (isChanged) this.#deps.onRefreshed({ ...counts, date })
    return undefined
  }

  /** Whether the master in use is the one that the broker sent, not a copy. */
  get isFromBroker(): boolean {
    return this.#fetchedAtMs !== undefined && !this.#isCopy
  }
}

function dumpTimeMs(date: string): number {
  return startOfDateMs(date) + DUMP_MINUTE * MINUTE_MS
}
