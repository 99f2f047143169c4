/**
 * Sees to it that the rows of today's contracts carry the open interest of the session before. Where the
 * store has no bar of that session, as on a fresh install, the broker's day candle is asked for: one at a
 * time, in the last class of the queue, the nearest to the money first. Where the store comes to know it
 * later or otherwise (a backfill of yesterday, a day that is settled late), the rows of today follow.
 */
import { type Backoff, backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  BACKFILL_RETRY_FIRST_MS,
  BACKFILL_RETRY_MAX_MS,
  BACKFILL_TURN_TIMEOUT_MS,
  PREVIOUS_OI_IDLE_MS,
  PREVIOUS_OI_INSTRUMENTS,
  PREVIOUS_OI_LOOK_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { DAY_MS, istDate, MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { isBackfilled } from '../backfill/find-instrument.ts'
import { type PriceOf, planOf } from '../backfill/plan.ts'
import type { InstrumentBars } from '../bars/instrument-bars.ts'
import { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import type { PartitionBooks } from '../ingest/partition-books.ts'
import type { DayOiRow } from '../ports.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'
import { TickerError } from '../tickers/ticker-error.ts'

/** Contracts of one partition whose rows of a date are to carry what is known. */
export interface PreviousOiBatch {
  /** IST. */
  readonly date: string
  /** At least one. */
  readonly instruments: readonly Instrument[]
  /** What day candles told of some of them. */
  readonly dayOi: readonly DayOiRow[]
}

export interface PreviousOiWriter {
  /** Resolves when it is stored; rejects with a `CandlesNotWrittenError`. */
  write(batch: PreviousOiBatch): Promise<void>
}

export interface PreviousOiParts {
  /** Of the partitions that are written here. */
  readonly books: () => readonly Pick<PartitionBooks, 'instruments' | 'marketTimeMs'>[]
  readonly writer: PreviousOiWriter
  readonly tickers: Pick<TickerClient, 'dayCandles'>
  /** Whether history may be asked for now. */
  readonly isAsking: () => boolean
  readonly priceOf: PriceOf
  readonly calendar: MarketCalendar
  readonly clock: Clock
  readonly random: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

const RETRY: Backoff = { firstMs: BACKFILL_RETRY_FIRST_MS, capMs: BACKFILL_RETRY_MAX_MS }

export class PreviousOiKeeper {
  readonly #parts: PreviousOiParts
  readonly #stopping = new AbortController()
  /** Contracts that the broker has no candle of for a date, as `date key`. */
  readonly #absent = new Set<string>()
  #stopLooking = () => {}
  #writing: Promise<void> | undefined
  #asking: Promise<void> | undefined
  #failures = 0
  #restUntilMs = 0
  /** Nothing was to be done at the last look. */
  #idleUntilMs = 0

  constructor(parts: PreviousOiParts) {
    this.#parts = parts
  }

  start(): void {
    this.#stopLooking = this.#parts.clock.every(PREVIOUS_OI_LOOK_MS, () => this.#look())
  }

  async stop(): Promise<void> {
    this.#stopLooking()
    this.#stopping.abort()
    await this.#asking
    await this.#writing
  }

  #look(): void {
    const { clock, calendar } = this.#parts
    if (clock.elapsedMs() < this.#idleUntilMs) return
    const wanted: Wanted[] = []
    for (const { instruments, marketTimeMs } of this.#parts.books()) {
      if (marketTimeMs === null) continue
      const look = lookAt(instruments.values(), istDate(marketTimeMs), calendar)
      this.#write(look)
      wanted.push(...look.wanted)
    }
    this.#askNext(wanted)
    const isIdle = this.#writing === undefined && this.#asking === undefined
    if (isIdle) this.#idleUntilMs = clock.elapsedMs() + PREVIOUS_OI_IDLE_MS
  }

  #askNext(wanted: readonly Wanted[]): void {
    const { clock, isAsking } = this.#parts
    if (this.#asking !== undefined || !isAsking() || clock.elapsedMs() < this.#restUntilMs) return
    const next = this.#nextOf(wanted)
    if (next === undefined) return
    this.#asking = this.#ask(next).finally(() => {
      this.#asking = undefined
    })
  }

  /** What is stored is brought into the rows, some contracts at a time. */
  #write({ date, behind }: Look): void {
    if (this.#writing !== undefined || behind.length === 0) return
    const instruments = behind.slice(0, PREVIOUS_OI_INSTRUMENTS)
    this.#writing = this.#tryToWrite({ date, instruments, dayOi: [] }).finally(() => {
      this.#writing = undefined
    })
  }

  /** What could not be written is found missing again at the next look. */
  async #tryToWrite(batch: PreviousOiBatch): Promise<void> {
    try {
      await this.#parts.writer.write(batch)
    } catch (error) {
      if (!(error instanceof CandlesNotWrittenError)) throw error
      if (!error.retryable) {
        this.#parts.log.warn({ err: error }, 'Open interest of the day before is not written')
      }
    }
  }

  #nextOf(wanted: readonly Wanted[]): Wanted | undefined {
    const dates = new Set(wanted.map(({ date }) => date))
    for (const key of this.#absent) if (!dates.has(key.slice(0, 10))) this.#absent.delete(key)
    const open = wanted.filter((each) => !this.#absent.has(absentKey(each)))
    const waiting = open.map((each, arrival) => ({
      ...each,
      ...{ kind: 'on_demand' as const, isExpiring: false, arrival },
    }))
    return planOf(waiting, this.#parts.priceOf)[0]
  }

  async #ask(wanted: Wanted): Promise<void> {
    const { clock, log, random } = this.#parts
    try {
      const dayOi = await this.#dayOi(wanted)
      if (this.#failures > 0) log.info({}, 'Day candles of the session before are had again')
      this.#failures = 0
      if (dayOi === undefined) this.#absent.add(absentKey(wanted))
      else {
        const { date, instrument } = wanted
        await this.#tryToWrite({ date, instruments: [instrument], dayOi: [dayOi] })
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      if (!(error instanceof TickerError)) throw error
      if (!error.retryable) this.#absent.add(absentKey(wanted))
      else if (this.#failures === 0 && error.code !== 'rate_limited') {
        log.warn({ err: error }, 'Day candles of the session before cannot be had now')
      }
      this.#failures += error.retryable ? 1 : 0
      const restMs = error.retryable ? backoffDelayMs(RETRY, this.#failures - 1, random) : 0
      this.#restUntilMs = clock.elapsedMs() + Math.max(error.retryAfterMs ?? 0, restMs)
    }
  }

  /** Undefined where the broker has no candle of the session before. */
  async #dayOi({ instrument, session }: Wanted): Promise<DayOiRow | undefined> {
    const { exchange, tradingsymbol, token } = instrument
    const fromMs = startOfDateMs(session)
    const { candles } = await this.#parts.tickers.dayCandles(
      token,
      fromMs,
      fromMs + DAY_MS - MINUTE_MS,
      {
        priority: 'on_demand',
        timeoutMs: BACKFILL_TURN_TIMEOUT_MS,
        signal: this.#stopping.signal,
      },
    )
    const oi = candles.at(-1)?.oi ?? null
    return oi === null ? undefined : { exchange, tradingsymbol, date: session, oi }
  }
}

/** A contract whose day candle is to be asked for. */
interface Wanted {
  readonly instrument: Instrument
  /** Whose rows are to carry it. */
  readonly date: string
  /** The session before. */
  readonly session: string
}

interface Look {
  readonly date: string
  /** Contracts whose rows may not carry what is known. */
  readonly behind: readonly Instrument[]
  readonly wanted: readonly Wanted[]
}

/** Pure: what a date's contracts in memory lack. */
export function lookAt(
  instruments: Iterable<InstrumentBars>,
  date: string,
  calendar: Pick<MarketCalendar, 'isTradingDay' | 'previousTradingDay'>,
): Look {
  const behind: Instrument[] = []
  const wanted: Wanted[] = []
  const sessions = new Map<string, string | undefined>()
  const dayFromMs = startOfDateMs(date)
  for (const bars of instruments) {
    const { instrument, previousOiStored } = bars
    const { expiry, segment } = instrument
    if (expiry === null || expiry < date || !isBackfilled(instrument)) continue
    if (!sessions.has(segment)) sessions.set(segment, sessionBefore(date, segment, calendar))
    const session = sessions.get(segment)
    if (session === undefined) continue
    const known = bars.previousOi.get(date)
    const isStreamed = isStreamedOn(bars, dayFromMs)
    if (known === undefined) {
      // What has no packet yet is loaded with its first one.
      if (isStreamed && bars.isLoaded) behind.push(instrument)
      continue
    }
    const isCarried = previousOiStored?.date === date && previousOiStored.oi === known.oi
    if (known.oi !== null && !isCarried) behind.push(instrument)
    if (isStreamed && known.date !== session) wanted.push({ instrument, date, session })
  }
  return { date, behind, wanted }
}

/** Undefined on a date without one of its own. */
function sessionBefore(
  date: string,
  segment: string,
  calendar: Pick<MarketCalendar, 'isTradingDay' | 'previousTradingDay'>,
): string | undefined {
  return calendar.isTradingDay(date, segment)
    ? calendar.previousTradingDay(date, segment)
    : undefined
}

function isStreamedOn({ coverage }: InstrumentBars, fromMs: number): boolean {
  return coverage.stretches.some((s) => s.fromMs < fromMs + DAY_MS && s.toMs > fromMs)
}

function absentKey({ date, instrument: { exchange, tradingsymbol } }: Wanted): string {
  return `${date} ${instrumentKey(exchange, tradingsymbol)}`
}
