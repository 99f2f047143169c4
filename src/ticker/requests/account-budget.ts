/**
 * What one api_key may ask of the broker's REST API, by kind of request, and what it has learnt from
 * the answers. The broker counts by key, so there is one of these per key and every call goes
 * through it.
 */
import { KiteError } from '../../kite/kite-error.ts'
import { BUDGET_SHARE_WINDOW_MS } from '../../limits.ts'
import type { PacedClock } from './paced-clock.ts'
import { fullBudget, presentRate, type RateBudget, transition, waitMs } from './rate-budget.ts'

/** The broker's own classes of limits: `other` is the dump, the profile, the session. */
export const REQUEST_KINDS = ['history', 'quote', 'other'] as const
export type RequestKind = (typeof REQUEST_KINDS)[number]

export interface BudgetUse {
  /** Requests a second that leave now; less than configured after a 429. */
  readonly ratePerSecond: number
  readonly configuredPerSecond: number
  /** Of the configured rate over the last seconds of market time, 0 … 1. */
  readonly usedShare: number
  /** Requests that the broker refused with 429, since the start. */
  readonly refused: number
}

export interface AccountBudgetOptions {
  readonly clock: PacedClock
  readonly ratesPerSecond: Readonly<Record<RequestKind, number>>
}

interface KindState {
  budget: RateBudget
  /** Departures of the last seconds, oldest first. */
  sentAtMs: number[]
  refused: number
}

export class AccountBudget {
  readonly #clock: PacedClock
  readonly #kinds: Readonly<Record<RequestKind, KindState>>

  constructor({ clock, ratesPerSecond }: AccountBudgetOptions) {
    this.#clock = clock
    const stateOf = (kind: RequestKind): KindState => ({
      budget: fullBudget(ratesPerSecond[kind], clock.speed),
      sentAtMs: [],
      refused: 0,
    })
    this.#kinds = { history: stateOf('history'), quote: stateOf('quote'), other: stateOf('other') }
  }

  /** Milliseconds of market time until the next request may leave. */
  waitMs(kind: RequestKind): number {
    return waitMs(this.#kinds[kind].budget, this.#clock.elapsedMs())
  }

  use(kind: RequestKind): BudgetUse {
    const nowMs = this.#clock.elapsedMs()
    const { budget, sentAtMs, refused } = this.#kinds[kind]
    const recent = sentAtMs.filter((atMs) => atMs > nowMs - BUDGET_SHARE_WINDOW_MS).length
    const allowed = (budget.configured * BUDGET_SHARE_WINDOW_MS) / 1_000
    return {
      ratePerSecond: round(presentRate(budget, nowMs)),
      configuredPerSecond: budget.configured,
      usedShare: round(Math.min(1, recent / allowed)),
      refused,
    }
  }

  /**
   * Makes one call when its turn comes, at once (and counted at once) where it may leave now.
   *
   * @throws KiteError
   */
  async run<T>(kind: RequestKind, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let restMs = this.waitMs(kind); restMs > 0; restMs = this.waitMs(kind)) {
      await this.#sleep(restMs, signal)
    }
    const sentAtMs = this.#noteSent(kind)
    try {
      const answer = await call()
      this.#noteAnswer(kind, sentAtMs)
      return answer
    } catch (error) {
      if (error instanceof KiteError) this.#noteFailure(kind, sentAtMs, error)
      throw error
    }
  }

  #noteSent(kind: RequestKind): number {
    const state = this.#kinds[kind]
    const nowMs = this.#clock.elapsedMs()
    state.budget = transition(state.budget, { kind: 'sent' }, nowMs)
    const { sentAtMs } = state
    sentAtMs.push(nowMs)
    while ((sentAtMs[0] ?? nowMs) < nowMs - BUDGET_SHARE_WINDOW_MS) sentAtMs.shift()
    return nowMs
  }

  #noteAnswer(kind: RequestKind, sentAtMs: number): void {
    const state = this.#kinds[kind]
    const event = { kind: 'answered', sentAtMs } as const
    state.budget = transition(state.budget, event, this.#clock.elapsedMs())
  }

  #noteFailure(kind: RequestKind, sentAtMs: number, { code, retryAfterMs }: KiteError): void {
    if (code !== 'too_many_requests') return
    const state = this.#kinds[kind]
    state.refused++
    const event = { kind: 'refused', sentAtMs, retryAfterMs } as const
    state.budget = transition(state.budget, event, this.#clock.elapsedMs())
  }

  #sleep(restMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        cancel()
        reject(new KiteError('aborted', 'given up before its turn came'))
      }
      const cancel = this.#clock.after(restMs, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
