/** What other parts of the program, and the routes, ask of the broker's history and quotes. */
import type { RequestQueueStatus } from '../../contract/api/history.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Account } from '../connection/account.ts'
import type { BudgetedBroker } from './budgeted-broker.ts'
import type { DispatcherDeps } from './dispatcher.ts'
import { History, type HistoryAnswer, type HistoryRequest } from './history.ts'
import type { Lane } from './lanes.ts'
import { Quotes, type QuotesAnswer, type QuotesRequest } from './quotes.ts'

export interface BudgetView {
  readonly history: RequestQueueStatus
  readonly quote: RequestQueueStatus
}

/** Every call rejects with a `RequestError` only. */
export interface HistoryService {
  history(request: HistoryRequest, signal?: AbortSignal): Promise<HistoryAnswer>
  quotes(request: QuotesRequest, signal?: AbortSignal): Promise<QuotesAnswer>
  /** Takes back whatever was asked for under that name. */
  cancel(group: string): void
  budget(): BudgetView
  describe(metrics: Metrics): void
}

export interface BrokerRequestsDeps extends Omit<DispatcherDeps, 'lanes'> {
  readonly accounts: readonly Account[]
  readonly budgets: BudgetedBroker
  readonly calendar: MarketCalendar
  readonly segmentOf: (token: number) => string | undefined
}

export class BrokerRequests implements HistoryService {
  readonly #history: History
  readonly #quotes: Quotes
  readonly #budgets: BudgetedBroker

  constructor(deps: BrokerRequestsDeps) {
    this.#budgets = deps.budgets
    const lanes = deps.accounts.map((account) => laneOf(account, deps.budgets))
    this.#history = new History({ ...deps, lanes })
    this.#quotes = new Quotes({ ...deps, lanes })
  }

  history(request: HistoryRequest, signal?: AbortSignal): Promise<HistoryAnswer> {
    return this.#history.candles(request, signal)
  }

  quotes(request: QuotesRequest, signal?: AbortSignal): Promise<QuotesAnswer> {
    return this.#quotes.quotes(request, signal)
  }

  cancel(group: string): void {
    this.#history.dispatcher.cancelGroup(group)
    this.#quotes.dispatcher.cancelGroup(group)
  }

  budget(): BudgetView {
    return { history: this.#history.dispatcher.status(), quote: this.#quotes.dispatcher.status() }
  }

  describe(metrics: Metrics): void {
    metrics.gauges(
      'fostream_requests_high_water',
      'Most requests that ever waited for their turn at the broker.',
      'kind',
      () => [
        ['history', this.#history.dispatcher.highWater],
        ['quote', this.#quotes.dispatcher.highWater],
      ],
    )
  }

  /** Whoever waits is refused, and what is on its way is given up. */
  stop(): void {
    this.#history.dispatcher.stop()
    this.#quotes.dispatcher.stop()
    this.#budgets.stop()
  }
}

function laneOf(account: Account, budgets: BudgetedBroker): Lane {
  const { name, settings, access } = account
  return {
    name,
    budget: budgets.budgetOf(settings.apiKey),
    rest: access.rest,
    login: () => `${account.logins} ${account.sinceMs}`,
    whyDown: () =>
      account.state === 'up' ? undefined : `${account.state}: ${account.reason ?? 'not let in'}`,
  }
}
