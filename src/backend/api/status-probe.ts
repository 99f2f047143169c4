/**
 * What has to be asked before a status can be told: whether the store and the tickers answer, and
 * how many gaps are open. Asked only when somebody wants to know, at most once a period, once for all.
 */
import type { TickerSummary } from '../../contract/api/backend-status.ts'
import type { Position } from '../../contract/journal-record.ts'
import type { Clock } from '../../kit/clock.ts'
import { API_PROBE_PERIOD_MS, API_PROBE_TIMEOUT_MS } from '../../limits.ts'
import type { BackendReads, GapSums, StoreDescription } from '../ports.ts'
import type { TickerAccess } from '../tickers/call-ticker.ts'
import { type SeenTicker, summariseTicker } from '../tickers/ticker-summary.ts'
import type { SeenStore } from './health-checks.ts'
import { within } from './within.ts'

export interface Probed {
  readonly store: SeenStore
  /** As it was told last; null until then. */
  readonly description: StoreDescription | null
  readonly gaps: GapSums | null
  readonly tickers: readonly TickerSummary[]
  /** Newest position that a ticker told of its journal; undefined where it did not answer. */
  readonly logHead: (producer: string, partition: number) => Position | undefined
}

export class StatusProbe {
  readonly #reads: Pick<BackendReads, 'describe' | 'gapSums'>
  readonly #tickers: readonly TickerAccess[]
  readonly #clock: Clock
  #last: Probed | undefined
  #askedAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<Probed> | undefined

  constructor(
    reads: Pick<BackendReads, 'describe' | 'gapSums'>,
    tickers: readonly TickerAccess[],
    clock: Clock,
  ) {
    this.#reads = reads
    this.#tickers = tickers
    this.#clock = clock
  }

  /** What was seen last; undefined before the first time. */
  get last(): Probed | undefined {
    return this.#last
  }

  /** Never rejects: what does not answer is what it tells. */
  refresh(): Promise<Probed> {
    if (this.#asking !== undefined) return this.#asking
    const isFresh = this.#clock.elapsedMs() - this.#askedAtMs < API_PROBE_PERIOD_MS
    if (this.#last !== undefined && isFresh) return Promise.resolve(this.#last)
    this.#asking = this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<Probed> {
    const [answer, seen] = await Promise.all([
      this.#askStore(),
      Promise.all(this.#tickers.map((ticker) => summariseTicker(ticker, this.#clock))),
    ])
    this.#askedAtMs = this.#clock.elapsedMs()
    const last = this.#last
    const tickers = seen.map(({ summary }) => summary)
    const logHead = headIn(seen)
    this.#last =
      'error' in answer
        ? {
            store: { status: 'down', error: answer.error },
            description: last?.description ?? null,
            gaps: last?.gaps ?? null,
            tickers,
            logHead,
          }
        : { store: { status: 'up', error: null }, ...answer, tickers, logHead }
    return this.#last
  }

  async #askStore(): Promise<
    { description: StoreDescription; gaps: GapSums } | { readonly error: string }
  > {
    try {
      const both = Promise.all([this.#reads.describe(), this.#reads.gapSums()])
      const late = () => new Error(`no answer within ${API_PROBE_TIMEOUT_MS} ms`)
      const [description, gaps] = await within(this.#clock, API_PROBE_TIMEOUT_MS, both, late)
      return { description, gaps }
    } catch (cause) {
      return { error: cause instanceof Error ? cause.message : String(cause) }
    }
  }
}

function headIn(seen: readonly SeenTicker[]): Probed['logHead'] {
  return (producer, partition) =>
    seen.find(({ summary }) => summary.ticker_id === producer)?.heads.get(partition)
}
