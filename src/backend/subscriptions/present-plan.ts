/** A plan in the words of `/subscriptions/auto`. Pure. */
import type { AutoSubscriptions } from '../../contract/api/auto-subscriptions.ts'
import { formatIst } from '../../market/ist.ts'
import type { TickerPlan } from '../tickers/ticker-client.ts'
import type { SubscriptionPlan } from './plan.ts'
import type { Survey } from './survey.ts'

/** A plan with what it was made of. */
export interface Planned {
  readonly plan: SubscriptionPlan
  readonly survey: Survey
  /** Market time, epoch ms. */
  readonly nowMs: number
}

/** What the tickers did not do. */
export interface Refusal {
  readonly instrument: string | number
  readonly message: string
}

export interface PlanOutcome {
  readonly enabled: boolean
  readonly isDryRun: boolean
  /** What the tickers would do with the additions. */
  readonly tickerPlans: readonly TickerPlan[]
  readonly refusals: readonly Refusal[]
  readonly problem: string | undefined
}

export function presentPlan(
  { plan, survey, nowMs }: Planned,
  { enabled, isDryRun, tickerPlans, refusals, problem }: PlanOutcome,
): AutoSubscriptions {
  return {
    enabled,
    dry_run: isDryRun,
    market_time: formatIst(nowMs),
    wanted: plan.wanted.length,
    held: survey.held.size,
    room_for_new: survey.room,
    underlyings: plan.underlyings.map(({ symbol, state, spot, series }) => ({
      symbol,
      state,
      spot: spot ?? null,
      series: series.map(({ expiry, forward, anchor, instruments }) => ({
        expiry,
        forward: presentRupees(forward),
        atm_strike: anchor?.strike ?? null,
        instruments,
      })),
    })),
    add: namesOf(plan.add),
    drop: namesOf(plan.drop),
    unplaced: namesOf(plan.unplaced),
    plan: presentAdditions(tickerPlans),
    errors: presentRefusals(refusals),
    problem: problem ?? null,
  }
}

export function presentAdditions(tickerPlans: readonly TickerPlan[]): AutoSubscriptions['plan'] {
  return tickerPlans.flatMap(({ url, plan: slots }) =>
    slots.map(({ account, connection, instruments_now, instruments_after, added }) => ({
      ticker: url,
      account,
      connection,
      instruments_now,
      instruments_after,
      added,
    })),
  )
}

export function presentRefusals(refusals: readonly Refusal[]): AutoSubscriptions['errors'] {
  return refusals.map(({ instrument, message }) => ({ instrument: String(instrument), message }))
}

export function presentRupees(rupees: number | undefined): number | null {
  return rupees === undefined ? null : Math.round(rupees * 100) / 100
}

export function namesOf(instruments: readonly { readonly tradingsymbol: string }[]): string[] {
  return instruments.map(({ tradingsymbol }) => tradingsymbol)
}
