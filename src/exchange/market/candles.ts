/**
 * A contract's candles: its trades folded by minute, or by day. A minute without a trade has none,
 * as with the broker; an index has one for every minute.
 */
import { InstrumentState } from './instrument-state.ts'
import {
  DAY_S,
  dayOfMs,
  dayOfSecond,
  MINUTE_S,
  MINUTES_PER_BLOCK,
  minuteOfMs,
  secondOf,
  startOfDay,
} from './market-time.ts'
import { lotsHeld, stepOf } from './open-interest.ts'
import type { Tape } from './tape.ts'

export interface Candle {
  /** Opening instant. */
  readonly timeMs: number
  /** Prices in paise. */
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** Units. */
  readonly volume: number
  /** Units held at the candle's end. */
  readonly openInterest: number
}

const MINUTE_MS = MINUTE_S * 1_000

/**
 * The candles of the minutes that begin within [fromMs, toMs], as far as trading has come at
 * `nowMs`, in pieces of at most half an hour so that the caller can pause between them.
 */
export function* minuteCandles(
  tape: Tape,
  fromMs: number,
  toMs: number,
  nowMs: number,
): Generator<Candle[]> {
  const last = minuteOfMs(Math.min(toMs, nowMs))
  let minute = Math.ceil(fromMs / MINUTE_MS)
  while (minute <= last) {
    const block = Math.floor(minute / MINUTES_PER_BLOCK)
    const end = Math.min(last + 1, (block + 1) * MINUTES_PER_BLOCK)
    const day = dayOfSecond(minute * MINUTE_S)
    if (tape.isListed(day)) {
      tape.enterDay(day)
      yield new MinuteFold(tape, nowMs).fold(minute, end)
    }
    minute = end
  }
}

/** The candle of an IST day as far as it has come at `nowMs`; undefined without a trade. */
export function dayCandle(tape: Tape, day: number, nowMs: number): Candle | undefined {
  if (!tape.isListed(day) || day > dayOfMs(nowMs)) return undefined
  const state = new InstrumentState(tape)
  state.advance(Math.min(nowMs, startOfDay(day + 1) * 1_000 - 1))
  if (state.dayOpen === 0) return undefined
  return {
    timeMs: startOfDay(day) * 1_000,
    open: state.dayOpen,
    high: state.dayHigh,
    low: state.dayLow,
    close: state.lastPrice,
    volume: state.dayVolume,
    openInterest: state.openInterest,
  }
}

class MinuteFold {
  private readonly tape: Tape
  /** Trades of the entered day's seconds before this one have happened; OI likewise. */
  private readonly tradedUntil: number
  private readonly heldUntil: number
  private step = -1
  private held = 0

  constructor(tape: Tape, nowMs: number) {
    const { contract, dayStart, tradingSeconds } = tape
    const second = secondOf(nowMs)
    const inSecondMs = nowMs - second * 1_000
    const passed = second - dayStart
    this.tape = tape
    this.tradedUntil = Math.min(
      tradingSeconds,
      passed + (inSecondMs >= contract.tradePhaseMs ? 1 : 0),
    )
    this.heldUntil = Math.min(DAY_S, passed + (inSecondMs >= contract.bookPhaseMs ? 1 : 0))
  }

  fold(fromMinute: number, toMinute: number): Candle[] {
    const candles: Candle[] = []
    const first = this.tape.dayStart / MINUTE_S
    for (let minute = fromMinute; minute < toMinute; minute++) {
      const candle = this.minute(minute - first)
      if (candle !== undefined) candles.push(candle)
    }
    return candles
  }

  private minute(minute: number): Candle | undefined {
    const { tape } = this
    const from = minute * MINUTE_S
    const to = Math.min(from + MINUTE_S, this.tradedUntil)
    if (to <= from || tape.times.lotsOfMinute(minute) === 0) return undefined
    if (tape.isIndex && to === from + MINUTE_S) return this.wholeIndexMinute(minute)
    tape.times.open(minute)
    let open = 0
    let high = 0
    let low = Number.POSITIVE_INFINITY
    let close = 0
    let lots = 0
    for (let at = from; at < to; at++) {
      const traded = tape.times.seconds[at - from] as number
      if (traded === 0) continue
      close = tape.priceAt(tape.dayStart + at)
      if (lots === 0) open = close
      if (close > high) high = close
      if (close < low) low = close
      lots += traded
    }
    if (lots === 0) return undefined
    return this.candle(minute, open, high, low, close, lots)
  }

  /** Seconds are not looked at: rounding keeps the order of values. */
  private wholeIndexMinute(minute: number): Candle {
    const { tape } = this
    const extremes = tape.minuteExtremes(minute)
    return this.candle(
      minute,
      tape.priceAt(extremes.from),
      tape.highestPrice(extremes),
      tape.lowestPrice(extremes),
      tape.priceAt(extremes.to),
      0,
    )
  }

  private candle(
    minute: number,
    open: number,
    high: number,
    low: number,
    close: number,
    lots: number,
  ): Candle {
    const { tape } = this
    const { lotSize } = tape.contract.instrument
    const timeMs = (tape.dayStart + minute * MINUTE_S) * 1_000
    const openInterest = tape.isIndex ? 0 : this.lotsHeldAfter(minute) * lotSize
    return { timeMs, open, high, low, close, volume: lots * lotSize, openInterest }
  }

  private lotsHeldAfter(minute: number): number {
    const { openInterest } = this.tape
    const end = Math.min((minute + 1) * MINUTE_S, this.heldUntil)
    const step = stepOf(openInterest, Math.max(0, end - 1))
    if (step !== this.step) {
      this.held = lotsHeld(openInterest, step)
      this.step = step
    }
    return this.held
  }
}
