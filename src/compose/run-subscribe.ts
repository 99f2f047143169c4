/**
 * `fostream subscribe`: what is streamed around the money, brought up to date now by the running backend;
 * with `--plan` only what that would change, per account.
 */
import type { Config } from '../config.ts'
import type { AutoSubscriptions } from '../contract/api/auto-subscriptions.ts'
import type { FlagState, FlagsAnswer } from '../contract/api/flags.ts'
import { AUTO_NAMES_SHOWN } from '../limits.ts'
import { isNobodyThere, Refusal, RunningBackend } from './running-backend.ts'

const DONE = 0
const REFUSED = 1
const NOBODY_THERE = 3

/** The exit code: 0 done, 1 refused or not whole, 3 no backend answers. */
export async function runSubscribe(config: Config, isPlan: boolean): Promise<number> {
  const backend = new RunningBackend(config)
  try {
    const path = 'subscriptions/auto'
    const answer = isPlan
      ? await backend.ask<AutoSubscriptions>(path)
      : await backend.ask<AutoSubscriptions>(path, {})
    const { flags } = await backend.ask<FlagsAnswer>('flags')
    const lines = [...sayFlag(flags), ...sayPlan(answer)]
    process.stdout.write(`${lines.join('\n')}\n`)
    return answer.errors.length === 0 && answer.problem === null ? DONE : REFUSED
  } catch (error) {
    if (error instanceof Refusal) return say(error.message, REFUSED)
    if (!isNobodyThere(error)) throw error
    return say(`No backend answers at ${backend.url}; start fostream first.`, NOBODY_THERE)
  }
}

/** Whether the market is followed without being asked, and by what that is switched. One line. */
export function sayFlag(flags: readonly FlagState[]): string[] {
  const flag = flags.find(({ name }) => name === 'smart_subscription_enabled')
  if (flag === undefined) return []
  const { value, name } = flag
  const acts = value ? 'The market is followed' : 'Nothing is changed without this command'
  return [`${acts}: ${name} is ${value ? 'on' : 'off'}, ${originOf(flag)}`]
}

function originOf({ origin, stored, stored_at }: FlagState): string {
  if (origin === 'default')
    return 'by default (SMART_SUBSCRIPTION_ENABLED or PUT /flags changes it)'
  if (origin === 'environment') return 'from the environment or its file (PUT /flags overrides it)'
  if (origin === 'system_config')
    return `from system_config since ${stored_at} (PUT /flags changes it)`
  return `from the environment, as "${stored}" in system_config is neither true nor false`
}

/** The answer as lines for people. */
export function sayPlan(answer: AutoSubscriptions): string[] {
  const { dry_run, wanted, held, room_for_new, add, drop, unplaced, problem } = answer
  return [
    `Wanted ${wanted}, held ${held}, room for ${room_for_new} more`,
    ...answer.underlyings.map(({ symbol, state, spot, series }) => {
      if (state !== 'ok') return `  ${symbol}: ${WHY[state]}`
      const around = series.map(({ expiry, atm_strike }) => `${expiry} around ${atm_strike ?? '-'}`)
      return `  ${symbol} at ${spot}: ${around.join(', ')}`
    }),
    ...listed(dry_run ? 'Would subscribe' : 'Subscribed', add),
    ...answer.plan.map(
      ({ ticker, account, connection, instruments_now, instruments_after }) =>
        `  ${account}/${connection} of ${ticker}: ${instruments_now} -> ${instruments_after}`,
    ),
    ...listed(dry_run ? 'Would let go' : 'Let go', drop),
    ...listed('No room for', unplaced),
    ...answer.errors.map(({ instrument, message }) => `Refused ${instrument}: ${message}`),
    ...(problem === null ? [] : [`It cannot follow the market now: ${problem}`]),
  ]
}

const WHY = {
  no_price: 'its price is not known, so nothing of it is changed',
  not_listed: 'not listed',
} as const

function listed(what: string, names: readonly string[]): string[] {
  const shown = names.slice(0, AUTO_NAMES_SHOWN).join(' ')
  const more = names.length > AUTO_NAMES_SHOWN ? ' …' : ''
  return names.length === 0 ? [] : [`${what} ${names.length}: ${shown}${more}`]
}

function say(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}
