/**
 * `POST /subscriptions` where there are several tickers: what one of them streams goes to it, the rest
 * to the first with room, and the answer is of the whole.
 *
 *   look at the lists ──▶ subscribe, ticker after ticker ──▶ wait for first ticks, at all at once
 *                            └─ no room: let go, the next ◀┘
 */
import { ERROR_STATUS } from '../../contract/api/error.ts'
import {
  type InstrumentRequest,
  nothingSubscribed,
  SubscribeAnswer,
  SubscribePlan,
  type SubscribeQuery,
  type SubscribeRequest,
  Subscription,
  type SubscriptionError,
} from '../../contract/api/subscriptions.ts'
import type { Clock } from '../../kit/clock.ts'
import { runInSlices } from '../../kit/slices.ts'
import { SUBSCRIPTION_SLICE_MS, TICKER_TOKENS_PER_CALL } from '../../limits.ts'
import type { TickerAccess } from '../tickers/call-ticker.ts'
import { homesOf, type StreamedBy, tokensNamed } from '../tickers/homes.ts'
import {
  type AskSubscribe,
  finalErrors,
  groupsOf,
  isNoRoom,
  notPlaced,
  notPlanned,
  type Placed,
  placeInstruments,
  plansByTicker,
  refusedInstruments,
} from '../tickers/place-instruments.ts'
import { answerReader, listReader } from '../tickers/ticker-answer.ts'
import { ApiError } from './api-error.ts'
import { accepted, askOne, faultOf, hear, jsonAnswer, reading } from './ask-several.ts'
import type { PassedOn, TickerAnswer } from './pass-on.ts'

export interface SeveralTickers {
  readonly tickers: readonly TickerAccess[]
  readonly clock: Clock
}

/** What one call did at one ticker. */
interface Done extends SubscribeAnswer {
  readonly asked: readonly InstrumentRequest[]
  readonly isCreated: boolean
  /** Why some of them, or all, are not done; undefined where the ticker answered. */
  readonly fault: ApiError | undefined
}

const PATH = '/subscriptions'
const readSubscribed = answerReader(SubscribeAnswer)
const readPlan = answerReader(SubscribePlan)
const readSubscriptions = listReader(Subscription)

/**
 * @throws ApiError where nothing could be done, and where a ticker does not show what it streams: what
 * it may stream already must not be put on another one as well
 */
export async function subscribeAtSeveral(
  { tickers, clock }: SeveralTickers,
  call: PassedOn,
  request: SubscribeRequest,
  query: SubscribeQuery,
): Promise<TickerAnswer> {
  const homeOf = await homesNow({ tickers, clock }, call)
  if (query.dry_run === true) {
    const plans = await placeInstruments(tickers, homeOf, request, planner(call))
    return jsonAnswer(200, onePlan(plans))
  }
  const ask = subscriber(call, clock)
  const placed = await placeInstruments(tickers, homeOf, request, ask)
  const isCreated = placed.some(({ answer }) => answer.isCreated)
  const ended = query.wait === undefined ? placed : await waitForTicks(tickers, call, placed)
  const subscriptions = ended.flatMap(({ answer }) => answer.subscriptions)
  const errors = finalErrors(ended)
  if (subscriptions.length === 0) throw nothingDone(placed, errors)
  return jsonAnswer(isCreated ? 201 : 200, { subscriptions, errors })
}

/** As the tickers list it now. */
async function homesNow({ tickers, clock }: SeveralTickers, call: PassedOn) {
  const look = async (access: TickerAccess, status: Subscription['status']) => ({
    access,
    rows: await rowsOf(access, clock, call, status),
  })
  const lists: Promise<StreamedBy>[] = []
  for (const status of ['active', 'pending'] as const) {
    lists.push(...tickers.map((access) => look(access, status)))
  }
  return homesOf(await Promise.all(lists))
}

async function rowsOf(
  access: TickerAccess,
  clock: Clock,
  call: PassedOn,
  status: Subscription['status'],
): Promise<Subscription[]> {
  const pathAndQuery = `${PATH}?status=${status}`
  const question: PassedOn = { ...call, method: 'GET', pathAndQuery, body: undefined, waitMs: 0 }
  const steps = readSubscriptions(access.url, await askOne(access, question))
  return runInSlices(steps, clock, SUBSCRIPTION_SLICE_MS).catch((cause) => {
    throw faultOf(cause)
  })
}

// ---------------------------------------------------------------- plan

function planner(call: PassedOn) {
  return async (access: TickerAccess, instruments: readonly InstrumentRequest[]) => {
    const pathAndQuery = `${PATH}?dry_run=true`
    const body = JSON.stringify({ instruments })
    const response = await askOne(access, { ...call, pathAndQuery, body, waitMs: 0 })
    const answer = reading(() => readPlan(access.url, response))
    return { answer, full: notPlanned(instruments, answer) }
  }
}

function onePlan(answers: readonly Placed<SubscribePlan>[]): SubscribePlan {
  const plans = plansByTicker(answers)
  return {
    dry_run: true,
    plan: plans.flatMap(({ url, plan }) => plan.map((slot) => ({ ...slot, ticker: url }))),
    existing: plans.reduce((sum, { existing }) => sum + existing, 0),
    errors: finalErrors(answers),
  }
}

// ---------------------------------------------------------------- subscribe

/** A ticker that fails now fails for what it was asked: others may have done theirs. */
function subscriber(call: PassedOn, clock: Clock): AskSubscribe<Done> {
  const direct = { ...call, pathAndQuery: PATH, waitMs: 0 }
  return async (access, instruments, isLast) => {
    const answer = await subscribe(access, direct, instruments)
    const full = notPlaced(instruments, answer)
    if (isLast || full.length === 0) return { answer, full }
    const fault = await letGo(access, clock, call, full)
    if (fault === undefined) return { answer, full }
    // It may come to stream them, so no other one is asked.
    const kept = full.map((each) => errorOf(nameOf(each), fault))
    return { answer: { ...answer, errors: [...answer.errors, ...kept], fault }, full: [] }
  }
}

async function subscribe(
  access: TickerAccess,
  call: PassedOn,
  asked: readonly InstrumentRequest[],
): Promise<Done> {
  const heard = await hear(access, { ...call, body: JSON.stringify({ instruments: asked }) })
  try {
    const answer =
      ('response' in heard ? refusedInstruments(heard.response) : undefined) ??
      readSubscribed(access.url, accepted(heard))
    const isCreated = 'response' in heard && heard.response.status === 201
    return { ...answer, asked, isCreated, fault: undefined }
  } catch (cause) {
    const fault = cause instanceof ApiError ? cause : faultOf(cause)
    const errors = asked.map((each) => errorOf(nameOf(each), fault))
    return { subscriptions: [], errors, asked, isCreated: false, fault }
  }
}

/** Takes the caller's hold back of what waits there for room. Undefined where that is done. */
async function letGo(
  access: TickerAccess,
  clock: Clock,
  call: PassedOn,
  instruments: readonly InstrumentRequest[],
): Promise<ApiError | undefined> {
  try {
    const rows = await rowsOf(access, clock, call, 'failed')
    for (const tokens of groupsOf(tokensNamed(rows, instruments), TICKER_TOKENS_PER_CALL)) {
      const pathAndQuery = `${PATH}?instrument_token=${tokens.join(',')}`
      const question = { ...call, method: 'DELETE', pathAndQuery, body: undefined, waitMs: 0 }
      await askOne(access, question)
    }
    return undefined
  } catch (cause) {
    if (cause instanceof ApiError) return cause
    throw cause
  }
}

/**
 * Asks again, this time for first ticks, which changes nothing else: all tickers wait at once, as long
 * as the caller wants. The rows stay as they are where a ticker does not wait.
 */
async function waitForTicks(
  tickers: readonly TickerAccess[],
  call: PassedOn,
  placed: readonly Placed<Done>[],
): Promise<Placed<Done>[]> {
  const waiting = placed.map(async (each): Promise<Placed<Done>> => {
    const access = tickers.find(({ url }) => url === each.url)
    if (access === undefined || each.answer.subscriptions.length === 0) return each
    const { asked, subscriptions, errors } = each.answer
    const left = new Set(notPlaced(asked, each.answer))
    const taken = asked.filter((instrument) => !left.has(instrument))
    const { fault, ...ticked } = await subscribe(access, call, taken)
    if (fault === undefined) {
      const names = new Set([...left].map(nameOf))
      const ofLeft = errors.filter((error) => isNoRoom(error) || names.has(error.instrument))
      return { ...each, answer: { ...ticked, fault, errors: [...ticked.errors, ...ofLeft] } }
    }
    const late = subscriptions.map(({ tradingsymbol }) => errorOf(tradingsymbol, fault))
    return { ...each, answer: { ...each.answer, errors: [...errors, ...late] } }
  })
  return Promise.all(waiting)
}

function nothingDone(
  placed: readonly Placed<Done>[],
  errors: readonly SubscriptionError[],
): ApiError {
  const fault = placed.find(({ answer }) => answer.fault !== undefined)?.answer.fault
  if (fault !== undefined) return fault
  const { code, message, details } = nothingSubscribed(errors)
  return new ApiError(ERROR_STATUS[code], code, message, details)
}

function errorOf(instrument: string | number, { code, message }: ApiError): SubscriptionError {
  return { instrument, code, message }
}

function nameOf(each: InstrumentRequest): string | number {
  return 'instrument_token' in each ? each.instrument_token : each.tradingsymbol
}
