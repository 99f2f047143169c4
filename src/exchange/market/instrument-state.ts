/**
 * One contract at one instant: everything that a full packet says of it. The state depends on the
 * instant alone, not on how it was reached; `advance` only makes going forward cheap, which is what
 * the live feed does.
 */
import { dayHigh, dayLow } from './day-range.ts'
import { derive } from './hash.ts'
import { BLOCK_S, BLOCKS_PER_DAY, dayOfSecond, MINUTE_S, secondOf } from './market-time.ts'
import { lotsHeld, lotsHeldAllDay, STEPS_PER_DAY, stepOf } from './open-interest.ts'
import type { Tape } from './tape.ts'

/** Going forward by more than this is done afresh. */
const LONGEST_WALK_S = 240
/** How far back a last trade is looked for. */
const LOOK_BACK_DAYS = 10
/** The book looks different this often; packets are samples of it. */
const BOOK_STEP_MS = 10
const LEVELS = 5
const BOOK_KEY = 6
const heldBySteps = new Float64Array(STEPS_PER_DAY + 1)

export interface BookLevel {
  price: number
  quantity: number
  orders: number
}

export class InstrumentState {
  readonly tape: Tape
  readonly token: number
  readonly isIndex: boolean
  lastPrice = 0
  lastQuantity = 0
  averagePrice = 0
  dayVolume = 0
  totalBuyQuantity = 0
  totalSellQuantity = 0
  /** Zero, as on the wire, until the day's first trade. */
  dayOpen = 0
  dayHigh = 0
  dayLow = 0
  previousClose = 0
  lastTradeTimeS: number | undefined
  openInterest = 0
  oiDayHigh = 0
  oiDayLow = 0
  exchangeTimeS = 0
  absoluteChange = 0
  readonly bids: BookLevel[] = emptySide()
  readonly asks: BookLevel[] = emptySide()
  private readonly lotSize: number
  private readonly bookKey: number
  /** Trades of the day's seconds before this one are in. */
  private walkedTo = 0
  private day = Number.NaN
  private lots = 0
  private oiStep = -1
  private bookSecond = Number.NaN
  /** What the state was moved to last: second, trade, open interest. */
  private moment = Number.NaN
  /** Paise × lots of the day's whole half hours, and their number and lots. */
  private turnover = 0
  private turnoverLots = 0
  private turnoverBlocks = 0

  constructor(tape: Tape) {
    this.tape = tape
    this.token = tape.contract.instrument.token
    this.isIndex = tape.isIndex
    this.lotSize = tape.contract.instrument.lotSize
    this.bookKey = derive(tape.contract.key, BOOK_KEY)
  }

  /** Whether it can still trade at an instant. */
  isTrading(timeMs: number): boolean {
    return secondOf(timeMs) < this.tape.contract.closeSecond
  }

  /**
   * Moves to an instant; an expired contract stays at its close. Answers true where nothing but the
   * quantities and orders of the book can have changed, which is what a fast feed mostly sees.
   */
  advance(timeMs: number): boolean {
    const { contract } = this.tape
    const atMs = Math.min(timeMs, contract.closeSecond * 1_000 - 1)
    const second = secondOf(atMs)
    const inSecondMs = atMs - second * 1_000
    const traded = inSecondMs >= contract.tradePhaseMs ? 1 : 0
    const published = inSecondMs >= contract.bookPhaseMs ? 1 : 0
    const moment = second * 4 + traded * 2 + published
    if (moment === this.moment && timeMs === atMs) {
      if (!this.isIndex) this.drawQuantities(atMs)
      return true
    }
    this.moment = moment
    this.move(second, traded, published)
    if (this.isIndex) return false
    if (timeMs === atMs) this.drawBook(second, atMs)
    else this.clearBook()
    return false
  }

  /** To a second of which the trade has happened or not, and the open interest is out or not. */
  private move(second: number, traded: number, published: number): void {
    const day = dayOfSecond(second)
    this.tape.enterDay(day)
    const secondOfDay = second - this.tape.dayStart
    const until = secondOfDay + traded
    const isNear = until >= this.walkedTo && until - this.walkedTo <= LONGEST_WALK_S
    if (day === this.day && isNear) this.walk(until)
    else this.find(day, until)
    this.exchangeTimeS = second
    if (this.isIndex) this.absoluteChange = this.lastPrice - this.previousClose
    else this.hold(secondOfDay - 1 + published)
  }

  // -------------------------------------------------------------- trades

  /** Takes in the trades of the day's seconds [walkedTo, until). */
  private walk(until: number): void {
    const { tape } = this
    const { times } = tape
    const end = Math.min(until, tape.tradingSeconds)
    for (let at = this.walkedTo; at < end; at++) {
      const minute = Math.floor(at / MINUTE_S)
      times.open(minute)
      const lots = times.seconds[at - minute * MINUTE_S] as number
      if (lots > 0) this.trade(tape.dayStart + at, lots)
    }
    this.walkedTo = until
    this.addTurnover(Math.floor(until / BLOCK_S))
    this.setAverage()
  }

  private trade(second: number, lots: number): void {
    const price = this.tape.priceAt(second)
    if (this.dayOpen === 0) {
      this.dayOpen = price
      this.dayHigh = price
      this.dayLow = price
    } else if (price > this.dayHigh) this.dayHigh = price
    else if (price < this.dayLow) this.dayLow = price
    this.lots += lots
    this.lastPrice = price
    this.lastTradeTimeS = second
    this.lastQuantity = lots * this.lotSize
    this.dayVolume = this.lots * this.lotSize
  }

  private forgetDay(): void {
    this.dayOpen = 0
    this.dayHigh = 0
    this.dayLow = 0
    this.dayVolume = 0
    this.averagePrice = 0
    this.lots = 0
    this.walkedTo = 0
    this.oiStep = -1
    this.turnover = 0
    this.turnoverLots = 0
    this.turnoverBlocks = 0
  }

  /** Finds the state without having been anywhere near. */
  private find(day: number, until: number): void {
    const { tape } = this
    this.day = day
    this.forgetDay()
    this.findPreviousClose(day)
    tape.enterDay(day)
    this.findLastTrade(until)
    const first = tape.times.firstTrade(Math.min(until, tape.tradingSeconds))
    if (first >= 0) {
      this.dayOpen = tape.priceAt(tape.dayStart + first)
      this.dayHigh = dayHigh(tape, until) ?? 0
      this.dayLow = dayLow(tape, until) ?? 0
    }
    this.walkedTo = until
    this.addTurnover(Math.floor(until / BLOCK_S))
    this.setAverage()
  }

  private findPreviousClose(day: number): void {
    const { tape } = this
    const earliest = Math.max(tape.contract.firstDay, day - LOOK_BACK_DAYS)
    for (let earlier = day - 1; earlier >= earliest; earlier--) {
      tape.enterDay(earlier)
      const last = tape.times.lastTrade(tape.tradingSeconds)
      if (last < 0) continue
      this.setLastTrade(last)
      this.previousClose = this.lastPrice
      return
    }
    tape.enterDay(day)
    this.lastTradeTimeS = undefined
    this.lastQuantity = 0
    this.lastPrice = tape.fairPriceAt(tape.dayStart)
    this.previousClose = this.lastPrice
  }

  private findLastTrade(until: number): void {
    const { times, tradingSeconds } = this.tape
    const last = times.lastTrade(Math.min(until, tradingSeconds))
    if (last < 0) return
    this.setLastTrade(last)
    this.lots = times.lotsBefore
    const minute = Math.floor(last / MINUTE_S)
    for (let i = 0; i <= last - minute * MINUTE_S; i++) this.lots += times.seconds[i] as number
    this.dayVolume = this.lots * this.lotSize
  }

  private setLastTrade(secondOfDay: number): void {
    const { times, dayStart } = this.tape
    const minute = Math.floor(secondOfDay / MINUTE_S)
    times.open(minute)
    this.lastTradeTimeS = dayStart + secondOfDay
    this.lastPrice = this.tape.priceAt(dayStart + secondOfDay)
    this.lastQuantity = (times.seconds[secondOfDay - minute * MINUTE_S] as number) * this.lotSize
  }

  /** Whole half hours count at the price at their end. */
  private addTurnover(wholeBlocks: number): void {
    if (this.isIndex) return
    const { tape } = this
    for (; this.turnoverBlocks < Math.min(wholeBlocks, BLOCKS_PER_DAY); this.turnoverBlocks++) {
      const lots = tape.times.lotsOfBlock(this.turnoverBlocks)
      const last = tape.dayStart + (this.turnoverBlocks + 1) * BLOCK_S - 1
      if (lots > 0) this.turnover += lots * tape.fairPriceAt(last)
      this.turnoverLots += lots
    }
  }

  private setAverage(): void {
    if (this.isIndex || this.lots === 0) return
    const rest = Math.max(0, this.lots - this.turnoverLots) * this.lastPrice
    const average = (this.turnover + rest) / Math.max(this.lots, this.turnoverLots)
    this.averagePrice = Math.round(Math.min(this.dayHigh, Math.max(this.dayLow, average)))
  }

  // -------------------------------------------------------------- open interest

  /** Open interest as published up to a second of the day. */
  private hold(secondOfDay: number): void {
    const day = this.tape.openInterest
    const step = stepOf(day, Math.max(0, secondOfDay))
    if (step === this.oiStep) return
    if (this.oiStep >= 0 && step === this.oiStep + 1) this.holdAlso(lotsHeld(day, step))
    else this.holdAll(step)
    this.oiStep = step
  }

  private holdAll(step: number): void {
    lotsHeldAllDay(this.tape.openInterest, heldBySteps)
    this.oiDayHigh = 0
    this.oiDayLow = Number.POSITIVE_INFINITY
    for (let i = 0; i <= step; i++) this.holdAlso(heldBySteps[i] as number)
  }

  private holdAlso(lots: number): void {
    this.openInterest = lots * this.lotSize
    this.oiDayHigh = Math.max(this.oiDayHigh, this.openInterest)
    this.oiDayLow = Math.min(this.oiDayLow, this.openInterest)
  }

  // -------------------------------------------------------------- book

  private drawBook(second: number, atMs: number): void {
    if (second !== this.bookSecond) {
      this.tape.quoteAt(second)
      this.bookSecond = second
      priceSide(this.bids, this.tape.bid, this.tape.ask, -this.tape.contract.tickPaise)
      priceSide(this.asks, this.tape.ask, this.tape.bid, this.tape.contract.tickPaise)
    }
    this.drawQuantities(atMs)
  }

  private drawQuantities(atMs: number): void {
    const chance = derive(this.bookKey, Math.floor(atMs / BOOK_STEP_MS))
    this.totalBuyQuantity = this.fillSide(this.bids, chance)
    this.totalSellQuantity = this.fillSide(this.asks, chance >>> 15)
  }

  /** Sets quantities and orders; answers what all buyers or sellers want, far levels included. */
  private fillSide(side: BookLevel[], chance: number): number {
    let total = 0
    for (let i = 0; i < LEVELS; i++) {
      const level = side[i] as BookLevel
      const lots = level.price === 0 ? 0 : 1 + ((chance >>> (i * 2)) & 31) * (i + 1)
      level.quantity = lots * this.lotSize
      level.orders = lots === 0 ? 0 : 1 + (lots >>> 2)
      total += level.quantity
    }
    return total * (4 + (chance & 3))
  }

  private clearBook(): void {
    this.bookSecond = Number.NaN
    this.totalBuyQuantity = 0
    this.totalSellQuantity = 0
    for (const level of [...this.bids, ...this.asks]) Object.assign(level, emptyLevel())
  }
}

/** Levels get further apart where the spread is wide. */
function priceSide(side: BookLevel[], bestPrice: number, otherSide: number, tick: number): void {
  const spreadTicks = Math.abs(bestPrice - otherSide) / Math.abs(tick)
  const step = tick * Math.max(1, Math.round(spreadTicks / 3))
  for (let i = 0; i < LEVELS; i++) {
    ;(side[i] as BookLevel).price = Math.max(0, bestPrice + i * step)
  }
}

function emptySide(): BookLevel[] {
  return Array.from({ length: LEVELS }, emptyLevel)
}

function emptyLevel(): BookLevel {
  return { price: 0, quantity: 0, orders: 0 }
}
