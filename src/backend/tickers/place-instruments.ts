/**
 * Which ticker is asked to stream what: what one streams already goes to it, the rest to the first one
 * with room; more than one call may hold in several.
 */
import {
  type InstrumentRequest,
  SUBSCRIBE_MAX_INSTRUMENTS,
  type SubscribeAnswer,
  type SubscribePlan,
  type SubscribeRequest,
} from '../../contract/api/subscriptions.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { TickerAccess, TickerResponse } from './call-ticker.ts'
import { field, refusalDetails } from './ticker-answer.ts'

/** What a ticker answered to one call, and those it had no room for. */
export interface Placed<Answer> {
  readonly url: string
  readonly answer: Answer
  readonly full: readonly InstrumentRequest[]
}

/**
 * A ticker without room keeps what it was asked for, to stream it when there is some. What is asked of
 * the next one has to be let go of there first, or one day both would stream it.
 *
 * @param isLast no other one is asked for what it has no room for
 */
export type AskSubscribe<Answer> = (
  access: TickerAccess,
  instruments: readonly InstrumentRequest[],
  isLast: boolean,
) => Promise<Pick<Placed<Answer>, 'answer' | 'full'>>

/** To stream these, the first ones first. */
export function requestOf(instruments: readonly Pick<Instrument, 'token'>[]): SubscribeRequest {
  return { instruments: instruments.map(({ token }) => ({ instrument_token: token })) }
}

/**
 * One answer a call, in order of the tickers; what one has no room for is asked of the next.
 *
 * @param homeOf the ticker that streams an instrument already
 */
export async function placeInstruments<Answer>(
  tickers: readonly TickerAccess[],
  homeOf: (instrument: InstrumentRequest) => TickerAccess | undefined,
  request: SubscribeRequest,
  ask: AskSubscribe<Answer>,
): Promise<Placed<Answer>[]> {
  const waiting = tickers.map((): InstrumentRequest[] => [])
  for (const each of instrumentsOf(request)) {
    const home = homeOf(each)
    waiting[home === undefined ? 0 : tickers.indexOf(home)]?.push(each)
  }
  const answers: Placed<Answer>[] = []
  for (const [at, access] of tickers.entries()) {
    for (const instruments of groupsOf(waiting[at] ?? [], SUBSCRIBE_MAX_INSTRUMENTS)) {
      const isLast = at === tickers.length - 1
      const placed = { url: access.url, ...(await ask(access, instruments, isLast)) }
      answers.push(placed)
      waiting[at + 1]?.push(...placed.full)
    }
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

/** As `notPlaced`, of a plan, which names instruments only. */
export function notPlanned(
  instruments: readonly InstrumentRequest[],
  { errors }: Pick<SubscribePlan, 'errors'>,
): InstrumentRequest[] {
  const byName = new Map(
    instruments.flatMap((each) =>
      'tradingsymbol' in each ? [[each.tradingsymbol.toUpperCase(), each] as const] : [],
    ),
  )
  return errors.filter(isNoRoom).map(({ instrument }) => {
    const name = String(instrument)
    return byName.get(name) ?? { tradingsymbol: name }
  })
}

/** What had no room at one ticker was asked of the next: only the last one's word about that counts. */
export function finalErrors(
  answers: readonly Placed<Pick<SubscribeAnswer, 'errors'>>[],
): SubscribeAnswer['errors'] {
  const last = answers.at(-1)?.url
  return answers.flatMap(({ url, answer }) =>
    url === last ? answer.errors : answer.errors.filter((each) => !isNoRoom(each)),
  )
}

/** What all calls of a ticker would do: each was planned as if it were the only one. */
export function plansByTicker(
  answers: readonly Placed<SubscribePlan>[],
): (SubscribePlan & { readonly url: string })[] {
  const plans = new Map<string, SubscribePlan & { readonly url: string }>()
  for (const { url, answer } of answers) {
    const before = plans.get(url)
    plans.set(url, { url, ...(before === undefined ? answer : bothPlans(before, answer)) })
  }
  return [...plans.values()]
}

function bothPlans(first: SubscribePlan, second: SubscribePlan): SubscribePlan {
  type Slot = SubscribePlan['plan'][number]
  const slots = new Map<string, Slot>()
  for (const slot of [...first.plan, ...second.plan]) {
    const key = `${slot.connection} ${slot.account}`
    const known = slots.get(key)
    const added = [...(known?.added ?? []), ...slot.added]
    const more = known === undefined ? 0 : slot.instruments_after - slot.instruments_now
    const after = (known?.instruments_after ?? slot.instruments_after) + more
    slots.set(key, { ...slot, instruments_after: after, added })
  }
  return {
    dry_run: true,
    plan: [...slots.values()],
    existing: first.existing + second.existing,
    errors: [...first.errors, ...second.errors],
  }
}

/** Of at most `size` each; none where there is nothing. */
export function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size))
}

function instrumentsOf(request: SubscribeRequest): readonly InstrumentRequest[] {
  if (!('instruments' in request)) return [request]
  const { instruments, ...shared } = request
  return instruments.map((each) => ({ ...shared, ...each }))
}
