/** Kite's candle history: what may be asked, and the answer as the broker writes it. */
import { type CandleInterval, HISTORY_SPAN_DAYS, TIMEFRAME_OF } from '../kite/rest.ts'
import { DAY_MS, formatIst, istDate, MINUTE_MS, parseApiTime, SECOND_MS } from '../market/ist.ts'
import { bucketAt, rollUp } from '../market/timeframe.ts'
import { badInput } from './kite-answer.ts'
import { type Candle, dayCandle, minuteCandles } from './market/candles.ts'
import type { Contract } from './market/contract.ts'
import type { Market } from './market/market.ts'
import { dayOfMs, startOfDay } from './market/market-time.ts'

export interface HistoryRequest {
  readonly contract: Contract
  readonly interval: CandleInterval
  readonly fromMs: number
  /** Inclusive: the candle of this minute is in the answer. */
  readonly toMs: number
  readonly hasOpenInterest: boolean
  readonly isContinuous: boolean
}

/** @throws KiteRefusal of type `InputException` */
export function parseHistoryRequest(
  contract: Contract | undefined,
  intervalText: string,
  query: Readonly<Record<string, unknown>>,
): HistoryRequest {
  if (contract === undefined) throw badInput('invalid token')
  const interval = intervalText as CandleInterval
  if (!Object.hasOwn(TIMEFRAME_OF, interval)) throw badInput('invalid interval')
  const fromMs = timeOf(query['from'], 'from')
  const toMs = timeOf(query['to'], 'to')
  if (toMs < fromMs) throw badInput('`from` date is after the `to` date')
  const days = HISTORY_SPAN_DAYS[interval]
  if (toMs - fromMs > days * DAY_MS) throw badInput(`interval exceeds max limit: ${days} days`)
  const isContinuous = isOne(query['continuous'])
  if (isContinuous && (interval !== 'day' || contract.instrument.kind !== 'future')) {
    throw badInput('continuous data is for day candles of futures only')
  }
  return { contract, interval, fromMs, toMs, hasOpenInterest: isOne(query['oi']), isContinuous }
}

/** Only the broker's own form, and that with a `T`. */
const WALL_TIME = /^\d{4}-\d{2}-\d{2}/

function timeOf(value: unknown, name: string): number {
  const text = typeof value === 'string' ? value : ''
  const time = WALL_TIME.test(text) ? parseApiTime(text) : undefined
  if (time?.ok !== true) throw badInput(`invalid ${name} date`)
  return time.ms
}

function isOne(value: unknown): boolean {
  return value === '1' || value === 'true'
}

/** The candles that open from `fromMs` to `toMs`, as far as trading has come, in pieces. */
export function candlesOf(
  market: Market,
  request: HistoryRequest,
  nowMs: number,
): Generator<readonly Candle[]> {
  const { contract, interval, fromMs, toMs } = request
  if (interval === 'day') return days(market, request, nowMs)
  if (interval === 'minute') return minuteCandles(market.pastTape(contract), fromMs, toMs, nowMs)
  return rolledUp(market, request, nowMs)
}

function* days(market: Market, request: HistoryRequest, nowMs: number): Generator<Candle[]> {
  const { contract, fromMs, toMs, isContinuous } = request
  let tape = isContinuous ? undefined : market.pastTape(contract)
  for (let day = dayOfMs(fromMs + DAY_MS - 1); day <= dayOfMs(Math.min(toMs, nowMs)); day++) {
    if (isContinuous && day > (tape?.contract.lastDay ?? 0)) tape = market.frontTape(contract, day)
    const candle = tape === undefined ? undefined : dayCandle(tape, day, nowMs)
    yield candle === undefined ? [] : [candle]
  }
}

/** Day by day, since no candle crosses midnight. */
function* rolledUp(market: Market, request: HistoryRequest, nowMs: number): Generator<Candle[]> {
  const { contract, interval } = request
  const { segment } = contract.instrument
  const timeframe = TIMEFRAME_OF[interval]
  const bucket = (atMs: number) => bucketAt(timeframe, atMs, segment, market.calendar)
  const first = bucket(request.fromMs)
  const fromMs = first.startMs === request.fromMs ? first.startMs : first.endMs
  const endMs = bucket(request.toMs).endMs
  const tape = market.pastTape(contract)
  for (let day = dayOfMs(fromMs); day <= dayOfMs(Math.min(endMs - 1, nowMs)); day++) {
    const dayStartMs = startOfDay(day) * SECOND_MS
    const minutes: Candle[] = []
    const beginMs = Math.max(fromMs, dayStartMs)
    const lastMs = Math.min(endMs, dayStartMs + DAY_MS) - MINUTE_MS
    for (const piece of minuteCandles(tape, beginMs, lastMs, nowMs)) {
      minutes.push(...piece)
      yield []
    }
    // Nothing is unknown in what went in, so nothing is in what comes out.
    yield rollUp(minutes, timeframe, segment, market.calendar) as unknown as Candle[]
  }
}

/** One candle as JSON: the broker's time has an offset without a colon. */
export function candleJson(candle: Candle, hasOpenInterest: boolean): string {
  const { open, high, low, close, volume, openInterest } = candle
  const prices = `${open / 100},${high / 100},${low / 100},${close / 100}`
  const held = hasOpenInterest ? `,${openInterest}` : ''
  return `["${brokerTime(candle.timeMs)}",${prices},${volume}${held}]`
}

function brokerTime(timeMs: number): string {
  return formatIst(timeMs).replace('+05:30', '+0530')
}

/** `2026-11-23 09:15:00`, as quotes and sessions carry it. */
export function wallTime(timeMs: number): string {
  return `${istDate(timeMs)} ${formatIst(timeMs).slice(11, 19)}`
}
