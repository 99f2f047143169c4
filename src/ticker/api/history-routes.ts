/** `/history/{token}`: the broker's candles. */
import { ErrorBody } from '../../contract/api/error.ts'
import {
  type CandleRow,
  History,
  HistoryParams,
  HistoryQuery,
  type HistoryQuery as Query,
} from '../../contract/api/history.ts'
import type { KiteCandle } from '../../kite/rest-answers.ts'
import { formatIst, parseApiTime } from '../../market/ist.ts'
import type { HistoryService } from '../requests/history-service.ts'
import { ApiError } from './api-error.ts'
import { answering } from './request-answers.ts'
import type { Server } from './server.ts'

export function historyRoutes(app: Server, service: HistoryService): void {
  app.route({
    method: 'GET',
    url: '/history/:token',
    schema: {
      tags: ['history'],
      summary: "The broker's final candles of a span, both ends inclusive.",
      params: HistoryParams,
      querystring: HistoryQuery,
      response: { 200: History, '4xx': ErrorBody, '5xx': ErrorBody },
    },
    handler: async ({ params, query }, reply) => {
      const request = requestOf(params.token, query)
      const answer = await answering(reply, (signal) => service.history(request, signal))
      const hasOi = query.oi !== '0'
      return {
        instrument_token: params.token,
        interval: request.interval,
        candles: answer.candles.map((candle) => rowOf(candle, hasOi)),
        final_until: formatIst(answer.finalUntilMs),
      }
    },
  })
}

function requestOf(token: number, query: Query) {
  return {
    token,
    interval: query.interval ?? 'minute',
    fromMs: timeOf(query.from, 'from'),
    toMs: timeOf(query.to, 'to'),
    continuous: query.continuous === '1',
    priority: query.priority,
    order: query.order,
    timeoutMs: query.timeout_ms,
  } as const
}

function timeOf(text: string, field: string): number {
  const time = parseApiTime(text)
  if (time.ok) return time.ms
  throw new ApiError('bad_request', `"${field}": ${time.message}.`, { field })
}

function rowOf(candle: KiteCandle, hasOi: boolean): CandleRow {
  const { timeMs, open, high, low, close, volume, openInterest } = candle
  const row = [formatIst(timeMs), open, high, low, close, volume] as const
  return hasOi ? [...row, openInterest ?? null] : [...row]
}
