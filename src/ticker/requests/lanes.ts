/**
 * The accounts as ways to the broker for one kind of request: which of them may ask, and when the
 * n-th that waits leaves with them together.
 *
 * An account whose socket is open may still be refused over REST. Its login is not tried again for
 * a while then; a new login is, at once.
 */
import type { Clock } from '../../kit/clock.ts'
import { REQUESTS_REJECTED_RETRY_MS } from '../../limits.ts'
import type { BrokerAccess } from '../broker.ts'
import type { AccountBudget, RequestKind } from './account-budget.ts'
import { departureMs } from './departures.ts'
import { RequestError } from './request-error.ts'

/** An account, as a way to the broker. */
export interface Lane {
  readonly name: string
  /** Why it may not ask; undefined while it may. */
  readonly whyDown: () => string | undefined
  /** Another one after a new access token, and when the broker has let it in again. */
  readonly login: () => string
  readonly budget: AccountBudget
  readonly rest: BrokerAccess['rest']
}

interface Rejection {
  readonly login: string
  /** Monotonic. */
  readonly atMs: number
}

export class Lanes {
  readonly #all: readonly Lane[]
  readonly #kind: RequestKind
  readonly #clock: Clock
  readonly #rejections = new Map<Lane, Rejection>()

  constructor(all: readonly Lane[], kind: RequestKind, clock: Clock) {
    this.#all = all
    this.#kind = kind
    this.#clock = clock
  }

  /** Those that may ask, now or when their turn comes. */
  get usable(): Lane[] {
    return this.#all.filter(
      (lane) => lane.whyDown() === undefined && this.#rejectedForMs(lane) === 0,
    )
  }

  /** @param login the one with which it asked; another one since then has not been refused */
  reject(lane: Lane, login: string): void {
    this.#rejections.set(lane, { login, atMs: this.#clock.elapsedMs() })
  }

  /** Milliseconds of market time until the n-th that waits leaves; undefined where nobody may ask. */
  departureMs(place: number): number | undefined {
    const paces = this.usable.map(({ budget }) => ({
      waitMs: budget.waitMs(this.#kind),
      ratePerSecond: budget.use(this.#kind).ratePerSecond,
    }))
    return place === 0 && paces.length > 0 ? 0 : departureMs(paces, place)
  }

  /** What to say while nobody may ask. */
  noAccount(): RequestError {
    const accounts = this.#all.map(({ name, whyDown }) => ({
      account: name,
      reason: whyDown() ?? 'the broker does not accept its access token for this',
    }))
    const reasons = accounts.map(({ account, reason }) => `${account} (${reason})`)
    const waits = this.#all.map((lane) => this.#rejectedForMs(lane)).filter((ms) => ms > 0)
    const retryAfterMs = Math.min(REQUESTS_REJECTED_RETRY_MS, ...waits)
    const message = `No account may ask the broker now: ${reasons.join('; ')}.`
    return new RequestError('no_account', message, { accounts, retryAfterMs })
  }

  /** How long its login is not tried again, ms; 0 for one that was not refused. */
  #rejectedForMs(lane: Lane): number {
    const rejection = this.#rejections.get(lane)
    if (rejection === undefined || rejection.login !== lane.login()) return 0
    return Math.max(0, rejection.atMs + REQUESTS_REJECTED_RETRY_MS - this.#clock.elapsedMs())
  }
}
