/** Tickers in memory that stream what they are asked for, while there is room; with the market's prices. */
import type { ViewSubscriberDeps } from '../../../src/backend/subscriptions/view-subscriber.ts'
import type { SubscriptionRow } from '../../../src/backend/tickers/ticker-client.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { MASTER, SPOTS } from './listing.ts'

export class MemoryTickers {
  nowMs = msOfIst('2026-11-20', '10:00')
  spots: Record<string, number> = { ...SPOTS }
  room = 3_000
  isAway = false
  subscribed = 0
  readonly holders = new Map<number, Set<string>>()

  held(by = 'auto'): number[] {
    return [...this.holders].flatMap(([token, names]) => (names.has(by) ? [token] : []))
  }

  readonly tickers: ViewSubscriberDeps['tickers'] = {
    standing: async () => {
      this.#answer()
      const roomForNew = Math.max(0, this.room - this.holders.size)
      return { roomForNew, marketTimeMs: this.nowMs, historiesPerSecond: 3 }
    },
    subscriptionsByTicker: async ({ status }) => {
      if (status !== 'active') return [{ url: 't', rows: [], error: undefined }]
      const error = this.isAway ? away() : undefined
      return [{ url: 't', rows: error === undefined ? this.#rows() : [], error }]
    },
    quotes: async (tokens) => {
      this.#answer()
      const quotes = tokens.flatMap((token) => {
        const { symbol, kind } = MASTER.byToken(token) ?? {}
        const ltp = kind === 'index' ? this.spots[symbol ?? ''] : undefined
        return ltp === undefined ? [] : [{ instrument_token: token, ltp }]
      })
      return { quotes: quotes as never, unknown: [] }
    },
    plan: async () => [],
    subscribe: async (request, { requestedBy }) => {
      this.#answer()
      for (const each of 'instruments' in request ? request.instruments : []) {
        if (!('instrument_token' in each)) continue
        const names = this.holders.get(each.instrument_token) ?? new Set()
        this.holders.set(each.instrument_token, names.add(requestedBy))
        this.subscribed++
      }
      return { subscriptions: [], errors: [] }
    },
    unsubscribe: async (tokens, { requestedBy }) => {
      for (const token of tokens) {
        this.holders.get(token)?.delete(requestedBy)
        if (this.holders.get(token)?.size === 0) this.holders.delete(token)
      }
      return { removed: [], kept: [] }
    },
  }

  #answer(): void {
    if (this.isAway) throw away()
  }

  #rows(): SubscriptionRow[] {
    return [...this.holders].map(([token, names]) => {
      const { exchange, tradingsymbol, symbol, segment } = MASTER.byToken(token) ?? {}
      const row = { instrument_token: token, exchange, tradingsymbol, symbol, segment }
      return { ...row, requested_by: [...names] } as SubscriptionRow
    })
  }
}

function away(): TickerError {
  return new TickerError('unreachable', 'nobody there', { url: 't' })
}

/** Of the options among these, ascending. */
export function strikesOf(tokens: readonly number[], symbol: string, expiry: string): number[] {
  const found = tokens.map((token) => MASTER.byToken(token))
  const strikes = found.flatMap((each) =>
    each?.symbol === symbol && each.expiry === expiry ? (each.strike ?? []) : [],
  )
  return [...new Set(strikes)].sort((a, b) => a - b)
}
