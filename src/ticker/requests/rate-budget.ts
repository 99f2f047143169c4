/**
 * How fast one key may ask for one kind of data: a pure bucket that learns.
 *
 *   full rate ──refused (429)──▶ paused ──▶ shrunk ──slowly──▶ full rate
 *
 * Requests leave evenly, one interval apart. A bucket that saves up a whole second's requests would
 * let twice the rate pass in one second, which a broker that counts by the second refuses. Only what
 * a late timer cost is made up for (`slackMs`).
 *
 * All times are monotonic milliseconds of market time.
 */
import {
  BUDGET_LEAST_SHARE,
  BUDGET_PAUSE_FIRST_MS,
  BUDGET_PAUSE_MAX_MS,
  BUDGET_RECOVERY_MS,
  BUDGET_SHRINK_FACTOR,
  BUDGET_SLACK_MS,
} from '../../limits.ts'

export interface RateBudget {
  /** Requests a second that the user allows. */
  readonly configured: number
  /** How much earlier than due a request may leave, to make up for late ones. */
  readonly slackMs: number
  /** When the next request is due. */
  readonly dueMs: number
  /** Requests a second at the end of the last pause. */
  readonly shrunkRate: number
  readonly shrunkAtMs: number
  readonly pausedUntilMs: number
  /** Refusals without an answer between them. */
  readonly refusals: number
}

export type RateEvent =
  | { readonly kind: 'sent' }
  | { readonly kind: 'answered'; readonly sentAtMs: number }
  | {
      readonly kind: 'refused'
      readonly sentAtMs: number
      readonly retryAfterMs: number | undefined
    }

/** @param speed market milliseconds in one of ours, in which timers are late */
export function fullBudget(configured: number, speed: number): RateBudget {
  const spareMs = Math.max(0, 1_000 - 1_000 / configured)
  return {
    configured,
    slackMs: Math.min(BUDGET_SLACK_MS * speed, spareMs / 2),
    dueMs: Number.NEGATIVE_INFINITY,
    shrunkRate: configured,
    shrunkAtMs: Number.NEGATIVE_INFINITY,
    pausedUntilMs: Number.NEGATIVE_INFINITY,
    refusals: 0,
  }
}

export function transition(budget: RateBudget, event: RateEvent, nowMs: number): RateBudget {
  switch (event.kind) {
    case 'sent': {
      const dueMs = Math.max(budget.dueMs, nowMs) + 1_000 / presentRate(budget, nowMs)
      return { ...budget, dueMs }
    }
    case 'answered':
      return event.sentAtMs < budget.shrunkAtMs ? budget : { ...budget, refusals: 0 }
    case 'refused':
      return refuse(budget, event.sentAtMs, event.retryAfterMs ?? 0, nowMs)
  }
}

/** Requests a second at this moment. */
export function presentRate(budget: RateBudget, nowMs: number): number {
  const { configured, shrunkRate, pausedUntilMs } = budget
  const calmMs = Math.max(0, nowMs - pausedUntilMs)
  return Math.min(configured, shrunkRate + (configured * calmMs) / BUDGET_RECOVERY_MS)
}

/** Milliseconds until the next request may leave; 0 where it may now. */
export function waitMs({ dueMs, slackMs, pausedUntilMs }: RateBudget, nowMs: number): number {
  return Math.max(0, dueMs - slackMs - nowMs, pausedUntilMs - nowMs)
}

/** What was on its way when the last refusal came is refused for the same reason: learnt once. */
function refuse(
  budget: RateBudget,
  sentAtMs: number,
  retryAfterMs: number,
  nowMs: number,
): RateBudget {
  if (sentAtMs < budget.shrunkAtMs) {
    return { ...budget, pausedUntilMs: Math.max(budget.pausedUntilMs, nowMs + retryAfterMs) }
  }
  const backoffMs = Math.min(BUDGET_PAUSE_MAX_MS, BUDGET_PAUSE_FIRST_MS * 2 ** budget.refusals)
  const shrunk = presentRate(budget, nowMs) * BUDGET_SHRINK_FACTOR
  return {
    ...budget,
    shrunkRate: Math.max(budget.configured * BUDGET_LEAST_SHARE, shrunk),
    shrunkAtMs: nowMs,
    pausedUntilMs: Math.max(budget.pausedUntilMs, nowMs + Math.max(retryAfterMs, backoffMs)),
    refusals: budget.refusals + 1,
  }
}
