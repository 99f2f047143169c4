/** `GET /bars`: bars of any instrument that is or was listed, from the store. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Bar, Bars, BarsQuery } from '../../contract/api/bars.ts'
import { API_BARS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import { formatIst } from '../../market/ist.ts'
import { byBucket, joinBars, type Timeframe } from '../../market/timeframe.ts'
import { canonicalSymbol } from '../../market/underlying.ts'
import { rounded } from '../chain/present-chain.ts'
import type { BackendReads, SpanBar, SpanLength } from '../ports.ts'
import { ApiError, unavailable } from './api-error.ts'
import type { ReadGate } from './read-gate.ts'
import type { MarketView } from './series-lookup.ts'
import { requireRange, tooMany } from './time-range.ts'

export interface BarRouteSources {
  readonly market: MarketView
  readonly reads: BackendReads
  readonly gate: ReadGate
}

export function barsRoutes(from: BarRouteSources): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/bars',
      {
        schema: {
          tags: ['bars'],
          summary: 'Stored bars of an index, a future or an option, also of an expired one',
          querystring: BarsQuery,
          response: { 200: Bars },
        },
      },
      ({ query }) => barsOf(from, query),
    )
  }
}

async function barsOf({ market, reads, gate }: BarRouteSources, query: BarsQuery): Promise<Bars> {
  const instrument = await requireInstrument(market, reads, gate, query)
  const { exchange, tradingsymbol, symbol, segment, kind } = instrument
  const { timeframe, fromMs, toMs } = requireRange(market, segment, query)
  const stored = await gate.read(() =>
    reads.bars(instrument, LENGTHS[timeframe], fromMs, toMs, API_BARS + 1),
  )
  if (stored.length > API_BARS) throw tooMany(API_BARS, 'bars')
  const bars = rolled(stored, timeframe, segment, market.calendar)
  const view = kind === 'option' ? optionBar : plainBar
  return { tradingsymbol, exchange, symbol, timeframe, bars: bars.map(view) }
}

/** Of which stored bars each timeframe is made. */
const LENGTHS: Readonly<Record<Timeframe, SpanLength>> = {
  '1m': '1m',
  '3m': '1m',
  '5m': '5m',
  '10m': '5m',
  '15m': '15m',
  '30m': '15m',
  '1h': '15m',
  '1d': '1d',
}

/** An underlying's name means its index; what is not listed any more is known to the store. */
async function requireInstrument(
  { chains }: MarketView,
  reads: BackendReads,
  gate: ReadGate,
  { tradingsymbol: asked, exchange }: BarsQuery,
): Promise<Instrument> {
  const name = asked.trim()
  const { master } = chains
  const symbol = canonicalSymbol(name)
  const index = symbol === undefined ? undefined : master.index(symbol)
  if (index !== undefined && (exchange ?? index.exchange) === index.exchange) return index
  const spelled = [...new Set([name, name.toUpperCase()])]
  const onExchange = (found: readonly Instrument[]) =>
    found.filter((each) => exchange === undefined || each.exchange === exchange.toUpperCase())
  for (const spelling of spelled) {
    const listed = oneOf(onExchange(master.byTradingsymbol(spelling)), name)
    if (listed !== undefined) return listed
  }
  for (const spelling of spelled) {
    const stored = oneOf(onExchange(await gate.read(() => reads.everListed(spelling))), name)
    if (stored !== undefined) return stored
  }
  if (master.size === 0) throw unavailable('The list of instruments is not there yet.')
  throw new ApiError(404, 'unknown_instrument', `No instrument is called "${name}".`, {
    field: 'tradingsymbol',
  })
}

/** @throws ApiError where several exchanges list it */
function oneOf(found: readonly Instrument[], name: string): Instrument | undefined {
  if (found.length <= 1) return found[0]
  const exchanges = found.map(({ exchange }) => exchange)
  const message = `"${name}" is listed on ${exchanges.join(' and ')}; say "exchange".`
  throw new ApiError(400, 'bad_request', message, { field: 'exchange', known: exchanges })
}

/** Stored bars as bars of the timeframe, which may be longer. */
function rolled(
  stored: readonly SpanBar[],
  timeframe: Timeframe,
  segment: string,
  calendar: MarketCalendar,
): SpanBar[] {
  const bars: SpanBar[] = []
  const openingOf = ({ timeMs }: SpanBar) => timeMs
  for (const { bucket, items } of byBucket(stored, openingOf, timeframe, segment, calendar)) {
    const [first, ...rest] = items
    bars.push(rest.reduce(join, { ...first, timeMs: bucket.startMs }))
  }
  return bars
}

function join(earlier: SpanBar, later: SpanBar): SpanBar {
  const isOpen = earlier.complete === null || later.complete === null
  return {
    ...joinBars(earlier, later),
    iv: later.iv ?? earlier.iv,
    delta: later.iv === null ? earlier.delta : later.delta,
    minutes: earlier.minutes + later.minutes,
    complete: isOpen ? null : earlier.complete === true && later.complete === true,
  }
}

function plainBar(bar: SpanBar): Bar {
  return {
    time: formatIst(bar.timeMs),
    open: bar.open,
    high: bar.high,
    low: bar.low,
    close: bar.close,
    volume: bar.volume,
    oi: bar.openInterest,
    minutes: bar.minutes,
    complete: bar.complete,
  }
}

function optionBar(bar: SpanBar): Bar {
  return { ...plainBar(bar), iv: rounded(bar.iv, 1e8), delta: rounded(bar.delta, 1e8) }
}
