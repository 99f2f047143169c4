/**
 * Whether everybody agrees: the exchange's connections, the ticker's list, its own copy, the table,
 * and the model of the calls that were made. Each disagreement is one line.
 */
import { readFile } from 'node:fs/promises'
import type pg from 'pg'
import type { Subscription } from '../../src/contract/api/subscriptions.ts'
import type { TickerStatus } from '../../src/contract/api/ticker-status.ts'
import { parseOwnCopy } from '../../src/ticker/subscriptions/own-copy-file.ts'
import { isLive } from '../../src/ticker/subscriptions/subscription.ts'
import { getJson } from '../load/http.ts'
import type { SubscriptionModel } from './model.ts'

export interface SettledDeps {
  readonly exchangeUrl: string
  readonly tickerUrl: string
  readonly copyPath: string
  readonly store: pg.Client | undefined
  readonly model: SubscriptionModel
}

interface Wanted {
  readonly mode: string
  readonly holders: readonly string[]
}

interface ExchangeSubscriptions {
  readonly connections: readonly {
    readonly connection: number
    readonly account: string
    readonly subscriptions: Readonly<Record<string, string>>
  }[]
}

const SHOWN = 3

/** @param sinceMs wall clock; every instrument must have ticked after it */
export async function disagreements(deps: SettledDeps, sinceMs: number): Promise<string[]> {
  const [exchange, active, status, faults] = await Promise.all([
    getJson<ExchangeSubscriptions>(`${deps.exchangeUrl}/control/subscriptions`),
    getJson<Subscription[]>(`${deps.tickerUrl}/subscriptions?status=active`),
    getJson<TickerStatus>(`${deps.tickerUrl}/status`),
    getJson<{ faults: readonly { fault: string }[] }>(`${deps.exchangeUrl}/control/faults`),
  ])
  return [
    ...faults.faults.map(({ fault }) => `${fault} still lasts`),
    ...compared('exchange', carried(exchange), deps.model, false),
    ...carriedTwice(exchange),
    ...compared('list', listed(active), deps.model, true),
    ...misplaced(exchange, active),
    ...compared('own copy', await copied(deps.copyPath), deps.model, true),
    ...(deps.store === undefined
      ? []
      : compared('table', await stored(deps.store), deps.model, true)),
    ...silent(active, sinceMs),
    ...status.gaps_open.map(({ gap_id, reason, instruments }) => {
      return `gap ${gap_id} (${reason}) is open for ${instruments}`
    }),
    ...unbalanced(status),
  ]
}

function carried({ connections }: ExchangeSubscriptions): Map<number, Wanted> {
  const modes = connections.flatMap(({ subscriptions }) => Object.entries(subscriptions))
  return new Map(modes.map(([token, mode]) => [Number(token), { mode, holders: [] }]))
}

function carriedTwice({ connections }: ExchangeSubscriptions): string[] {
  const seen = new Set<string>()
  const twice = connections
    .flatMap(({ subscriptions }) => Object.keys(subscriptions))
    .filter((token) => seen.size === seen.add(token).size)
  return twice.length === 0 ? [] : [`carried twice: ${sample(twice)}`]
}

function listed(active: readonly Subscription[]): Map<number, Wanted> {
  return new Map(
    active.map(({ instrument_token, mode, requested_by }) => {
      return [instrument_token, { mode, holders: requested_by }]
    }),
  )
}

/** Listed on another account than the one that carries it. */
function misplaced(
  { connections }: ExchangeSubscriptions,
  active: readonly Subscription[],
): string[] {
  const accounts = new Map(
    connections.flatMap(({ account, subscriptions }) => {
      return Object.keys(subscriptions).map((token) => [Number(token), account] as const)
    }),
  )
  const wrong = active.filter(({ instrument_token, account }) => {
    const carriedBy = accounts.get(instrument_token)
    return carriedBy !== undefined && carriedBy !== account
  })
  if (wrong.length === 0) return []
  return [`listed on another account: ${sample(wrong.map((each) => each.instrument_token))}`]
}

async function copied(path: string): Promise<Map<number, Wanted>> {
  const { subscriptions } = parseOwnCopy(await readFile(path, 'utf8'))
  const live = subscriptions.filter(isLive)
  return new Map(live.map(({ instrument, mode, holders }) => [instrument.token, { mode, holders }]))
}

async function stored(client: pg.Client): Promise<Map<number, Wanted>> {
  const { rows } = await client.query<Wanted & { token: number }>(
    `SELECT instrument_token::float8 AS token, mode, requesters AS holders
     FROM instrument_subscriptions WHERE status = 'active'`,
  )
  return new Map(rows.map(({ token, mode, holders }) => [token, { mode, holders }]))
}

function compared(
  who: string,
  found: ReadonlyMap<number, Wanted>,
  { held }: SubscriptionModel,
  withHolders: boolean,
): string[] {
  const tokens = [...held.keys()]
  const missing = tokens.filter((token) => !found.has(token))
  const surplus = [...found.keys()].filter((token) => !held.has(token))
  const modes = tokens.filter((token) => {
    const mode = found.get(token)?.mode
    return mode !== undefined && mode !== held.get(token)?.mode
  })
  const holders = tokens.filter((token) => {
    const has = found.get(token)?.holders
    return withHolders && has !== undefined && !sameNames(has, held.get(token)?.holders)
  })
  const named = {
    'does not have': missing,
    'has too': surplus,
    'other mode': modes,
    'other holders': holders,
  }
  return Object.entries(named)
    .filter(([, wrong]) => wrong.length > 0)
    .map(([what, wrong]) => `${who}: ${what} ${sample(wrong)}`)
}

function sameNames(a: readonly string[], b: ReadonlySet<string> = new Set()): boolean {
  return a.length === b.size && a.every((name) => b.has(name))
}

function silent(active: readonly Subscription[], sinceMs: number): string[] {
  const quiet = active.filter(({ last_tick_at }) => {
    return last_tick_at === null || Date.parse(last_tick_at) < sinceMs
  })
  return quiet.length === 0
    ? []
    : [`silent: ${sample(quiet.map(({ instrument_token }) => instrument_token))}`]
}

function unbalanced({ totals }: TickerStatus): string[] {
  const { received, rejected, dropped, journaled } = totals
  if (received === journaled + rejected + dropped && dropped === 0) return []
  return [`received ${received}, journalled ${journaled}, rejected ${rejected}, dropped ${dropped}`]
}

function sample(all: readonly (number | string)[]): string {
  return `${all.length} (${all.slice(0, SHOWN).join(', ')}${all.length > SHOWN ? ', …' : ''})`
}
