/** Subscribes what a chain is looked at with: index, INDIA VIX, the nearest future, 21 strikes. */
import { strikeWindow } from '../../../src/market/options/moneyness.ts'
import { ApiError } from '../../../src/ticker/api/api-error.ts'
import type { TickerHandle } from '../../../src/ticker/ticker.ts'

/** How many these are. */
export const AROUND_THE_MONEY = 45

type Asked = Pick<TickerHandle, 'master' | 'subscriptions'>

/** Held by `auto`; resolves when they are subscribed, all of them. Throws where one is not listed. */
export async function subscribeAroundTheMoney(ticker: Asked): Promise<void> {
  const strikes = strikesOf(ticker)
  const tokens = tokensAround(ticker, strikes[Math.floor(strikes.length / 2)] ?? 0)
  if (tokens.length !== AROUND_THE_MONEY) throw new Error(`${tokens.length} are listed`)
  const { errors } = await ask(ticker, tokens)
  if (errors.length > 0) throw new Error(JSON.stringify(errors[0]))
}

/** Where the brokers of these tests have the spot. */
const SPOT = 26_000

/** What there is of it, as soon as there are instruments; returns how to give it up. */
export function askForTheMoney(ticker: Asked): () => void {
  let isOver = false
  const look = () => {
    if (isOver) return
    if (ticker.master.size === 0) setTimeout(look, 2)
    else void ask(ticker, tokensAround(ticker, SPOT)).catch(ignoreRefusal)
  }
  look()
  return () => {
    isOver = true
  }
}

function ask({ subscriptions }: Asked, tokens: readonly number[]) {
  const instruments = tokens.map((token) => ({ instrument_token: token }))
  return subscriptions.subscribe({ instruments }, 'auto', undefined)
}

/** Nothing of it is listed any more, or there is no room: the test has it so. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ApiError)) throw error
}

function strikesOf({ master }: Asked): number[] {
  return (master.expiries('NIFTY50')[0]?.strikes ?? []).map(({ strike }) => strike)
}

function tokensAround(ticker: Asked, centre: number): number[] {
  const { master } = ticker
  const window = new Set(strikeWindow(strikesOf(ticker), centre, 10))
  const rows = (master.expiries('NIFTY50')[0]?.strikes ?? []).filter((row) =>
    window.has(row.strike),
  )
  const around = [
    master.index('NIFTY50'),
    master.index('INDIAVIX'),
    master.futures('NIFTY50')[0],
    ...rows.flatMap(({ call, put }) => [call, put]),
  ]
  return around.flatMap((each) => (each ? [each.token] : []))
}
