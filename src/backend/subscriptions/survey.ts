/** What the tickers stream and what of it we hold, as they say it. */
import { AUTO_HOLDER } from '../../contract/api/subscriptions.ts'
import { instrumentKey } from '../../market/instrument.ts'
import type { SubscriptionRow, TickerClient } from '../tickers/ticker-client.ts'
import type { Held } from './plan.ts'

export interface Survey {
  /** By instrument key; those without a socket too. */
  readonly held: ReadonlyMap<string, Omit<Held, 'wantedOn'>>
  /** Keys of what is on a socket or will be, whoever holds it. */
  readonly streamed: ReadonlySet<string>
  readonly room: number
  readonly marketTimeMs: number | undefined
}

export type SurveyedTickers = Pick<TickerClient, 'subscriptionsByTicker' | 'standing'>

/**
 * Rejects where one of the tickers does not answer: what it streams would be asked of another one, and
 * streamed twice.
 */
export async function survey(tickers: SurveyedTickers, signal: AbortSignal): Promise<Survey> {
  const [standing, active, pending, failed] = await Promise.all([
    tickers.standing(signal),
    rowsOf(tickers, 'active', signal),
    rowsOf(tickers, 'pending', signal),
    rowsOf(tickers, 'failed', signal),
  ])
  const streamed = [...active, ...pending]
  const ours = [...streamed, ...failed].filter((row) => row.requested_by.includes(AUTO_HOLDER))
  return {
    held: new Map(ours.map((row) => [keyOf(row), heldOf(row)])),
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

function keyOf({ exchange, tradingsymbol }: SubscriptionRow): string {
  return instrumentKey(exchange, tradingsymbol)
}
