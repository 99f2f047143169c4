/**
 * Quotes of many instruments: 500 a call, and callers that ask for few share one call.
 *
 * The broker is asked by name where the token is listed, since names are never reused.
 */
import type { KiteQuote } from '../../kite/rest-answers.ts'
import { KITE_QUOTE_KEYS_MAX, QUOTE_QUEUE_MAX, QUOTE_SHARE_MS } from '../../limits.ts'
import { Dispatcher, type DispatcherDeps, type RequestRules } from './dispatcher.ts'
import { type Waiting, waitOptions } from './history.ts'

export interface QuotesRequest extends Waiting {
  /** `NFO:NIFTY26DECFUT`, or a token where no name is known; each once. */
  readonly keys: readonly string[]
}

/** By key; what the broker does not know is absent. */
export type QuotesAnswer = ReadonlyMap<string, KiteQuote>

type Keys = ReadonlySet<string>

const RULES: RequestRules<Keys, QuotesAnswer> = {
  kind: 'quote',
  queueMax: QUOTE_QUEUE_MAX,
  topic: () => 'all',
  join: (waiting, more) => {
    const joined = new Set([...waiting, ...more])
    return joined.size > KITE_QUOTE_KEYS_MAX ? undefined : joined
  },
  covers: (running, asked, askedAtMs, nowMs) =>
    nowMs - askedAtMs < QUOTE_SHARE_MS && [...asked].every((key) => running.has(key)),
  call: (rest, keys, signal) => rest.quotes([...keys], signal),
}

export class Quotes {
  readonly dispatcher: Dispatcher<Keys, QuotesAnswer>

  constructor(deps: DispatcherDeps) {
    this.dispatcher = new Dispatcher(RULES, deps)
  }

  /** @throws RequestError */
  async quotes(request: QuotesRequest, signal?: AbortSignal): Promise<QuotesAnswer> {
    const { keys } = request
    const asks: Keys[] = []
    for (let at = 0; at < keys.length; at += KITE_QUOTE_KEYS_MAX) {
      asks.push(new Set(keys.slice(at, at + KITE_QUOTE_KEYS_MAX)))
    }
    const answers = await this.dispatcher.submit(asks, waitOptions(request, signal))
    const found = new Map(answers.flatMap(({ answer }) => [...answer]))
    return new Map(keys.flatMap((key) => entryOf(found, key)))
  }
}

/** Calls are shared, so an answer may hold what others asked for. */
function entryOf(found: QuotesAnswer, key: string): [string, KiteQuote][] {
  const quote = found.get(key)
  return quote === undefined ? [] : [[key, quote]]
}
