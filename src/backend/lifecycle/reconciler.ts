/**
 * Compares what events have told with the tickers' own lists, so that an event that never came is made
 * good: at once where there is reason to, and every 30 s. Nothing counts as gone while a ticker does
 * not answer, has just begun and takes its subscriptions up, or still wants to stream it.
 */
import type { Subscription } from '../../contract/api/subscriptions.ts'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import {
  LIFECYCLE_RECONCILE_PERIOD_MS,
  LIFECYCLE_RECONCILE_RETRY_FIRST_MS,
  LIFECYCLE_RECONCILE_RETRY_MAX_MS,
} from '../../limits.ts'
import type { TickerClient, TickerRows } from '../tickers/ticker-client.ts'
import type { TickerError } from '../tickers/ticker-error.ts'
import type { KnownSubscription, KnownSubscriptions } from './known-subscriptions.ts'

export interface ReconcilerDeps {
  readonly tickers: Pick<TickerClient, 'subscriptionsByTicker' | 'notReady'>
  readonly known: KnownSubscriptions
  readonly onCreated: (row: Subscription) => void
  readonly onGone: (known: KnownSubscription) => void
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
}

const RETRY = {
  firstMs: LIFECYCLE_RECONCILE_RETRY_FIRST_MS,
  capMs: LIFECYCLE_RECONCILE_RETRY_MAX_MS,
}
/** One that is not active is wanted all the same, and may be active any time. */
const HELD = ['active', 'pending', 'failed'] as const

interface Held {
  /** Why it is not known; undefined where it is. */
  readonly error: TickerError | undefined
  readonly rows: readonly Subscription[]
}

export class Reconciler {
  readonly #deps: ReconcilerDeps
  #running: AbortController | undefined
  #endPeriod: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #asking: Promise<void> | undefined
  #isDueAgain = false
  #failures = 0
  #lastAtMs: number | null = null
  #error: string | null = null

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps
  }

  /** When every ticker was compared with last, epoch ms. */
  get lastAtMs(): number | null {
    return this.#lastAtMs
  }

  /** Why not all of them could be; null where they were. */
  get error(): string | null {
    return this.#error
  }

  /** Begins with a comparison. */
  start(): void {
    this.#running = new AbortController()
    this.#endPeriod = this.#deps.clock.every(LIFECYCLE_RECONCILE_PERIOD_MS, () => this.now())
    this.now()
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#isDueAgain = false
    this.#endPeriod?.()
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
  }

  /** There is reason to compare: at once, or as soon as the comparison under way is done. */
  now(): void {
    const running = this.#running
    if (running === undefined) return
    if (this.#asking !== undefined) {
      this.#isDueAgain = true
      return
    }
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#asking = this.#compare(running.signal)
      .catch((err) => this.#sayFailed(err))
      .finally(() => {
        this.#asking = undefined
        if (!this.#isDueAgain) return
        this.#isDueAgain = false
        this.now()
      })
  }

  async #compare(signal: AbortSignal): Promise<void> {
    const { tickers, known } = this.#deps
    known.beginList()
    try {
      const answers = await tickers.subscriptionsByTicker({ status: 'active' }, signal)
      if (signal.aborted || answers.length === 0) return
      const rows = rowsOf(answers)
      const isMissing = known.compare(rows).gone.length > 0
      const held = isMissing ? await this.#lookAgain(signal) : { error: errorOf(answers), rows }
      if (signal.aborted) return
      const error = errorOf(answers) ?? held.error
      this.#apply(rows, error === undefined ? new Set(held.rows.map(tokenOf)) : 'not known')
      this.#note(error)
    } finally {
      known.endList()
    }
  }

  /** Before anything counts as gone: all that tickers hold, asked for when their lists are whole. */
  async #lookAgain(signal: AbortSignal): Promise<Held> {
    const { tickers } = this.#deps
    const notReady = await tickers.notReady(signal)
    if (notReady !== undefined) return { error: notReady, rows: [] }
    const lists = HELD.map((status) => tickers.subscriptionsByTicker({ status }, signal))
    const answers = (await Promise.all(lists)).flat()
    return { error: errorOf(answers), rows: rowsOf(answers) }
  }

  /** `held` are the tokens that are wanted, active or not. */
  #apply(rows: readonly Subscription[], held: ReadonlySet<number> | 'not known'): void {
    const { known, onCreated, onGone, log } = this.#deps
    // Compared anew: events may have come while the other lists were asked for.
    const { created, gone: missing } = known.compare(rows)
    const gone = held === 'not known' ? [] : missing.filter(({ token }) => !held.has(token))
    known.take(rows, gone)
    for (const each of gone) onGone(each)
    for (const row of created) onCreated(row)
    if (created.length === 0 && gone.length === 0) return
    const fields = { active: rows.length, created: created.length, gone: gone.length }
    log.info(fields, 'Subscriptions reconciled with the ticker')
  }

  #note(error: TickerError | undefined): void {
    if (error === undefined) {
      if (this.#error !== null) this.#deps.log.info('The ticker tells its subscriptions again')
      this.#failures = 0
      this.#error = null
      this.#lastAtMs = this.#deps.clock.nowMs()
      return
    }
    this.#sayFailed(error)
  }

  /** Said once; tried again with growing pauses. */
  #sayFailed(err: unknown): void {
    const { clock, log, random } = this.#deps
    if (this.#running === undefined) return
    const message = err instanceof Error ? err.message : String(err)
    if (this.#error === null) {
      log.warn({ error: message }, 'Subscriptions cannot be reconciled with the ticker')
    }
    this.#error = message
    const delayMs = backoffDelayMs(RETRY, this.#failures++, random)
    this.#cancelRetry = clock.after(delayMs, () => this.now())
  }
}

/** Each instrument once. */
function rowsOf(answers: readonly TickerRows[]): Subscription[] {
  const rows = answers.flatMap((answer) => answer.rows)
  return [...new Map(rows.map((row) => [row.instrument_token, row])).values()]
}

function tokenOf({ instrument_token: token }: Subscription): number {
  return token
}

function errorOf(answers: readonly TickerRows[]): TickerError | undefined {
  return answers.find(({ error }) => error !== undefined)?.error
}
