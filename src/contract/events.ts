/**
 * Lifecycle events: what the ticker tells whoever listens, in process and on `{prefix}:events`.
 *
 * An event is handed out after what it says is stored, in order, at least once; `event_id` rises
 * (`epoch-number`, with `-TICKER_ID` behind it of every ticker but the first, since two of them may
 * begin in the same second), so receivers drop what they have seen.
 *
 * Stored means: in the ticker's own copy on its disk, and for a subscription also in the row of
 * `instrument_subscriptions`, where the store takes it. While the store is away or slower than
 * `EVENT_STORE_WAIT_MS` the own copy counts, since the service goes on without the store; the row
 * follows.
 */
import type { OptionType } from '../market/instrument.ts'
import type { TickMode } from '../market/tick.ts'

/** What an event says of its instrument. */
export interface InstrumentMetadata {
  readonly tradingsymbol: string
  readonly segment: string
  readonly exchange: string
  readonly symbol: string
  /** `YYYY-MM-DD` */
  readonly expiry: string | null
  readonly strike: number | null
  readonly option_type: OptionType | null
  readonly mode: TickMode
  readonly account: string | null
}

/** `expired`: the contract has ended; `delisted`: it is not in the new dump; `request`: nobody holds it. */
export type RemovalReason = 'request' | 'expired' | 'delisted'

/** One gap, whatever partitions of the log it stands in. Times are ISO 8601 in IST. */
export interface GapMetadata {
  readonly gap_id: string
  readonly reason: string
  readonly account: string | null
  readonly connection: number | null
  /** How many instruments it touched. */
  readonly instruments: number
  readonly from: string
  /** Null while it is open. */
  readonly to: string | null
}

export interface AccountMetadata {
  readonly account: string
  readonly reason: string | null
  /** Where the user gets a new token; null while the account is up. */
  readonly login_url: string | null
}

export interface RefreshMetadata {
  readonly added: number
  readonly removed: number
  /** IST date of the dump. */
  readonly date: string
}

interface Common {
  /** `epoch-number` or `epoch-number-ticker`, rising. */
  readonly event_id: string
  /** Epoch seconds. */
  readonly timestamp: number
}

interface AboutInstrument {
  readonly instrument_token: number
  readonly metadata: InstrumentMetadata
}

interface AboutNoInstrument<Metadata> {
  readonly instrument_token: null
  readonly metadata: Metadata
}

/** What an event says, without its number and time. */
export type LifecycleNews =
  | (AboutInstrument & { readonly event_type: 'subscription_created' | 'subscription_live' })
  | {
      readonly event_type: 'subscription_removed'
      readonly instrument_token: number
      readonly metadata: InstrumentMetadata & { readonly reason: RemovalReason }
    }
  | (AboutNoInstrument<GapMetadata> & {
      readonly event_type: 'feed_gap_opened' | 'feed_gap_closed'
    })
  | (AboutNoInstrument<AccountMetadata> & { readonly event_type: 'account_down' | 'account_up' })
  | (AboutNoInstrument<RefreshMetadata> & { readonly event_type: 'instruments_refreshed' })

export type LifecycleEvent = LifecycleNews & Common

/** The `TICKER_ID` of a ticker that is the only one. */
export const FIRST_TICKER_ID = 't1'

/** @param number rising within the epoch */
export function eventIdOf(ticker: string, epoch: number, number: number): string {
  const id = `${epoch}-${number}`
  return ticker === FIRST_TICKER_ID ? id : `${id}-${ticker}`
}

/** Of one ticker's events: negative where `a` is older than `b`. */
export function compareEventIds(a: string, b: string): number {
  const [aEpoch = 0, aNumber = 0] = a.split('-').map(Number)
  const [bEpoch = 0, bNumber = 0] = b.split('-').map(Number)
  return aEpoch - bEpoch || aNumber - bNumber
}
