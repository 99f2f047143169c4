/** What the lifecycle listener needs from outside and from the rest of the backend. */
import type { Instrument } from '../../market/instrument.ts'
import type { EventMetadata } from './parse-event.ts'

/** What fetches the history of instruments. */
export interface InstrumentHistory {
  /** Schedules at once, returns at once. */
  backfillInstrumentImmediate(token: number, metadata?: EventMetadata): void
  /** The instrument's subscription ended: what is pending for it stops. */
  cancel(token: number): void
}

/** The instrument master as of now. */
export interface InstrumentLookup {
  byToken(token: number): Instrument | undefined
}

/** What shows prices: that of an instrument whose subscription ended is old from now on. */
export interface ShownInstruments {
  markEnded(exchange: string, tradingsymbol: string): void
  markStreamed(exchange: string, tradingsymbol: string): void
}

export interface EventSourceListener {
  onMessage(text: string): void
  /** From here on nothing is missed until `onDown`. */
  onUp(): void
  onDown(): void
}

/** Where events come from: Redis, or the ticker in this process. */
export interface EventSource {
  readonly kind: 'redis' | 'in_process'
  /** `{prefix}:events` */
  readonly channel: string
  /** Why nothing comes; null while all is well. */
  readonly error: string | null
  /** Returns how to stop; what comes meanwhile is missed. */
  listen(listener: EventSourceListener): () => void
}
