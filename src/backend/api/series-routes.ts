/** `GET /fo/moneyness-series`: figures of a series by moneyness over time, from the store. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { MoneynessSeries, MoneynessSeriesQuery } from '../../contract/api/moneyness-series.ts'
import { API_SERIES_MINUTES, API_SERIES_POINTS } from '../../limits.ts'
import type { OptionType } from '../../market/instrument.ts'
import { type Bucket, parseBucket } from '../../market/options/moneyness.ts'
import type { BackendReads, ListedStrike } from '../ports.ts'
import type { ReadGate } from './read-gate.ts'
import { type MarketView, requireSymbol, storedSeries } from './series-lookup.ts'
import { type Line, linePoints, readLines } from './series-points.ts'
import { requireRange, tooMany } from './time-range.ts'

export interface SeriesRouteSources {
  readonly market: MarketView
  readonly reads: BackendReads
  readonly gate: ReadGate
}

export function seriesRoutes(from: SeriesRouteSources): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/fo/moneyness-series',
      {
        schema: {
          tags: ['F&O'],
          summary: 'One figure of a series over time, by moneyness',
          querystring: MoneynessSeriesQuery,
          response: { 200: MoneynessSeries },
        },
      },
      ({ query }) => moneynessOverTime(from, query),
    )
  }
}

async function moneynessOverTime(
  from: SeriesRouteSources,
  query: MoneynessSeriesQuery,
): Promise<MoneynessSeries> {
  const { indicator, timeframe = '1m' } = query
  const symbol = requireSymbol(from.market.chains.master, query.symbol)
  const asked = query.expiry === undefined ? [undefined] : [...new Set(query.expiry)]
  const expiries = asked.map((expiry) => storedSeries(from.market, symbol, expiry))
  const lines = linesOf(query)
  const series: MoneynessSeries['series'] = []
  for (const listed of expiries) {
    series.push(...(await linesOfSeries(from, symbol, listed, lines, query)))
  }
  return { symbol, expiry: expiries[0]?.expiry ?? '', indicator, timeframe, series }
}

async function linesOfSeries(
  { market, reads, gate }: SeriesRouteSources,
  symbol: string,
  { expiry, segment }: ReturnType<typeof storedSeries>,
  lines: readonly Line[],
  query: MoneynessSeriesQuery,
): Promise<MoneynessSeries['series']> {
  const { indicator } = query
  const { timeframe, fromMs, toMs } = requireRange(market, segment, query)
  const read = await gate.read(async () => {
    const most = Math.floor(Math.min(API_SERIES_MINUTES, API_SERIES_POINTS / lines.length))
    const atms = await reads.atmStrikes(symbol, expiry, fromMs, toMs, most + 1)
    if (atms.length > most) throw tooMany(most, `minutes of ${lines.length} lines`)
    const listed = await strikesOf(market, reads, symbol, expiry)
    return readLines(reads, { symbol, expiry }, listed, atms, lines, indicator)
  })
  return lines.map(({ moneyness, side }, i) => ({
    expiry,
    bucket: moneyness,
    side,
    points: linePoints(read[i] ?? [], indicator, timeframe, segment, market.calendar),
  }))
}

function linesOf({ buckets = ['ATM'], side = 'both' }: MoneynessSeriesQuery): Line[] {
  const sides: OptionType[] = side === 'both' ? ['CE', 'PE'] : [side]
  const wanted = [...new Set(buckets)].flatMap((text): Bucket[] => {
    const moneyness = parseBucket(text)
    return moneyness === undefined ? [] : [moneyness]
  })
  return wanted.flatMap((moneyness) => sides.map((each) => ({ moneyness, side: each })))
}

/** What is listed today is in memory; of an expired series the store knows what was. */
async function strikesOf(
  { chains }: MarketView,
  reads: BackendReads,
  symbol: string,
  expiry: string,
): Promise<readonly ListedStrike[]> {
  const series = chains.master.series(symbol, expiry)
  if (series === undefined) return reads.listedStrikes(symbol, expiry)
  return series.strikes.map(({ strike, call, put }) => ({
    strike,
    call: call?.tradingsymbol ?? null,
    put: put?.tradingsymbol ?? null,
  }))
}
