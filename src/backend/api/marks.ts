/** `GET /marks/latest`: the last known price of instruments, from memory. */
import type { Mark, Marks } from '../../contract/api/marks.ts'
import { API_MARKS_NAMES, TICKER_MUTE_AFTER_MS } from '../../limits.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { canonicalSymbol } from '../../market/underlying.ts'
import type { LatestQuote } from '../chain/latest-quote.ts'
import { instantOf, priceChange } from '../chain/present-chain.ts'
import { ApiError, badField, unavailable } from './api-error.ts'
import { type MarketView, marketNowMs } from './series-lookup.ts'

/** @param names tradingsymbols or underlyings, comma-separated; undefined = every streamed one */
export function latestMarks(view: MarketView, names: string | undefined): Marks {
  const { chains, clock } = view
  const nowMs = clock.nowMs()
  const marketMs = marketNowMs(view)
  const mark = (instrument: Instrument, quote: LatestQuote | undefined) =>
    markOf(instrument, quote, nowMs, isStale(view, instrument, quote, marketMs))
  if (names === undefined) {
    const streamed = [...chains.quotes()].filter(({ bars }) => bars.coverage.current !== undefined)
    return { marks: streamed.map((quote) => mark(quote.bars.instrument, quote)) }
  }
  const instruments = requireInstruments(chains.master, names)
  return {
    marks: instruments.map((instrument) => {
      const { exchange, tradingsymbol } = instrument
      return mark(instrument, chains.quote(instrumentKey(exchange, tradingsymbol)))
    }),
  }
}

function requireInstruments(master: InstrumentMaster, names: string): Instrument[] {
  if (master.size === 0) throw unavailable('The list of instruments is not there yet.')
  const wanted = names.split(',').map((name) => name.trim())
  if (wanted.length > API_MARKS_NAMES) {
    throw badField('symbols', `"symbols" holds more than ${API_MARKS_NAMES} names.`)
  }
  if (wanted.includes('')) throw badField('symbols', '"symbols" holds an empty name.')
  const found = wanted.map((name) => ({ name, instrument: findInstrument(master, name) }))
  const unknown = found.filter(({ instrument }) => instrument === undefined)
  if (unknown.length > 0) {
    const shown = unknown.map(({ name }) => name.slice(0, 64))
    const first = shown[0]
    throw new ApiError(404, 'unknown_instrument', `No instrument is called "${first}".`, {
      field: 'symbols',
      unknown: shown.slice(0, 40),
    })
  }
  return found.flatMap(({ instrument }) => instrument ?? [])
}

/** An underlying's name means its index; a tradingsymbol is taken as it is, then in capitals. */
function findInstrument(master: InstrumentMaster, name: string): Instrument | undefined {
  const symbol = canonicalSymbol(name)
  const index = symbol === undefined ? undefined : master.index(symbol)
  return index ?? master.byTradingsymbol(name)[0] ?? master.byTradingsymbol(name.toUpperCase())[0]
}

export function isStale(
  { calendar, chains }: MarketView,
  { segment }: Instrument,
  quote: LatestQuote | undefined,
  marketMs: number,
): boolean {
  if (quote !== undefined && chains.hasEnded(quote.bars.key)) return true
  if (!calendar.isOpen(segment, marketMs)) return false
  return quote === undefined || marketMs - quote.quotedMs > TICKER_MUTE_AFTER_MS
}

function markOf(
  instrument: Instrument,
  quote: LatestQuote | undefined,
  nowMs: number,
  stale: boolean,
): Mark {
  const isIndex = instrument.kind === 'index'
  const hasOpenInterest = instrument.kind === 'future' || instrument.kind === 'option'
  const receivedAtMs = quote?.receivedAtMs ?? null
  const ltp = quote?.lastPrice ?? null
  return {
    symbol: instrument.symbol,
    tradingsymbol: instrument.tradingsymbol,
    instrument_token: instrument.token,
    ltp,
    ...priceChange(ltp, quote?.previousClose ?? null),
    volume: isIndex ? null : (quote?.volume ?? null),
    // The wire has a 0 there for a share, which has none.
    oi: hasOpenInterest ? (quote?.openInterest ?? null) : null,
    exchange_time: instantOf(quote?.quotedMs ?? null),
    received_at: instantOf(receivedAtMs),
    age_ms: receivedAtMs === null ? null : Math.max(0, nowMs - receivedAtMs),
    stale,
  }
}
