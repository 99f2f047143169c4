/**
 * What the ticker needs from outside: the journal that it writes, and the store that remembers its
 * subscriptions and the instrument master. The store is optional and may be away at any time.
 */
import type { BatchHeader, GapOpenRecord, Position } from '../contract/journal-record.ts'
import type { Instrument, OptionType } from '../market/instrument.ts'
import type { TickMode } from '../market/tick.ts'

/** What the previous epoch left behind in one partition. */
export interface RecoveredPartition {
  readonly last: Position
  /** Market time of the last batch, epoch ms. */
  readonly lastMarketTimeMs: number | undefined
  /** Wall clock of the last tick's arrival, epoch ms. */
  readonly lastReceivedAtMs: number | undefined
  /**
   * Until when each connection that fed what was streaming had brought what was sent, market time,
   * epoch ms; of those that brought nothing for long, nothing.
   */
  readonly knownUntilMs: readonly number[]
  readonly instruments: readonly Instrument[]
  /** What was streaming when the log broke off. */
  readonly covered: readonly { readonly token: number; readonly mode: TickMode }[]
  /** With the tokens that still wait for their first packet. */
  readonly openGaps: readonly GapOpenRecord[]
}

export interface JournalPartition {
  readonly partition: number
  /** The position before the oldest record that is kept. */
  readonly oldest: Position
  readonly newest: Position
  readonly segments: number
  readonly bytes: number
  readonly writer: { readonly lastSyncAtMs: number | null } | null
}

export interface JournalState {
  readonly bytes: number
  readonly isDiskFull: boolean
  readonly partitions: readonly JournalPartition[]
  /** Up to where each consumer has committed each partition. */
  readonly consumers: Readonly<Record<string, Readonly<Record<number, Position>>>>
}

/** One producer's journal, as its writer sees it. */
export interface JournalWriter {
  readonly producer: string
  readonly epoch: number
  readonly recovered: ReadonlyMap<number, RecoveredPartition>
  /**
   * Appends one finished batch and takes its bytes over; epoch and sequence are the journal's to
   * give. Resolves when readers can have it. Rejects, with a `code` and perhaps `retryAfterMs`, when
   * nothing of it was kept; where the disk is full, a batch without ticks may still be taken.
   */
  append(partition: number, batch: Uint8Array): Promise<BatchHeader>
  status(): JournalState
}

/** A subscription as the store keeps it; times are epoch ms. */
export interface StoredSubscription {
  readonly exchange: string
  readonly tradingsymbol: string
  readonly instrumentToken: number
  readonly segment: string
  readonly symbol: string
  /** `YYYY-MM-DD`. */
  readonly expiry: string | null
  readonly strike: number | null
  readonly optionType: OptionType | null
  readonly mode: TickMode
  readonly priority: 'high' | 'normal'
  readonly status: 'pending' | 'active' | 'failed' | 'removed'
  readonly account: string | null
  readonly connection: number | null
  /** Who asked first. */
  readonly requestedBy: string
  /** Who holds it now. */
  readonly requesters: readonly string[]
  readonly requestedAtMs: number
  readonly activatedAtMs: number | null
  readonly firstTickAtMs: number | null
  readonly lastTickAtMs: number | null
  readonly lastError: string | null
  readonly removedAtMs: number | null
}

/** The table of subscriptions, one row an instrument. Every call may fail and may be repeated. */
export interface SubscriptionStore {
  /** All rows of this ticker, removed ones too. */
  load(): Promise<readonly StoredSubscription[]>
  /** Writes rows as they are now; of two with the same name the later one counts. */
  save(rows: readonly StoredSubscription[]): Promise<void>
  /** Deletes rows of this ticker that were removed before `beforeMs`; returns how many. */
  forgetRemoved(beforeMs: number): Promise<number>
}

/** What one day's instrument dump changed. */
export interface InstrumentDiff {
  /** The IST date from which it holds, `YYYY-MM-DD`. */
  readonly date: string
  readonly added: readonly Instrument[]
  readonly changed: readonly Instrument[]
  readonly removed: readonly Pick<Instrument, 'exchange' | 'tradingsymbol'>[]
}

/** The instrument master over time. Every call may fail and may be repeated. */
export interface InstrumentStore {
  /** What is listed now, as of the last `apply`. */
  loadCurrent(): Promise<readonly Instrument[]>
  /** Ends the versions that the diff replaces or takes away and begins the new ones. */
  apply(diff: InstrumentDiff): Promise<void>
}

/** One message for a channel of the bus. */
export interface BusMessage {
  readonly channel: string
  readonly text: string
}

/** The publish/subscribe bus. It may be away at any time; nothing of the ticker waits for it. */
export interface Bus {
  /** Why the server does not answer; null while it does. */
  readonly error: string | null
  /** Messages of `send` that were refused, or of which nobody can say that the server took them. */
  readonly dropped: number
  /** The most that ever waited for the server's answer to `send`. */
  readonly highWaterBytes: number
  /**
   * Hands messages over in order. Resolves when the server has taken them all; rejects, with a `code`,
   * where that is not known, and then any of them may have arrived. For what must not be lost: the
   * caller keeps it and repeats it.
   */
  publish(messages: readonly BusMessage[]): Promise<void>
  /**
   * Hands messages over in order and forgets them: for ticks. False where the server is away, or so
   * slow that `BUS_SENDING_MAX_BYTES` wait for its answer: then all of them are dropped and counted.
   * Never waits, never throws, and keeps no more than that in memory.
   */
  send(messages: readonly BusMessage[]): boolean
  /**
   * How many listen to each of `channels`. Redis counts subscribers of patterns without telling which,
   * so each counts for every channel. Rejects where the server does not answer.
   */
  listeners(channels: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Tells when the server is there again; returns how to stop listening. */
  onUp(listener: () => void): () => void
}
