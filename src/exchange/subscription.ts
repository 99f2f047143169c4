/** One token on one connection. */
import type { TickMode } from '../market/tick.ts'
import type { ClientConnection } from './client-connection.ts'
import type { TokenCount } from './ledger.ts'
import type { LiveInstrument } from './live-instrument.ts'

export interface Subscription {
  readonly token: number
  readonly connection: ClientConnection
  readonly count: TokenCount
  mode: TickMode
  /** Undefined while nothing of that token is listed: it is accepted all the same, and stays silent. */
  instrument: LiveInstrument | undefined
  /** Paise; an `ltp` subscriber hears of a trade only where the price is another one. */
  lastPriceSent: number
  /** Something was left out since the client was too slow; it gets the newest state when it can. */
  isStale: boolean
}
