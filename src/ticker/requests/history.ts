/** Candles of one instrument over any span: split as the broker answers, joined, and only final ones. */
import type { RequestPriority } from '../../contract/api/history.ts'
import type { CandleInterval } from '../../kite/rest.ts'
import type { KiteCandle } from '../../kite/rest-answers.ts'
import {
  HISTORY_AHEAD_MAX_MS,
  HISTORY_PARTS_MAX,
  HISTORY_QUEUE_MAX,
  REQUEST_TIMEOUT_DEFAULT_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { formatIst } from '../../market/ist.ts'
import { Dispatcher, type DispatcherDeps, type RequestRules } from './dispatcher.ts'
import {
  candleEnd,
  finalCandles,
  finalUntil,
  joinSpans,
  partsOf,
  type Span,
} from './history-spans.ts'
import { RequestError } from './request-error.ts'

/** How a request waits for its turn. */
export interface Waiting {
  /** `on_demand` where left out. */
  readonly priority?: RequestPriority | undefined
  /** Within the class, the smallest first; 0 where left out. */
  readonly order?: number | undefined
  /** Name under which several requests can be taken back at once. */
  readonly group?: string | undefined
  readonly timeoutMs?: number | undefined
}

export interface HistoryRequest extends Waiting {
  readonly token: number
  readonly interval: CandleInterval
  /** Epoch ms; candles that open from here … */
  readonly fromMs: number
  /** … to here, both inclusive. */
  readonly toMs: number
  /** Joins the days of expired futures; with `day` alone. */
  readonly continuous?: boolean
}

export interface HistoryAnswer {
  /** Oldest first. */
  readonly candles: readonly KiteCandle[]
  /** Candles that end by then are given; later ones the broker may still change. Epoch ms. */
  readonly finalUntilMs: number
}

export interface HistoryDeps extends DispatcherDeps {
  readonly calendar: MarketCalendar
  /** The segment of a token; undefined where it is not listed. */
  readonly segmentOf: (token: number) => string | undefined
}

interface Ask {
  readonly token: number
  readonly interval: CandleInterval
  readonly continuous: boolean
  readonly span: Span
}

/** Whose sessions an instrument that is not listed is taken to have. */
const DEFAULT_SEGMENT = 'NFO'

const RULES: RequestRules<Ask, KiteCandle[]> = {
  kind: 'history',
  queueMax: HISTORY_QUEUE_MAX,
  topic: ({ token, interval, continuous }) => `${token} ${interval} ${continuous}`,
  join: (waiting, more) => {
    const span = joinSpans(waiting.span, more.span, waiting.interval)
    return span && { ...waiting, span }
  },
  covers: (running, { span }, askedAtMs, nowMs) =>
    running.span.fromMs <= span.fromMs &&
    running.span.toMs >= span.toMs &&
    finalUntil(askedAtMs) === finalUntil(nowMs),
  call: (rest, { token, interval, continuous, span }, signal) =>
    rest.history({ token, interval, continuous, ...span, signal }),
}

export class History {
  readonly dispatcher: Dispatcher<Ask, KiteCandle[]>
  readonly #deps: HistoryDeps

  constructor(deps: HistoryDeps) {
    this.#deps = deps
    this.dispatcher = new Dispatcher(RULES, deps)
  }

  /** @throws RequestError */
  async candles(request: HistoryRequest, signal?: AbortSignal): Promise<HistoryAnswer> {
    const nowMs = this.#deps.marketTimeMs()
    const parts = this.#parts(request, nowMs)
    const asks = parts.map((span) => askOf(request, span))
    const answers = await this.dispatcher.submit(asks, waitOptions(request, signal))
    const untilMs = finalUntil(Math.min(nowMs, ...answers.map(({ askedAtMs }) => askedAtMs)))
    const segment = this.#deps.segmentOf(request.token) ?? DEFAULT_SEGMENT
    const endOf = (openMs: number) =>
      candleEnd(openMs, request.interval, segment, this.#deps.calendar)
    const all = answers.flatMap(({ answer }) => answer)
    return { candles: finalCandles(all, request, untilMs, endOf), finalUntilMs: untilMs }
  }

  #parts(request: HistoryRequest, nowMs: number): Span[] {
    const { fromMs, toMs, interval, continuous } = request
    if (toMs < fromMs) throw wrong('from', 'is after "to"')
    if (fromMs > nowMs) throw wrong('from', `is in the future; market time is ${formatIst(nowMs)}`)
    if (toMs > nowMs + HISTORY_AHEAD_MAX_MS) {
      throw wrong('to', `is in the future; market time is ${formatIst(nowMs)}`)
    }
    if (continuous === true && interval !== 'day') {
      throw wrong('continuous', 'is for interval=day only')
    }
    // Nothing that opens after the last final instant is given, so nothing is asked for it.
    if (fromMs >= finalUntil(nowMs)) return []
    const parts = partsOf({ fromMs, toMs }, interval)
    if (parts.length > HISTORY_PARTS_MAX) {
      throw wrong(
        'from',
        `makes ${parts.length} requests to the broker, at most ${HISTORY_PARTS_MAX}`,
      )
    }
    return parts
  }
}

/** How the dispatcher is told; shared with quotes. */
export function waitOptions(waiting: Waiting, signal: AbortSignal | undefined) {
  const { priority = 'on_demand', order = 0, group, timeoutMs } = waiting
  return { priority, order, group, timeoutMs: timeoutMs ?? REQUEST_TIMEOUT_DEFAULT_MS, signal }
}

function askOf({ token, interval, continuous }: HistoryRequest, span: Span): Ask {
  return { token, interval, continuous: continuous === true, span }
}

function wrong(field: string, how: string): RequestError {
  return new RequestError('bad_request', `"${field}" ${how}.`, { field })
}
