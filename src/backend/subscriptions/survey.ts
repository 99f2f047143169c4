/** What the tickers stream and what of it a holder holds, as they say it. */
import type { Feed } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import { AUTO_RECONCILE_PERIOD_MS } from '../../limits.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import { marketInstant } from '../market-instant.ts'
import type { SubscriptionRow, TickerClient } from '../tickers/ticker-client.ts'
import { type Held, keyOf } from './plan.ts'

export interface Survey {
  /** By instrument key; those without a socket too. */
  readonly held: ReadonlyMap<string, Omit<Held, 'wantedOn'>>
  /** Keys of what is on a socket or will be, whoever holds it. */
  readonly streamed: ReadonlySet<string>
  readonly room: number
  readonly marketTimeMs: number | undefined
}

export type SurveyedTickers = Pick<TickerClient, 'subscriptionsByTicker' | 'standing'>

/** The last survey of a holder, made anew where it is old. */
export class Surveys {
  readonly #tickers: SurveyedTickers
  readonly #holder: string
  readonly #clock: Clock
  #last: { readonly survey: Survey; readonly atMs: number } | undefined

  constructor(tickers: SurveyedTickers, holder: string, clock: Clock) {
    this.#tickers = tickers
    this.#holder = holder
    this.#clock = clock
  }

  get ageMs(): number {
    return this.#clock.elapsedMs() - (this.#last?.atMs ?? Number.NEGATIVE_INFINITY)
  }

  /** @param isAnew whether the tickers are asked, also where they were asked a moment ago */
  async known(isAnew: boolean, signal: AbortSignal): Promise<Survey> {
    const known = this.#last
    if (!isAnew && known !== undefined && this.ageMs < AUTO_RECONCILE_PERIOD_MS) return known.survey
    const atMs = this.#clock.elapsedMs()
    const found = await survey(this.#tickers, this.#holder, signal)
    this.#last = { survey: found, atMs }
    return found
  }

  /** Something is being changed: the tickers are asked before anything else is done. */
  forget(): void {
    this.#last = undefined
  }
}

/** Before the first tick only the ticker knows what time it is in a simulated market. Epoch ms. */
export function surveyedNowMs(
  { marketTimeMs = 0 }: Survey,
  feed: Feed,
  chains: Pick<LiveChains, 'marketTimeMs'>,
  clock: Clock,
): number {
  return marketInstant(feed, Math.max(chains.marketTimeMs, marketTimeMs), clock.nowMs())
}

/**
 * Rejects where one of the tickers does not answer: what it streams would be asked of another one, and
 * streamed twice.
 */
async function survey(
  tickers: SurveyedTickers,
  holder: string,
  signal: AbortSignal,
): Promise<Survey> {
  const [standing, active, pending, failed] = await Promise.all([
    tickers.standing(signal),
    rowsOf(tickers, 'active', signal),
    rowsOf(tickers, 'pending', signal),
    rowsOf(tickers, 'failed', signal),
  ])
  const streamed = [...active, ...pending]
  const own = [...streamed, ...failed].filter((row) => row.requested_by.includes(holder))
  return {
    held: new Map(own.map((row) => [keyOf(row), heldOf(row)])),
    streamed: new Set(streamed.map(keyOf)),
    room: standing.roomForNew,
    marketTimeMs: standing.marketTimeMs,
  }
}

async function rowsOf(
  tickers: SurveyedTickers,
  status: SubscriptionRow['status'],
  signal: AbortSignal,
): Promise<readonly SubscriptionRow[]> {
  const answers = await tickers.subscriptionsByTicker({ status }, signal)
  const fault = answers.find(({ error }) => error !== undefined)?.error
  if (fault !== undefined) throw fault
  return answers.flatMap(({ rows }) => rows)
}

function heldOf(row: SubscriptionRow): Omit<Held, 'wantedOn'> {
  const { instrument_token: token, exchange, tradingsymbol, symbol, segment } = row
  return { token, exchange, tradingsymbol, symbol, segment }
}
