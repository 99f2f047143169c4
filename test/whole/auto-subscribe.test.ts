/** What the running platform streams by itself, how it is switched, and what the terminal says of it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { AutoSubscriptions } from '../../src/contract/api/auto-subscriptions.ts'
import { until } from '../until.ts'
import { isLive } from './live-chain.ts'
import { type Platform, platform } from './platform.ts'

/** INDIA VIX; of three underlyings index, three futures, 21 strikes of three expiries. */
const WHOLE = 1 + 3 * (1 + 3 + 3 * 42)
const WITHIN_MS = 90_000

let running: Platform

beforeAll(async () => {
  running = await platform({ SMART_SUBSCRIPTION_ENABLED: 'false' })
  await running.start()
}, 240_000)

afterAll(() => running?.dispose())

async function auto(): Promise<AutoSubscriptions> {
  const answer = await fetch(`${running.backendUrl}/subscriptions/auto`)
  return (await answer.json()) as AutoSubscriptions
}

async function streamed(): Promise<string[]> {
  const answer = await fetch(`${running.tickerUrl}/subscriptions?status=active`)
  const rows = (await answer.json()) as { tradingsymbol: string; requested_by: string[] }[]
  expect(rows.every(({ requested_by }) => requested_by.join() === 'auto')).toBe(true)
  return rows.map(({ tradingsymbol }) => tradingsymbol)
}

it('streams nothing while it is off, and shows per account what it would', async () => {
  await until(async () => (await auto()).add.length === WHOLE, WITHIN_MS)
  const { enabled, held, plan } = await auto()
  expect([enabled, held]).toEqual([false, 0])
  expect(plan.flatMap(({ added }) => added)).toHaveLength(WHOLE)
  const { code, stdout } = await running.command('subscribe', '--plan')
  expect(stdout).toMatch(/smart_subscription_enabled is off, from the environment/)
  expect(stdout).toContain(`Would subscribe ${WHOLE}: `)
  expect(stdout).toMatch(/sim1\/1 of http/)
  expect(code).toBe(0)
  expect(await streamed()).toEqual([])
}, 240_000)

it('streams the chains of three underlyings once it is switched on', async () => {
  const switched = await fetch(`${running.backendUrl}/flags`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"smart_subscription_enabled":true}',
  })
  expect(switched.status).toBe(200)
  await until(async () => (await streamed()).length === WHOLE, WITHIN_MS)
  await until(() => isLive(running), WITHIN_MS)
  expect(await streamed()).toContain('INDIA VIX')
  const { add, drop, unplaced, problem } = await auto()
  expect([add.length, drop.length, unplaced.length, problem]).toEqual([0, 0, 0, null])
}, 240_000)
