/**
 * Looking at strikes on the running platform: they are streamed with their history, stay when whoever
 * streamed them before lets go, and are still there after a kill.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Bars } from '../../src/contract/api/bars.ts'
import type { MonitorView } from '../../src/contract/api/monitor-view.ts'
import type { Subscription } from '../../src/contract/api/subscriptions.ts'
import { until } from '../until.ts'
import { type Platform, platform } from './platform.ts'

/** INDIA VIX, index, future, five strikes. */
const AUTO = 3 + 2 * 5
/** Index, future, thirteen strikes. */
const VIEW = 2 + 2 * 13
const WITHIN_MS = 90_000

let running: Platform

beforeAll(async () => {
  running = await platform({
    SMART_SUBSCRIPTION_UNDERLYINGS: 'NIFTY',
    SMART_SUBSCRIPTION_EXPIRIES: '1',
    SMART_SUBSCRIPTION_STRIKES: '2',
    CHAIN_SNAPSHOT_SECONDS: '0',
  })
  await running.start()
}, 240_000)

afterAll(() => running?.dispose())

async function streamed(): Promise<readonly Subscription[]> {
  const answer = await fetch(`${running.tickerUrl}/subscriptions?status=active`)
  return (await answer.json()) as Subscription[]
}

async function heldBy(holder: string): Promise<readonly Subscription[]> {
  return (await streamed()).filter(({ requested_by }) => requested_by.includes(holder))
}

function namesOf(rows: readonly Subscription[]): string[] {
  return rows.map(({ tradingsymbol }) => tradingsymbol).sort()
}

async function view(strikes: number): Promise<MonitorView> {
  const answer = await fetch(`${running.backendUrl}/monitor/view`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbol: 'nifty', strikes_each_side: strikes }),
  })
  expect(answer.status).toBe(200)
  return (await answer.json()) as MonitorView
}

async function minutesOf(tradingsymbol: string): Promise<number> {
  const query = new URLSearchParams({ tradingsymbol, from: '2026-01-01' })
  const answer = await fetch(`${running.backendUrl}/bars?${query}`)
  return answer.ok ? ((await answer.json()) as Bars).bars.length : 0
}

it('streams the strikes that lack, with ticks and two hours of history', async () => {
  await until(async () => (await heldBy('auto')).length >= AUTO, WITHIN_MS)
  const { wanted, added, plan, unplaced, errors, backfill, problem } = await view(6)
  expect([wanted, unplaced, errors, problem]).toEqual([VIEW, [], [], null])
  // The window of `auto` moves later than the forward, by a strike at most.
  expect(added.length).toBeGreaterThanOrEqual(2 * 8)
  expect(plan.flatMap((slot) => slot.added).sort()).toEqual(added.toSorted())
  expect(backfill.pending).toBeGreaterThanOrEqual(added.length)
  expect(backfill.eta_ms).toBeGreaterThan(0)
  await until(async () => {
    const ticking = (await heldBy('view')).filter(({ first_tick_at }) => first_tick_at !== null)
    return added.every((name) => namesOf(ticking).includes(name))
  }, WITHIN_MS)
  const [nearest, farthest] = [added[0] ?? '', added.at(-1) ?? '']
  await until(async () => (await minutesOf(nearest)) > 30, WITHIN_MS)
  await until(async () => (await minutesOf(farthest)) > 30, WITHIN_MS)
  const again = await view(6)
  expect(again.streamed + again.added.length).toBe(VIEW)
  expect(again.backfill.pending + again.backfill.done).toBe(VIEW)
  await until(async () => (await heldBy('view')).length >= VIEW, WITHIN_MS)
}, 240_000)

it('keeps streaming them when whoever streamed them before lets go', async () => {
  const switched = await fetch(`${running.backendUrl}/flags`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"smart_subscription_enabled":false}',
  })
  expect(switched.status).toBe(200)
  const viewed = namesOf(await heldBy('view'))
  await until(async () => {
    const tokens = (await heldBy('auto')).map((row) => row.instrument_token)
    if (tokens.length === 0) return true
    await fetch(`${running.tickerUrl}/subscriptions?instrument_token=${tokens.join()}`, {
      method: 'DELETE',
      headers: { 'x-requested-by': 'auto' },
    })
    return false
  }, WITHIN_MS)
  expect(namesOf(await streamed())).toEqual(viewed)
  expect(viewed).not.toContain('INDIA VIX')
}, 240_000)

it('still streams them after a kill, for whoever looks again', async () => {
  const viewed = namesOf(await heldBy('view'))
  await running.kill()
  await running.start()
  await until(async () => namesOf(await heldBy('view')).join() === viewed.join(), WITHIN_MS)
  const { streamed: known, added } = await view(6)
  expect(known + added.length).toBe(VIEW)
  expect(namesOf(await heldBy('view'))).toEqual(expect.arrayContaining(viewed))
}, 240_000)
