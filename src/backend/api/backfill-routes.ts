/** `POST /backfills`: history on demand; `GET /backfills`: every job, how far it is, when it ends. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  Backfill,
  type BackfillRequest,
  BackfillRequest as BackfillRequestSchema,
  Backfills,
  BackfillsQuery,
} from '../../contract/api/backfills.ts'
import { ErrorBody } from '../../contract/api/error.ts'
import { requestedByHeader } from '../../contract/api/subscriptions.ts'
import { BACKFILL_DAYS_MAX } from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import { DAY_MS, formatIst, istDate, MINUTE_MS } from '../../market/ist.ts'
import type { BackfillManager } from '../backfill/backfill-manager.ts'
import { isBackfilled } from '../backfill/find-instrument.ts'
import { type NewJob, QueueFullError } from '../backfill/jobs.ts'
import { ApiError, badField, unavailable } from './api-error.ts'
import {
  type MarketView,
  marketNowMs,
  requireSeries,
  requireSymbol,
  requireTime,
} from './series-lookup.ts'

export interface BackfillRouteSources {
  readonly market: MarketView
  readonly backfill: Pick<BackfillManager, 'request' | 'list' | 'isEnabled'>
  /** Whether this process writes a symbol's bars. */
  readonly isMine: (symbol: string) => boolean
}

const tags = ['history']
const JOBS_DEFAULT = 100

export function backfillRoutes(from: BackfillRouteSources): FastifyPluginAsyncTypebox {
  const { market, backfill } = from
  return async (app) => {
    app.post(
      '/backfills',
      {
        schema: {
          tags,
          summary: 'Fetch the history of an instrument or of a whole series',
          body: BackfillRequestSchema,
          response: { 202: Backfill, '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
      async ({ body, headers }, reply) => {
        if (!backfill.isEnabled) throw switchedOff()
        const job = newJob(from, body, requesterOf(headers[requestedByHeader]))
        try {
          return await reply.code(202).send(backfill.request(job))
        } catch (cause) {
          if (cause instanceof QueueFullError)
            throw unavailable(`${cause.message}; try again later.`)
          throw cause
        }
      },
    )
    app.get(
      '/backfills',
      {
        schema: {
          tags,
          summary: 'Backfill jobs, newest first, and the queue to the broker',
          querystring: BackfillsQuery,
          response: { 200: Backfills },
        },
      },
      async ({ query: { status, kind, symbol, limit = JOBS_DEFAULT } }) => {
        const canonical = symbol && requireSymbol(market.chains.master, symbol)
        return backfill.list({ status, kind, symbol: canonical, limit })
      },
    )
  }
}

type Target = Pick<NewJob, 'scope' | 'instruments' | 'symbol' | 'expiry'>

function newJob(from: BackfillRouteSources, body: BackfillRequest, requestedBy: string): NewJob {
  const target = targetOf(from.market, body)
  const [first] = target.instruments
  if (first !== undefined && !from.isMine(first.symbol)) {
    throw new ApiError(409, 'conflict', `Bars of ${first.symbol} are written by another backend.`)
  }
  const unsupported = target.instruments.find((instrument) => !isBackfilled(instrument))
  if (unsupported !== undefined) {
    const { tradingsymbol, segment } = unsupported
    throw badField('tradingsymbol', `History of ${segment} (${tradingsymbol}) is not kept.`)
  }
  const window = windowOf(from.market, body)
  return { kind: 'on_demand', ...target, ...window, reason: null, requestedBy }
}

function targetOf({ chains, ...view }: MarketView, body: BackfillRequest): Target {
  const { instrument_token: token, tradingsymbol, exchange, symbol, expiry } = body
  const given = [token, tradingsymbol, symbol].filter((value) => value !== undefined).length
  if (given !== 1) {
    throw badField('symbol', 'Give one of instrument_token, tradingsymbol, or symbol with expiry.')
  }
  if (symbol === undefined) {
    if (expiry !== undefined) throw badField('expiry', '"expiry" goes with "symbol".')
    return oneInstrument(requireInstrument(chains.master, token, tradingsymbol, exchange))
  }
  if (expiry === undefined) throw badField('expiry', 'A symbol is asked for with its "expiry".')
  const canonical = requireSymbol(chains.master, symbol)
  const series = requireSeries({ chains, ...view }, canonical, expiry)
  const index = chains.master.index(canonical)
  const future = chains.master.future(canonical, expiry)
  const options = series.strikes.flatMap(({ call, put }) => [call, put])
  const instruments = [index, future, ...options].filter((one) => one !== null && one !== undefined)
  return { scope: 'series', instruments, symbol: canonical, expiry }
}

function oneInstrument(instrument: Instrument): Target {
  const { symbol, expiry } = instrument
  return { scope: 'instrument', instruments: [instrument], symbol, expiry }
}

function requireInstrument(
  master: MarketView['chains']['master'],
  token: number | undefined,
  tradingsymbol: string | undefined,
  exchange: string | undefined,
): Instrument {
  if (master.size === 0) throw unavailable('The list of instruments is not there yet.')
  if (token !== undefined) return found(master.byToken(token), 'instrument_token', token)
  const name = (tradingsymbol ?? '').trim().toUpperCase()
  const named =
    exchange === undefined
      ? master.byTradingsymbol(name)[0]
      : master.byKey(exchange.toUpperCase(), name)
  return found(named, 'tradingsymbol', name)
}

function found(
  instrument: Instrument | undefined,
  field: string,
  asked: number | string,
): Instrument {
  if (instrument !== undefined) return instrument
  throw new ApiError(404, 'unknown_instrument', `${asked} is not listed.`, { field })
}

/** Whole minutes that have begun. */
function windowOf(market: MarketView, body: BackfillRequest) {
  const nowMs = marketNowMs(market)
  const fromMs = Math.ceil(requireTime('from', body.from) / MINUTE_MS) * MINUTE_MS
  const askedToMs = Math.ceil(requireTime('to', body.to) / MINUTE_MS) * MINUTE_MS
  const toMs = Math.min(askedToMs, Math.floor(nowMs / MINUTE_MS) * MINUTE_MS)
  if (fromMs >= nowMs) throw badField('from', `"from" (${formatIst(fromMs)}) is yet to come.`)
  if (fromMs >= toMs) {
    throw badField('from', `"from" (${formatIst(fromMs)}) is not before "to" (${formatIst(toMs)}).`)
  }
  if (toMs - fromMs > BACKFILL_DAYS_MAX * DAY_MS) {
    const message = `The broker gives ${BACKFILL_DAYS_MAX} days of minutes at a time; ask for a shorter time.`
    throw badField('from', message, { days_max: BACKFILL_DAYS_MAX })
  }
  const fault = market.calendar.coverageFault(istDate(fromMs), istDate(toMs - 1))
  if (fault !== undefined) {
    throw new ApiError(400, 'not_covered', `${fault.message}.`, { years: fault.years })
  }
  return { fromMs, toMs }
}

function requesterOf(header: string | string[] | undefined): string {
  const name = Array.isArray(header) ? header[0] : header
  return name === undefined || name.trim() === '' ? 'api' : name.trim().slice(0, 64)
}

function switchedOff(): ApiError {
  return new ApiError(409, 'conflict', 'Backfill is switched off (flag backfill_enabled).')
}
