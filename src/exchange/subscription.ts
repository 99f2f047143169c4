/** One token on one connection. */
import type { TickMode } from '../market/tick.ts'
import type { TokenCount } from './ledger.ts'

/** The connection that a subscription's packets leave by. */
export interface PacketTarget {
  /** Puts a packet into the frame at hand; false where the client is too slow for it. */
  append(subscription: Subscription, packet: Buffer): boolean
  flush(): void
}

/** What a subscription shows: one instrument's state as packets. */
export interface PacketSource {
  readonly lastPrice: number
  packet(mode: TickMode, timeMs: number): Buffer
}

export interface Subscription {
  readonly token: number
  readonly connection: PacketTarget
  readonly count: TokenCount
  mode: TickMode
  /** Undefined while nothing of that token is listed: it is accepted all the same, and stays silent. */
  instrument: PacketSource | undefined
  /** Paise; an `ltp` subscriber hears of a trade only where the price is another one. */
  lastPriceSent: number
  /** Something was left out since the client was too slow; it gets the newest state when it can. */
  isStale: boolean
}
