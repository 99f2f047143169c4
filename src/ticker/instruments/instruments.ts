/**
 * The day's instrument master: loaded from the broker at the start and again on every trading day at
 * 08:30, kept on disk for a start without the broker, and versioned in the store.
 *
 * A dump is read in slices, so that live ticks do not wait for it, and one that is cut off or lacks
 * what must be there is not taken: the former master stays, and the broker is asked again.
 *
 * A token is good only with the dump of its day, since the exchange reuses them: a copy of another
 * day is used only where the broker does not answer.
 */
import type { RefreshMetadata } from '../../contract/events.ts'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { runInSlices } from '../../kit/slices.ts'
import { type MalformedRow, parseInSteps } from '../../kite/instruments.ts'
import {
  TICKER_BROKER_RETRY_FIRST_MS,
  TICKER_BROKER_RETRY_MAX_MS,
  TICKER_DUMP_SLICE_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { diffInSteps } from '../../market/instrument-diff.ts'
import { InstrumentMaster } from '../../market/instrument-master.ts'
import { istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import type { Steps } from '../../market/steps.ts'
import { dumpFault } from './dump-check.ts'
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
  /** Another dump holds. What it adds and removes is against the one before, at the start against none. */
  readonly onLoaded: (loaded: LoadedDump) => void
}

export interface LoadedDump {
  readonly master: InstrumentMaster
  readonly refresh: RefreshMetadata
  /** It differs from the one before. */
  readonly isChanged: boolean
}

const BACKOFF = { firstMs: TICKER_BROKER_RETRY_FIRST_MS, capMs: TICKER_BROKER_RETRY_MAX_MS }
/** When the exchange's lists of the day are complete at the broker. */
const DUMP_MINUTE = 8 * 60 + 30

export class Instruments {
  readonly #deps: InstrumentsDeps
  readonly #copy: DumpCopy
  #master = new InstrumentMaster([])
  /** The last dump that was whole, if only that of another day: what a new one is held against. */
  #former = this.#master
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
      const fault = await this.#use(copy.text, copy.fetchedAtMs, true)
      if (fault === undefined) {
        void this.#load()
        return
      }
      this.#deps.log.error({ reason: fault }, 'Instruments on disk cannot be used')
    }
    if (copy !== undefined) await this.#hold(copy)
    await this.#load()
    if (this.#fetchedAtMs !== undefined || copy === undefined) return
    this.#deps.log.warn({ date: istDate(copy.fetchedAtMs) }, 'Instruments of an older day are used')
    await this.#use(copy.text, copy.fetchedAtMs, true)
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
      const fault = await this.#use(text, fetchedAtMs, false)
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

  /** A dump of another day is not used, but tells how many instruments there must be. */
  async #hold({ text, fetchedAtMs }: CopiedDump): Promise<void> {
    const none = this.#former
    const steps = readInSteps(text, none, none, istDate(fetchedAtMs))
    const read = await runInSlices(steps, this.#deps.clock, TICKER_DUMP_SLICE_MS)
    if ('loaded' in read) this.#former = read.loaded.master
  }

  /** Makes a dump the master; resolves with why not, where it is none. */
  async #use(text: string, fetchedAtMs: number, isCopy: boolean): Promise<string | undefined> {
    const { clock, log, onLoaded } = this.#deps
    const date = istDate(fetchedAtMs)
    const read = await runInSlices(
      readInSteps(text, this.#master, this.#former, date),
      clock,
      TICKER_DUMP_SLICE_MS,
    )
    if ('fault' in read) return read.fault
    if (this.#isStopped) return undefined
    const { malformed, malformedCount, loaded } = read
    if (malformedCount > 0) log.warn({ malformedCount, malformed }, 'Instrument rows left out')
    this.#master = loaded.master
    this.#former = loaded.master
    this.#fetchedAtMs = fetchedAtMs
    this.#isCopy = isCopy
    log.info({ date, instruments: loaded.master.size, is_copy: isCopy }, 'Instruments loaded')
    onLoaded(loaded)
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

type ReadDump =
  | { readonly fault: string }
  | {
      readonly loaded: LoadedDump
      readonly malformed: readonly MalformedRow[]
      readonly malformedCount: number
    }

function* readInSteps(
  text: string,
  before: InstrumentMaster,
  former: InstrumentMaster,
  date: string,
): Steps<ReadDump> {
  const dump = yield* parseInSteps(text)
  if (!dump.ok) return { fault: dump.message }
  const master = yield* InstrumentMaster.inSteps(dump.instruments)
  const diff = yield* diffInSteps(before, master)
  const { added, changed, removed } = diff
  const lacking = former === before ? diff : yield* diffInSteps(former, master)
  const { isCutOff } = dump
  const fault = dumpFault({ former, after: master, removed: lacking.removed, date, isCutOff })
  if (fault !== undefined) return { fault }
  const isChanged = added.length + changed.length + removed.length > 0
  const refresh = { added: added.length, removed: removed.length, date }
  const { malformed, malformedCount } = dump
  return { loaded: { master, refresh, isChanged }, malformed, malformedCount }
}
