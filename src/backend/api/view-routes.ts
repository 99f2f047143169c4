/** `POST /monitor/view`: what is looked at is streamed, for as long as the call is repeated. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ErrorBody } from '../../contract/api/error.ts'
import { MonitorView, MonitorViewRequest } from '../../contract/api/monitor-view.ts'
import {
  TooManyViewsError,
  type View,
  type ViewSubscriber,
} from '../subscriptions/view-subscriber.ts'
import { ApiError, unavailable } from './api-error.ts'
import { ofTickers } from './of-tickers.ts'
import { type MarketView, requireSeries, requireSymbol } from './series-lookup.ts'

export interface ViewRouteSources {
  readonly market: MarketView
  /** Undefined where there is no ticker to ask. */
  readonly views: Pick<ViewSubscriber, 'open'> | undefined
  /** Whether a symbol's chains are served here. */
  readonly isMine: (symbol: string) => boolean
}

export function viewRoutes({ market, views, isMine }: ViewRouteSources): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.post(
      '/monitor/view',
      {
        schema: {
          tags: ['subscriptions'],
          summary: 'Stream what is looked at; to be repeated every minute while it is',
          body: MonitorViewRequest,
          response: { 200: MonitorView, '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
      async ({ body }) => {
        if (views === undefined) throw unavailable('Nothing can be subscribed from here.')
        const symbol = requireSymbol(market.chains.master, body.symbol)
        if (!isMine(symbol)) {
          throw new ApiError(409, 'conflict', `${symbol} is served by another backend.`)
        }
        const series = requireSeries(market, symbol, body.expiry ?? undefined)
        return open(views, { series, strikesEachSide: body.strikes_each_side })
      },
    )
  }
}

async function open(views: Pick<ViewSubscriber, 'open'>, view: View): Promise<MonitorView> {
  try {
    return await ofTickers(() => views.open(view))
  } catch (cause) {
    if (cause instanceof TooManyViewsError) throw unavailable(cause.message)
    throw cause
  }
}
