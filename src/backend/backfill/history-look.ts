/**
 * One look at one instrument's history: what is missing by now, one request for it, what the answer
 * proves, and all of that to the writer. What cannot be known yet is handed back, with the market
 * time from which on another look is worth it.
 */
import {
  BACKFILL_AGREE_MS,
  BACKFILL_BATCH_MINUTES,
  BACKFILL_PROOF_MS,
  HISTORY_SETTLE_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import { floorToMinute, istDate, MINUTE_MS } from '../../market/ist.ts'
import { judgeAnswer, minutesOf, missingMinutes } from '../../market/missing-minutes.ts'
import { type Interval, sessionsWithin } from '../../market/session-time.ts'
import type { Candle, CandleBatch, CandleWriter } from '../candles/candle-writer.ts'
import type { CoverageRow } from '../ports.ts'
import type { TickerClient, WaitOptions } from '../tickers/ticker-client.ts'
import type { BackfillStore } from './ports.ts'

export interface LookParts {
  readonly tickers: Pick<TickerClient, 'history'>
  readonly writer: CandleWriter
  readonly store: Pick<BackfillStore, 'coverage'>
  readonly calendar: MarketCalendar
  readonly marketNowMs: () => number
  /** Market time as the log tells it; 0 where it has told none. Nothing after it can be written yet. */
  readonly logTimeMs: () => number
}

export interface Look {
  readonly instrument: Instrument
  readonly window: Interval
  readonly source: CandleBatch['source']
  /** Rather one request when all of it is final than one now and one then. */
  readonly isPatient: boolean
  /** Minutes that answers lacked before, with the market time of the first such answer. */
  readonly absentSince: ReadonlyMap<number, number>
  /** Whether more of the series is to come soon; asked when the candles are there. */
  readonly moreFollows: () => boolean
  readonly wait: WaitOptions
}

export interface Looked {
  /** Minutes written. */
  readonly rows: number
  /** Of these, those that were missing before. */
  readonly filled: readonly number[]
  /** Minutes of the window that history told before this look. */
  readonly told: number
  /** Minutes before it were final by now. */
  readonly finalUntilMs: number
  /** Whether the broker was asked. */
  readonly asked: boolean
  /** Minutes that are still not known; empty where it is through. */
  readonly rest: readonly number[]
  /** Market time from which on another look is worth it. */
  readonly againAtMs: number
  readonly absentSince: ReadonlyMap<number, number>
  /** The newest close of the answer, rupees. */
  readonly lastClose: number | undefined
}

/**
 * The broker forgets the tokens of contracts that have expired. Then an empty answer says nothing of
 * what was traded.
 */
export class HistoryGoneError extends Error {
  readonly code = 'expired'
}

/** Rejects with `HistoryGoneError`, and with what the ticker, the writer or the store rejects with. */
export async function lookAtHistory(parts: LookParts, look: Look): Promise<Looked> {
  const { instrument, source, wait } = look
  const nowMs = parts.marketNowMs()
  const trustedMs = trustedTime(parts)
  const { wanted, missing, told } = await wantedMinutes(parts, look, nowMs)
  const begun = { told, finalUntilMs: floorToMinute(nowMs - HISTORY_SETTLE_MS) }
  const asked = wanted.filter((minuteMs) => finalAt(minuteMs) <= trustedMs)
  const [firstMs] = asked
  const lastMs = asked.at(-1)
  if (firstMs === undefined || lastMs === undefined) return notYet(wanted, begun)
  if (look.isPatient && asked.length < wanted.length) return notYet(wanted, begun)
  const lastFinalMs = floorToMinute(trustedMs - HISTORY_SETTLE_MS) - MINUTE_MS
  const toMs = Math.min(lastMs + BACKFILL_PROOF_MS, lastFinalMs)
  const answer = await parts.tickers.history(instrument.token, firstMs, toMs, wait)
  if (answer.candles.length === 0 && isPast(instrument, nowMs)) {
    throw new HistoryGoneError(`the broker has nothing of ${instrument.tradingsymbol} any more`)
  }
  // It may have waited long for its turn: a second answer counts a minute after this one.
  const answeredAtMs = parts.marketNowMs()
  const answeredMs = answer.candles.map(({ minuteMs }) => minuteMs)
  const wasAbsent = (minuteMs: number) =>
    nowMs - (look.absentSince.get(minuteMs) ?? Number.POSITIVE_INFINITY) >= BACKFILL_AGREE_MS
  const verdict = judgeAnswer(wanted, answeredMs, answer.finalUntilMs, wasAbsent)
  const given = new Set(verdict.given)
  const none = verdict.none.filter((minuteMs) => missing.has(minuteMs))
  const doubtful = verdict.doubtful.filter((minuteMs) => missing.has(minuteMs))
  const open = verdict.open.filter((minuteMs) => missing.has(minuteMs) || source === 'settled')
  const candles = answer.candles.filter(({ minuteMs }) => given.has(minuteMs))
  const { rows, tooEarly } = await write(parts.writer, look, candles, none)
  const left = new Set(tooEarly)
  return {
    ...begun,
    rows,
    filled: [...given, ...none].filter((minuteMs) => missing.has(minuteMs) && !left.has(minuteMs)),
    asked: true,
    rest: [...doubtful, ...open, ...tooEarly],
    againAtMs: againAt(doubtful, [...open, ...tooEarly], answeredAtMs),
    absentSince: new Map(doubtful.map((ms) => [ms, look.absentSince.get(ms) ?? answeredAtMs])),
    lastClose: answer.candles.at(-1)?.close,
  }
}

/** Whether its last trading day is over. */
function isPast({ expiry }: Instrument, nowMs: number): boolean {
  return expiry !== null && expiry < istDate(nowMs)
}

/** Market time from which on the broker's candle of a minute can be trusted. */
export function finalAt(minuteMs: number): number {
  return minuteMs + MINUTE_MS + HISTORY_SETTLE_MS
}

/**
 * Up to here minutes can be judged and written. The log's time is the ticker's, which says what is
 * final, or a little behind it: what is asked for then is answered.
 */
export function trustedTime(parts: Pick<LookParts, 'marketNowMs' | 'logTimeMs'>): number {
  return Math.min(parts.marketNowMs(), parts.logTimeMs())
}

/** The settled day is asked for whole; else what is missing. Only minutes that have begun. */
async function wantedMinutes(parts: LookParts, look: Look, nowMs: number) {
  const { instrument, window, source } = look
  const begun = { fromMs: window.fromMs, toMs: Math.min(window.toMs, nowMs) }
  const sessions = sessionsWithin(instrument, begun, parts.calendar)
  const rows = sessions.length === 0 ? [] : await parts.store.coverage([instrument], window)
  const missing = minutesOf(
    missingMinutes(
      rows.filter((row) => isKnown(row, instrument)),
      sessions,
    ),
  )
  const wanted = source === 'settled' ? minutesOf(missingMinutes([], sessions)) : missing
  return { wanted, missing: new Set(missing), told: toldMinutes(rows, begun) }
}

/** Whether a stretch knows its minutes: live, only where volume and open interest came with it. */
export function isKnown(
  { source, mode }: CoverageRow,
  { kind }: Pick<Instrument, 'kind'>,
): boolean {
  if (source !== 'live') return true
  return mode === 'full' || (kind === 'index' && mode === 'quote')
}

/** Minutes of the window that begin in a stretch which the broker's history tells of. */
function toldMinutes(rows: readonly CoverageRow[], window: Interval): number {
  const told = rows.filter(({ source }) => source !== 'live')
  return told.reduce((sum, row) => {
    const fromMs = floorToMinute(Math.max(row.fromMs, window.fromMs))
    return sum + Math.max(0, Math.ceil((Math.min(row.toMs, window.toMs) - fromMs) / MINUTE_MS))
  }, 0)
}

function notYet(wanted: readonly number[], begun: Pick<Looked, 'told' | 'finalUntilMs'>): Looked {
  return {
    ...begun,
    rows: 0,
    filled: [],
    asked: false,
    rest: wanted,
    againAtMs: againAt([], wanted, 0),
    absentSince: new Map(),
    lastClose: undefined,
  }
}

/** Late enough for all of them, so that one more request is enough. */
function againAt(doubtful: readonly number[], open: readonly number[], nowMs: number): number {
  const agreedAtMs = doubtful.length > 0 ? nowMs + BACKFILL_AGREE_MS : 0
  return open.reduce((atMs, minuteMs) => Math.max(atMs, finalAt(minuteMs)), agreedAtMs)
}

interface Written {
  readonly rows: number
  readonly tooEarly: readonly number[]
}

/** In batches of bounded size; of a batch the minutes without a candle lie among its candles. */
async function write(
  writer: CandleWriter,
  look: Look,
  candles: readonly Candle[],
  none: readonly number[],
): Promise<Written> {
  let rows = 0
  const tooEarly: number[] = []
  const batches = batchesOf(candles, none)
  for (const [i, { candles: some, none: without }] of batches.entries()) {
    const isLast = i === batches.length - 1
    const batch: CandleBatch = {
      instrument: look.instrument,
      source: look.source,
      candles: some,
      none: without,
      moreFollows: !isLast || look.moreFollows(),
    }
    const outcome = await writer.write(batch)
    rows += outcome.written
    tooEarly.push(...outcome.tooEarly)
  }
  return { rows, tooEarly }
}

function batchesOf(candles: readonly Candle[], none: readonly number[]) {
  const minutes = [...candles.map(({ minuteMs }) => minuteMs), ...none].sort((a, b) => a - b)
  const batches: { candles: Candle[]; none: number[] }[] = []
  for (let begin = 0; begin < minutes.length; begin += BACKFILL_BATCH_MINUTES) {
    const fromMs = minutes[begin] ?? 0
    const nextMs = minutes[begin + BACKFILL_BATCH_MINUTES] ?? Number.POSITIVE_INFINITY
    const isWithin = (minuteMs: number) => minuteMs >= fromMs && minuteMs < nextMs
    batches.push({
      candles: candles.filter(({ minuteMs }) => isWithin(minuteMs)),
      none: none.filter(isWithin),
    })
  }
  return batches
}
