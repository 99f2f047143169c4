/**
 * A market's worth of ticks at any rate: contracts and prices of the simulated exchange, moved on by
 * a cheap walk, since the load generator shares the machine with what it measures. The instruments
 * take turns, which is the hardest case for a writer that joins ticks of one row: every tick of a
 * commit is a row of its own.
 */
import type { Contract } from '../../src/exchange/market/contract.ts'
import { Market } from '../../src/exchange/market/market.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import type { JournalledTick } from '../../src/market/tick.ts'
import { Random } from './random.ts'

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
type LoadTick = Mutable<JournalledTick>

const SEED = 20_261_122
/** Of ten packets four show a trade, the others a change of the book. */
const TRADE_SHARE = 0.4
const PRICE_STEP_PAISE = 5

export class MarketLoad {
  readonly instruments: readonly Instrument[]
  /** All that is listed, for the master. */
  readonly listed: readonly Instrument[]
  readonly #ticks: readonly LoadTick[]
  readonly #lots: readonly number[]
  readonly #random = new Random(SEED)
  #turn = 0

  /** @param atMs market time of the first prices, epoch ms */
  constructor(count: number, atMs: number) {
    const market = new Market(String(SEED))
    const chosen = mostNeeded(market, count, atMs)
    this.listed = market.listing(atMs).contracts.map(({ instrument }) => instrument)
    this.instruments = chosen.map(({ instrument }) => instrument)
    this.#lots = this.instruments.map(({ lotSize }) => lotSize)
    this.#ticks = chosen.map((contract) => firstTick(market, contract, atMs))
  }

  /** The next instrument's tick; the object is used again when its turn comes round. */
  next(receivedAtMs: number, marketTimeMs: number): JournalledTick {
    const at = this.#turn
    this.#turn = (at + 1) % this.#ticks.length
    const tick = this.#ticks[at] as LoadTick
    const second = Math.floor(marketTimeMs / 1000)
    tick.exchangeTimeS = second
    tick.receivedAtMs = receivedAtMs
    tick.marketTimeMs = marketTimeMs
    if (this.#random.next() < TRADE_SHARE) this.#trade(tick, this.#lots[at] ?? 1, second)
    else this.#changeBook(tick)
    return tick
  }

  #trade(tick: LoadTick, lot: number, second: number): void {
    const step = this.#random.next() < 0.5 ? -PRICE_STEP_PAISE : PRICE_STEP_PAISE
    tick.lastPrice = Math.max(PRICE_STEP_PAISE, tick.lastPrice + step)
    if (tick.isIndex) return
    tick.lastTradeTimeS = second
    tick.lastQuantity = lot
    tick.dayVolume = (tick.dayVolume ?? 0) + lot
    tick.openInterest = (tick.openInterest ?? 0) + lot
    tick.bidPrice = Math.max(PRICE_STEP_PAISE, tick.lastPrice - PRICE_STEP_PAISE)
    tick.askPrice = tick.lastPrice + PRICE_STEP_PAISE
  }

  #changeBook(tick: LoadTick): void {
    if (tick.isIndex) return
    tick.bidQuantity = 1 + Math.floor(this.#random.next() * 5_000)
    tick.askQuantity = 1 + Math.floor(this.#random.next() * 5_000)
  }
}

/** What the simulated exchange of this seed lists that is worth watching most, the first `count`. */
export function watchList(seed: number, count: number, atMs: number): readonly Instrument[] {
  return mostNeeded(new Market(String(seed)), count, atMs).map(({ instrument }) => instrument)
}

/** Indices and futures first, then options by expiry: what a desk with so many places would watch. */
export function mostNeeded(market: Market, count: number, atMs: number): readonly Contract[] {
  const { contracts } = market.listing(atMs)
  if (contracts.length < count) throw new Error(`only ${contracts.length} contracts are listed`)
  return [...contracts].sort((a, b) => rankOf(a).localeCompare(rankOf(b))).slice(0, count)
}

function rankOf({ instrument: { kind, expiry, tradingsymbol } }: Contract): string {
  const group = { index: 0, future: 1, option: 2, equity: 3 }[kind]
  return `${group} ${expiry ?? ''} ${tradingsymbol}`
}

function firstTick(market: Market, contract: Contract, atMs: number): LoadTick {
  const state = market.snapshot(contract, atMs)
  const { isIndex } = state
  const [bid, ask] = [state.bids[0], state.asks[0]]
  const ofTradable = (value: number | undefined) => (isIndex ? undefined : value)
  const ofBook = (value: number | undefined) => (isIndex || !value ? undefined : value)
  return {
    token: state.token,
    mode: 'full',
    isIndex,
    lastPrice: state.lastPrice,
    lastQuantity: ofTradable(state.lastQuantity),
    averagePrice: ofTradable(state.averagePrice),
    dayVolume: ofTradable(state.dayVolume),
    dayOpen: state.dayOpen,
    dayHigh: state.dayHigh,
    dayLow: state.dayLow,
    previousClose: state.previousClose,
    lastTradeTimeS: isIndex ? undefined : state.lastTradeTimeS,
    exchangeTimeS: state.exchangeTimeS,
    openInterest: ofTradable(state.openInterest),
    bidPrice: ofBook(bid?.price),
    bidQuantity: ofBook(bid?.quantity),
    askPrice: ofBook(ask?.price),
    askQuantity: ofBook(ask?.quantity),
    connection: 1,
    receivedAtMs: atMs,
    marketTimeMs: atMs,
  }
}
