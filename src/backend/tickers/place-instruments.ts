/**
 * Which ticker is asked to stream what: what one streams already goes to it, the rest to the first one
 * with room.
 */
import type {
  InstrumentRequest,
  SubscribeAnswer,
  SubscribeRequest,
} from '../../contract/api/subscriptions.ts'
import type { TickerAccess, TickerResponse } from './call-ticker.ts'
import { field, refusalDetails } from './ticker-answer.ts'

/** What a ticker answered, and those it had no room for. */
export interface Placed<Answer> {
  readonly url: string
  readonly answer: Answer
  readonly full: readonly InstrumentRequest[]
}

export type AskSubscribe<Answer> = (
  access: TickerAccess,
  instruments: readonly InstrumentRequest[],
) => Promise<Pick<Placed<Answer>, 'answer' | 'full'>>

/**
 * One answer a ticker that was asked; what one has no room for is asked of the next.
 *
 * @param homeOf the ticker that streams a token already
 */
export async function placeInstruments<Answer>(
  tickers: readonly TickerAccess[],
  homeOf: (token: number) => TickerAccess | undefined,
  request: SubscribeRequest,
  ask: AskSubscribe<Answer>,
): Promise<Placed<Answer>[]> {
  const waiting = tickers.map((): InstrumentRequest[] => [])
  for (const each of instrumentsOf(request)) {
    const home = 'instrument_token' in each ? homeOf(each.instrument_token) : undefined
    waiting[home === undefined ? 0 : tickers.indexOf(home)]?.push(each)
  }
  const answers: Placed<Answer>[] = []
  for (const [at, access] of tickers.entries()) {
    const instruments = waiting[at] ?? []
    if (instruments.length === 0) continue
    const placed = { url: access.url, ...(await ask(access, instruments)) }
    answers.push(placed)
    waiting[at + 1]?.push(...placed.full)
  }
  return answers
}

/** Where nothing could be subscribed the list of refusals stands in the error. */
export function refusedInstruments(response: TickerResponse): SubscribeAnswer | undefined {
  if (response.status < 400 || response.status >= 500) return undefined
  const errors = field(refusalDetails(response), 'errors')
  return Array.isArray(errors) ? { subscriptions: [], errors } : undefined
}

/** Neither subscribed nor refused for another reason. A ticker without room says so by name alone. */
export function notPlaced(
  instruments: readonly InstrumentRequest[],
  { subscriptions, errors }: SubscribeAnswer,
): InstrumentRequest[] {
  const full = new Set(errors.filter(isNoRoom).map(({ instrument }) => instrument))
  if (full.size === 0) return []
  const tokens = new Set(subscriptions.map(({ instrument_token: token }) => token))
  const refused = new Set(errors.map(({ instrument }) => instrument))
  return instruments.filter((each) =>
    'tradingsymbol' in each
      ? full.has(each.tradingsymbol.toUpperCase())
      : !tokens.has(each.instrument_token) && !refused.has(each.instrument_token),
  )
}

export function isNoRoom({ code }: SubscribeAnswer['errors'][number]): boolean {
  return code === 'capacity_exceeded'
}

/** What had no room at one ticker was asked of the next: only the last one's word about that counts. */
export function finalErrors(
  answers: readonly Placed<SubscribeAnswer>[],
): SubscribeAnswer['errors'] {
  return answers.flatMap(({ answer }, at) =>
    at === answers.length - 1 ? answer.errors : answer.errors.filter((each) => !isNoRoom(each)),
  )
}

function instrumentsOf(request: SubscribeRequest): readonly InstrumentRequest[] {
  if (!('instruments' in request)) return [request]
  const { instruments, ...shared } = request
  return instruments.map((each) => ({ ...shared, ...each }))
}
