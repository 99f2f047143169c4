/**
 * The broker with a budget before its REST API: whoever calls, of whatever part, takes its turn
 * within the limits of the key, and what the broker refuses is learnt for all.
 */
import { OTHER_REQUESTS_PER_SECOND } from '../../limits.ts'
import type { BrokerAccess, BrokerFactory } from '../broker.ts'
import type { AccountSettings } from '../connection/account.ts'
import { AccountBudget } from './account-budget.ts'
import type { PacedClock } from './paced-clock.ts'

export class BudgetedBroker {
  readonly #clock: PacedClock
  readonly #settings: ReadonlyMap<string, AccountSettings>
  readonly #budgets = new Map<string, AccountBudget>()
  readonly #stop = new AbortController()

  constructor(accounts: readonly AccountSettings[], clock: PacedClock) {
    this.#clock = clock
    this.#settings = new Map(accounts.map((account) => [account.apiKey, account]))
  }

  /** The budget of a key for which access was made. @throws RangeError where there is none */
  budgetOf(apiKey: string): AccountBudget {
    const budget = this.#budgets.get(apiKey)
    if (budget === undefined) throw new RangeError('there is no account with this key')
    return budget
  }

  factory(broker: BrokerFactory): BrokerFactory {
    return (request) => {
      const access = broker(request)
      const budget = this.#budgets.get(request.apiKey) ?? this.#newBudget(request.apiKey)
      return { ...access, rest: budgetedRest(access.rest, budget, this.#stop.signal) }
    }
  }

  /** Nothing waits for its turn any more. */
  stop(): void {
    this.#stop.abort()
  }

  #newBudget(apiKey: string): AccountBudget {
    const settings = this.#settings.get(apiKey)
    if (settings === undefined) throw new RangeError('there is no account with this key')
    const budget = new AccountBudget({
      clock: this.#clock,
      ratesPerSecond: {
        history: settings.historyRequestsPerSecond,
        quote: settings.quoteRequestsPerSecond,
        other: OTHER_REQUESTS_PER_SECOND,
      },
    })
    this.#budgets.set(apiKey, budget)
    return budget
  }
}

function budgetedRest(
  rest: BrokerAccess['rest'],
  budget: AccountBudget,
  stop: AbortSignal,
): BrokerAccess['rest'] {
  return {
    instrumentsCsv: (exchange, signal) =>
      budget.run('other', () => rest.instrumentsCsv(exchange, signal), signal ?? stop),
    profile: (signal) => budget.run('other', () => rest.profile(signal), signal ?? stop),
    // The broker counts `/quote/ltp` as a quote.
    ltp: (keys, signal) => budget.run('quote', () => rest.ltp(keys, signal), signal ?? stop),
    quotes: (keys, signal) => budget.run('quote', () => rest.quotes(keys, signal), signal ?? stop),
    history: (query) => budget.run('history', () => rest.history(query), query.signal ?? stop),
  }
}
