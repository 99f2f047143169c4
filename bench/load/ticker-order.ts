/** What a ticker process is told at its start, and what it answers. */
import type { AccountSettings } from '../../src/ticker/connection/account.ts'

export interface TickerOrder {
  /** For journal, own copies and log; what is there is taken up. */
  readonly folder: string
  /** `http://host:port` of the broker; its WebSocket is the same with `ws:`. */
  readonly brokerUrl: string
  readonly accounts: readonly Pick<AccountSettings, 'name' | 'apiKey' | 'accessToken'>[]
  /** Undefined: without a store. */
  readonly databaseUrl: string | undefined
  readonly instrumentsPerAccount: number
  readonly muteAfterMs: number
  /** Market time now, epoch ms. */
  readonly marketTimeMs: number
}

export interface TickerAnnouncement {
  readonly url: string
}

/** The journal of `TickerOrder.folder`. */
export const JOURNAL_FOLDER = 'journal'
