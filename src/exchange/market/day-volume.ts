/**
 * The lots that one contract trades on one day, opened minute by minute. It remembers only the half
 * hour and the minute that were opened last; going forward through a day is therefore cheapest.
 */
import { BLOCKS_PER_DAY, MINUTE_S, MINUTES_PER_BLOCK } from './market-time.ts'
import { BLOCKS, childKey, divide, MINUTES, SECONDS } from './volume.ts'

/** When a contract trades on the entered day, and how much. */
export interface TradeTimes {
  /** Lots traded on the day before the opened minute, and in it. */
  readonly lotsBefore: number
  readonly lotsInMinute: number
  /** Lots of each second of the opened minute; a second with lots is one trade. */
  readonly seconds: Int32Array
  /** Begins a day; nothing is opened. */
  enter(key: number, lots: number): void
  /** Lots of a half hour, 0 … 47. */
  lotsOfBlock(block: number): number
  /** Lots of a minute of the day, 0 … 1439. */
  lotsOfMinute(minute: number): number
  /** Fills in the figures of a minute of the day, 0 … 1439. */
  open(minute: number): void
  /** The first second of the day, up to `until` (exclusive), with a trade; −1 where there is none. */
  firstTrade(until: number): number
  /** The last second of the day, before `before`, with a trade; −1 where there is none. */
  lastTrade(before: number): number
}

/** An index is worth something new every second. */
export class EverySecond implements TradeTimes {
  readonly lotsBefore = 0
  readonly lotsInMinute = MINUTE_S
  readonly seconds = new Int32Array(MINUTE_S).fill(1)

  enter(): void {}

  lotsOfBlock(): number {
    return MINUTES_PER_BLOCK * MINUTE_S
  }

  lotsOfMinute(): number {
    return MINUTE_S
  }

  open(): void {}

  firstTrade(until: number): number {
    return until > 0 ? 0 : -1
  }

  lastTrade(before: number): number {
    return before - 1
  }
}

export class DayVolume implements TradeTimes {
  lotsBefore = 0
  lotsInMinute = 0
  readonly seconds = new Int32Array(MINUTE_S)
  private readonly blocks = new Int32Array(BLOCKS_PER_DAY)
  private readonly minutes = new Int32Array(MINUTES_PER_BLOCK)
  private key = 0
  private block = -1
  private blockKey = 0
  private minute = -1
  private lotsBeforeBlock = 0

  enter(key: number, lots: number): void {
    this.key = key
    this.block = -1
    this.minute = -1
    divide(BLOCKS, key, lots, this.blocks)
  }

  lotsOfBlock(block: number): number {
    return this.blocks[block] as number
  }

  lotsOfMinute(minute: number): number {
    const block = Math.floor(minute / MINUTES_PER_BLOCK)
    if (block !== this.block) this.openBlock(block)
    return this.minutes[minute - block * MINUTES_PER_BLOCK] as number
  }

  open(minute: number): void {
    if (minute === this.minute) return
    const block = Math.floor(minute / MINUTES_PER_BLOCK)
    if (block !== this.block) this.openBlock(block)
    const index = minute - block * MINUTES_PER_BLOCK
    let before = this.lotsBeforeBlock
    for (let i = 0; i < index; i++) before += this.minutes[i] as number
    this.lotsBefore = before
    this.lotsInMinute = this.minutes[index] as number
    divide(SECONDS, childKey(this.blockKey, index), this.lotsInMinute, this.seconds)
    this.minute = minute
  }

  firstTrade(until: number): number {
    for (let block = 0; block < BLOCKS_PER_DAY; block++) {
      if (this.lotsOfBlock(block) === 0) continue
      const second = this.firstTradeOfBlock(block)
      return second < until ? second : -1
    }
    return -1
  }

  lastTrade(before: number): number {
    for (let minute = Math.ceil(before / MINUTE_S) - 1; minute >= 0; ) {
      const block = Math.floor(minute / MINUTES_PER_BLOCK)
      if (this.lotsOfBlock(block) === 0) {
        minute = block * MINUTES_PER_BLOCK - 1
        continue
      }
      const second = this.lotsOfMinute(minute) === 0 ? -1 : this.lastTradeOfMinute(minute, before)
      if (second >= 0) return second
      minute--
    }
    return -1
  }

  private firstTradeOfBlock(block: number): number {
    for (let i = 0; i < MINUTES_PER_BLOCK; i++) {
      const minute = block * MINUTES_PER_BLOCK + i
      if (this.lotsOfMinute(minute) === 0) continue
      this.open(minute)
      return minute * MINUTE_S + this.seconds.findIndex((lots) => lots > 0)
    }
    return -1
  }

  private lastTradeOfMinute(minute: number, before: number): number {
    this.open(minute)
    const first = minute * MINUTE_S
    for (let i = Math.min(MINUTE_S, before - first) - 1; i >= 0; i--) {
      if ((this.seconds[i] as number) > 0) return first + i
    }
    return -1
  }

  private openBlock(block: number): void {
    let before = 0
    for (let i = 0; i < block; i++) before += this.blocks[i] as number
    this.lotsBeforeBlock = before
    this.blockKey = childKey(this.key, block)
    divide(MINUTES, this.blockKey, this.blocks[block] as number, this.minutes)
    this.block = block
  }
}
