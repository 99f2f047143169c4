/** Kite's quote answers: what a packet says, in rupees and words. */
import { wallTime } from './kite-history.ts'
import type { BookLevel, InstrumentState } from './market/instrument-state.ts'

const PAISE = 100
const SECOND_MS = 1_000
/** Futures may move by so much a day; options have wide limits of their own. */
const FUTURE_CIRCUIT = 0.1
const OPTION_CIRCUIT_FACTOR = 5
const OPTION_CIRCUIT_LEAST = 100

export function ltpOf(state: InstrumentState) {
  return { instrument_token: state.token, last_price: rupees(state.lastPrice) }
}

export function ohlcOf(state: InstrumentState) {
  const { dayOpen, dayHigh, dayLow, previousClose } = state
  return {
    ...ltpOf(state),
    ohlc: {
      open: rupees(dayOpen),
      high: rupees(dayHigh),
      low: rupees(dayLow),
      close: rupees(previousClose),
    },
  }
}

/** An index has neither quantities nor a book. */
export function quoteOf(state: InstrumentState) {
  const { ohlc, ...ltp } = ohlcOf(state)
  const timestamp = wallTime(state.exchangeTimeS * SECOND_MS)
  const net_change = rupees(state.lastPrice - state.previousClose)
  if (state.isIndex) return { ...ltp, timestamp, net_change, ohlc }
  const { lastTradeTimeS } = state
  return {
    ...ltp,
    timestamp,
    last_trade_time: lastTradeTimeS === undefined ? null : wallTime(lastTradeTimeS * SECOND_MS),
    last_quantity: state.lastQuantity,
    buy_quantity: state.totalBuyQuantity,
    sell_quantity: state.totalSellQuantity,
    volume: state.dayVolume,
    average_price: rupees(state.averagePrice),
    oi: state.openInterest,
    oi_day_high: state.oiDayHigh,
    oi_day_low: state.oiDayLow,
    net_change,
    ...circuitLimits(state),
    ohlc,
    depth: { buy: state.bids.map(levelOf), sell: state.asks.map(levelOf) },
  }
}

function circuitLimits(state: InstrumentState) {
  const { instrument, tickPaise } = state.tape.contract
  const { previousClose } = state
  const onTick = (paise: number) => rupees(Math.max(1, Math.round(paise / tickPaise)) * tickPaise)
  if (instrument.kind === 'future') {
    return {
      lower_circuit_limit: onTick(previousClose * (1 - FUTURE_CIRCUIT)),
      upper_circuit_limit: onTick(previousClose * (1 + FUTURE_CIRCUIT)),
    }
  }
  return {
    lower_circuit_limit: onTick(0),
    upper_circuit_limit: onTick(
      previousClose * OPTION_CIRCUIT_FACTOR + OPTION_CIRCUIT_LEAST * PAISE,
    ),
  }
}

function levelOf({ price, quantity, orders }: BookLevel) {
  return { price: rupees(price), quantity, orders }
}

function rupees(paise: number): number {
  return paise / PAISE
}
