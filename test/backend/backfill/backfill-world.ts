/**
 * A backfill manager in a world of its own: a clock that the test moves, a broker that knows every
 * minute, a writer whose candles are coverage at once, and a store that may be away.
 */

import {
  BackfillManager,
  type BackfillParts,
} from '../../../src/backend/backfill/backfill-manager.ts'
import { backfillMetrics } from '../../../src/backend/backfill/backfill-metrics.ts'
import { keyOf, nameOf } from '../../../src/backend/backfill/job.ts'
import type {
  BackfillStore,
  ClosedGap,
  ClosingIv,
  DayFigures,
  DaySeries,
  GapEnd,
  InstrumentName,
  StoredJob,
} from '../../../src/backend/backfill/ports.ts'
import type {
  CandleBatch,
  CandleOutcome,
  CandleWriter,
} from '../../../src/backend/candles/candle-writer.ts'
import type { CoverageRow } from '../../../src/backend/ports.ts'
import type { HistoryAnswer } from '../../../src/backend/tickers/history-answer.ts'
import type { SubscriptionRow, WaitOptions } from '../../../src/backend/tickers/ticker-client.ts'
import type { FlagName } from '../../../src/contract/api/flags.ts'
import type { Log } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { exchangeCalendar, type MarketCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { intervalsOf, minutesOf } from '../../../src/market/missing-minutes.ts'
import { type Interval, sessionsWithin } from '../../../src/market/session-time.ts'
import { SteppedClock } from '../api/stepped-clock.ts'
import { ALL } from '../scenario.ts'

/** Broker's candles are final so long after their end. */
const SETTLE_MS = 15_000

export interface Asked {
  readonly tradingsymbol: string
  readonly fromMs: number
  readonly toMs: number
  readonly options: WaitOptions
  readonly atMs: number
}

export class FakeTicker {
  readonly asked: Asked[] = []
  /** What every answer takes; 0 = the same turn. */
  answerMs = 0
  /** Thrown instead of an answer. */
  fault: ((asked: Asked) => Error | undefined) | undefined
  /** Minutes of which the broker has a candle. */
  hasCandle: (tradingsymbol: string, minuteMs: number) => boolean = () => true
  /** Changes an answer on its way. */
  damage: ((answer: HistoryAnswer, nth: number) => HistoryAnswer) | undefined
  active: readonly Instrument[] = []
  listFault: Error | undefined
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  historiesPerSecond = 3

  standing = async () => {
    const { historiesPerSecond } = this
    return { roomForNew: 0, marketTimeMs: undefined, historiesPerSecond }
  }

  listSubscriptions = async (): Promise<readonly SubscriptionRow[]> => {
    if (this.listFault !== undefined) throw this.listFault
    return this.active.map(({ exchange, tradingsymbol, token }) => {
      return { exchange, tradingsymbol, instrument_token: token } as SubscriptionRow
    })
  }

  history = async (
    token: number,
    fromMs: number,
    toMs: number,
    options: WaitOptions,
  ): Promise<HistoryAnswer> => {
    const { master, marketNowMs, clock, calendar } = this.#world
    const instrument = master.byToken(token)
    if (instrument === undefined) throw new Error(`nobody listed has the token ${token}`)
    const { tradingsymbol } = instrument
    const asked = { tradingsymbol, fromMs, toMs, options, atMs: clock.elapsedMs() }
    const nth = this.asked.push(asked)
    if (this.answerMs > 0) await this.#wait(options.signal)
    const fault = this.fault?.(asked)
    if (fault !== undefined) throw fault
    const finalUntilMs = Math.floor((marketNowMs() - SETTLE_MS) / MINUTE_MS) * MINUTE_MS
    const window = { fromMs, toMs: Math.min(toMs + MINUTE_MS, finalUntilMs) }
    const minutes = minutesOf(sessionsWithin(instrument, window, calendar))
    const candles = minutes
      .filter((minuteMs) => this.hasCandle(tradingsymbol, minuteMs))
      .map((minuteMs) => ({ minuteMs, open: 1, high: 2, low: 1, close: 2, volume: 65, oi: null }))
    const answer = { candles, finalUntilMs }
    return this.damage?.(answer, nth) ?? answer
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#world.clock.after(this.answerMs, resolve)
      signal?.addEventListener('abort', () => {
        cancel()
        reject(new Error('given up'))
      })
    })
  }
}

/** The store's part, in memory. */
export class MemoryStore implements BackfillStore {
  isAway = false
  readonly rows: CoverageRow[] = []
  readonly jobs = new Map<string, StoredJob>()
  readonly gaps: ClosedGap[] = []
  readonly ended = new Map<string, GapEnd>()
  names: readonly InstrumentName[] = []
  /** What was ever listed. */
  everListed: readonly Instrument[] = ALL

  async #here<T>(value: () => T): Promise<T> {
    if (this.isAway) throw new StoreAway('the store is away')
    return value()
  }

  coverage = (names: readonly InstrumentName[], { fromMs, toMs }: Interval) => {
    const keys = new Set(names.map(keyOf))
    const isMeant = (row: CoverageRow) =>
      keys.has(keyOf(row)) && row.fromMs < toMs && row.toMs > fromMs
    return this.#here(() => this.rows.filter(isMeant))
  }
  streamedWithin = ({ fromMs, toMs }: Interval) =>
    this.#here(() => {
      const isMeant = (row: CoverageRow) =>
        row.source === 'live' && row.fromMs < toMs && row.toMs > fromMs
      const streamed = this.rows.filter(isMeant).map(nameOf)
      return [...new Map(streamed.map((name) => [keyOf(name), name])).values()]
    })
  subscribed = () => this.#here(() => this.names)
  lastListed = (names: readonly InstrumentName[]) =>
    this.#here(() => {
      const keys = new Set(names.map(keyOf))
      return this.everListed.filter((instrument) => keys.has(keyOf(instrument)))
    })
  saveJobs = (jobs: readonly StoredJob[]) =>
    this.#here(() => {
      for (const job of jobs) this.jobs.set(job.id, structuredClone(job))
    })
  unfinishedJobs = () =>
    this.#here(() =>
      [...this.jobs.values()].filter(({ status }) => status === 'queued' || status === 'running'),
    )
  newestJobs = () => this.#here(() => [...this.jobs.values()].reverse())
  knownJobs = (ids: readonly string[]) => this.#here(() => ids.filter((id) => this.jobs.has(id)))
  forgetJobs = () => this.#here(() => undefined)
  closedGaps = () => this.#here(() => this.gaps.filter(({ id }) => !this.ended.has(id)))
  endGap = ({ id }: { readonly id: string }, end: GapEnd) =>
    this.#here(() => {
      this.ended.set(id, end)
    })
  finalsDue = false
  readonly days: { readonly day: DaySeries; readonly figures: DayFigures }[] = []
  hasFinalsDue = () => this.#here(() => this.finalsDue)
  closingIvs = () => this.#here((): ClosingIv[] => [])
  writeDailyMetrics = (day: DaySeries, figures: DayFigures) =>
    this.#here(() => {
      this.days.push({ day, figures })
    })
}

export class StoreAway extends Error {}

export class FakeWriter implements CandleWriter {
  readonly batches: CandleBatch[] = []
  /** Minutes that are still open in the log. */
  isTooEarly: (minuteMs: number) => boolean = () => false
  readonly #store: MemoryStore

  constructor(store: MemoryStore) {
    this.#store = store
  }

  write = async (batch: CandleBatch): Promise<CandleOutcome> => {
    this.batches.push(batch)
    const minutes = batch.candles.map(({ minuteMs }) => minuteMs)
    const tooEarly = minutes.filter((minuteMs) => this.isTooEarly(minuteMs))
    const written = minutes.filter((minuteMs) => !this.isTooEarly(minuteMs))
    this.cover(batch.instrument, 'broker', written)
    this.cover(batch.instrument, 'none', batch.none)
    return { written: written.length + batch.none.length, tooEarly, kept: 0 }
  }

  cover(
    { exchange, tradingsymbol }: Instrument,
    source: CoverageRow['source'],
    minutes: readonly number[],
  ): void {
    for (const { fromMs, toMs } of intervalsOf(minutes)) {
      this.#store.rows.push({ exchange, tradingsymbol, fromMs, toMs, source, mode: null })
    }
  }

  /** All minutes that were written of an instrument, ascending, each once. */
  minutesOf(instrument: Instrument): number[] {
    const minutes = this.batches
      .filter((batch) => keyOf(batch.instrument) === keyOf(instrument))
      .flatMap(({ candles, none }) => [...candles.map(({ minuteMs }) => minuteMs), ...none])
    return minutes.sort((a, b) => a - b)
  }
}

export interface Said {
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class World {
  readonly clock: SteppedClock
  readonly calendar: MarketCalendar
  readonly store: MemoryStore
  readonly ticker: FakeTicker
  readonly writer: FakeWriter
  readonly said: Said[] = []
  readonly metrics = new Metrics({ processDefaults: false })
  readonly off = new Set<FlagName>()
  master = new InstrumentMaster(ALL)
  lookbackMinutes = 120
  spot: number | undefined = 24_500
  /** Nothing was read of the log yet. */
  isLogEmpty = false
  readonly #startMs: number
  readonly #listeners: ((name: FlagName, on: boolean) => void)[] = []

  constructor(startMs: number, calendar = exchangeCalendar(), store = new MemoryStore()) {
    this.#startMs = startMs
    this.clock = new SteppedClock(startMs)
    this.calendar = calendar
    this.store = store
    this.ticker = new FakeTicker(this)
    this.writer = new FakeWriter(store)
  }

  readonly marketNowMs = (): number => this.#startMs + this.clock.elapsedMs()

  manager(other: Partial<BackfillParts> = {}): BackfillManager {
    const { clock, calendar, store, ticker, writer, marketNowMs } = this
    return new BackfillManager({
      tickers: ticker,
      writer,
      store,
      calendar,
      marketNowMs,
      logTimeMs: () => (this.isLogEmpty ? 0 : marketNowMs()),
      clock,
      random: () => 0.5,
      log: this.#log(),
      metrics: backfillMetrics(this.metrics),
      flags: {
        isOn: (name) => !this.off.has(name),
        onChange: (listener) => {
          this.#listeners.push(listener)
          return () => undefined
        },
      },
      master: () => this.master,
      partitions: [0],
      isMine: () => true,
      priceOf: () => this.spot,
      isStoreAway: (error) => error instanceof StoreAway,
      intervalMs: 300_000,
      lookbackMinutes: this.lookbackMinutes,
      ...other,
    })
  }

  switch(name: FlagName, on: boolean): void {
    if (on) this.off.delete(name)
    else this.off.add(name)
    for (const listener of this.#listeners) listener(name, on)
  }

  /** Streams an instrument from now on. */
  stream({ exchange, tradingsymbol }: Instrument, fromMs = this.marketNowMs()): void {
    const toMs = Number.POSITIVE_INFINITY
    this.store.rows.push({ exchange, tradingsymbol, fromMs, toMs, source: 'live', mode: 'full' })
  }

  /** Lets time pass in small steps, and whatever it sets off happen in between. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left))
      await happen()
    }
  }

  messages(text: string): Said[] {
    return this.said.filter(({ message }) => message === text)
  }

  #log(): Log {
    const write = (fields: unknown, message?: string) => {
      const isText = typeof fields === 'string'
      this.said.push({
        message: isText ? fields : (message ?? ''),
        fields: isText ? {} : (fields as Said['fields']),
      })
    }
    const log: Log = {
      trace: write,
      debug: write,
      info: write,
      warn: write,
      error: write,
      fatal: write,
      child: () => log,
    }
    return log
  }
}

/** What was set off without time happens. */
export async function happen(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}
