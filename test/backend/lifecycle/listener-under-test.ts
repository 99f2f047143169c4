/** A listener with a source, a ticker and a history that a test owns. */
import type { EventSource, EventSourceListener } from '../../../src/backend/lifecycle/ports.ts'
import { SubscriptionEventListener } from '../../../src/backend/lifecycle/subscription-event-listener.ts'
import type { ListQuery, TickerRows } from '../../../src/backend/tickers/ticker-client.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import type { FlagName } from '../../../src/contract/api/flags.ts'
import type { Subscription } from '../../../src/contract/api/subscriptions.ts'
import { type Clock, systemClock } from '../../../src/kit/clock.ts'
import type { Log } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { keptLog } from '../../ticker/support/silent-log.ts'
import { NIFTY, OPTIONS } from '../scenario.ts'

const CHANNEL = 'ticker:test:events'

/** A bus that a test speaks on; nobody hears what it says while nobody listens. */
export class SpokenSource implements EventSource {
  readonly kind = 'in_process'
  readonly channel = CHANNEL
  error: string | null = null
  listener: EventSourceListener | undefined

  listen(listener: EventSourceListener): () => void {
    this.listener = listener
    listener.onUp()
    return () => {
      this.listener = undefined
    }
  }

  say(event: Readonly<Record<string, unknown>> | string): void {
    this.listener?.onMessage(typeof event === 'string' ? event : JSON.stringify(event))
  }
}

/** Lists of several tickers. An answer can be held back, or be none. */
export class ListedTickers {
  readonly lists: Subscription[][] = [[]]
  readonly away = new Set<number>()
  /** It has just begun: its list is not whole yet. */
  isTakingUp = false
  asked: string[] = []
  held: Promise<void> | undefined

  /** The rows of the only ticker. */
  set rows(rows: Subscription[]) {
    this.lists[0] = rows
  }

  async notReady(): Promise<TickerError | undefined> {
    const url = 'http://ticker-0'
    if (!this.isTakingUp) return undefined
    return new TickerError('unavailable', `The ticker at ${url} answers HTTP 503.`, { url })
  }

  async subscriptionsByTicker({ status }: ListQuery): Promise<TickerRows[]> {
    this.asked.push(status ?? 'all')
    const answers = this.lists.map((rows, at): TickerRows => {
      const url = `http://ticker-${at}`
      if (this.away.has(at)) {
        const error = new TickerError('unreachable', `The ticker at ${url} does not answer.`, {
          url,
        })
        return { url, rows: [], error }
      }
      return { url, rows: rows.filter((row) => row.status === status), error: undefined }
    })
    await this.held
    return answers
  }
}

export interface Noted {
  readonly backfilled: number[]
  readonly cancelled: number[]
  readonly ended: string[]
  readonly streamed: string[]
}

export function listenerUnderTest(
  over: {
    readonly source?: EventSource | undefined
    readonly tickers?: ListedTickers
    readonly clock?: Clock
    readonly log?: Log
    readonly onBackfill?: (token: number) => void
  } = {},
) {
  const source = 'source' in over ? over.source : new SpokenSource()
  const tickers = over.tickers ?? new ListedTickers()
  const kept = keptLog()
  const noted: Noted = { backfilled: [], cancelled: [], ended: [], streamed: [] }
  const flags = new SwitchedFlags()
  const metrics = new Metrics({ processDefaults: false })
  const master = new InstrumentMaster([NIFTY, ...OPTIONS])
  const listener = new SubscriptionEventListener({
    source,
    tickers,
    history: {
      backfillInstrumentImmediate: (token) => {
        over.onBackfill?.(token)
        noted.backfilled.push(token)
      },
      cancel: (token) => noted.cancelled.push(token),
    },
    shown: {
      markEnded: (exchange, tradingsymbol) => noted.ended.push(`${exchange}:${tradingsymbol}`),
      markStreamed: (exchange, tradingsymbol) =>
        noted.streamed.push(`${exchange}:${tradingsymbol}`),
    },
    instruments: () => master,
    flags,
    metrics,
    clock: over.clock ?? systemClock,
    log: over.log ?? kept,
    random: () => 0,
  })
  const said = () => kept.lines.map(({ message }) => message)
  /** received = processed + failed + repeated + waiting */
  const isBalanced = () => {
    const { received, processed, failed, repeated, waiting } = listener.status()
    return received === processed + failed + repeated + waiting
  }
  return { listener, source, tickers, noted, flags, metrics, log: kept, said, isBalanced }
}

/** Flags that a test switches. */
class SwitchedFlags {
  readonly #off = new Set<FlagName>()
  readonly #listeners = new Set<(name: FlagName, on: boolean) => void>()

  isOn(name: FlagName): boolean {
    return !this.#off.has(name)
  }

  onChange(listener: (name: FlagName, on: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  list(): never[] {
    return []
  }

  set(name: FlagName, on: boolean): void {
    if (on) this.#off.delete(name)
    else this.#off.add(name)
    for (const listener of this.#listeners) listener(name, on)
  }
}
