/**
 * History on the running platform: a new subscription has its two hours within seconds, a contract's
 * day is fetched from a terminal, and what a killed platform missed is repaired from the broker.
 * Market time runs four times as fast, so that a minute is final after some seconds.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backfills } from '../../src/contract/api/backfills.ts'
import type { Bars } from '../../src/contract/api/bars.ts'
import type { Gaps } from '../../src/contract/api/gaps.ts'
import { until } from '../until.ts'
import { type Platform, platform } from './platform.ts'

interface Listed {
  readonly instrument_token: number
  readonly tradingsymbol: string
}

let running: Platform
/** Contracts near the money, which trade every minute, and that nobody has subscribed. */
let fresh: readonly Listed[]

async function get<Answer>(url: string): Promise<Answer> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}

function backfills(query = ''): Promise<Backfills> {
  return get(`${running.backendUrl}/backfills?limit=1000${query}`)
}

async function minutesOf(tradingsymbol: string): Promise<number> {
  const { bars } = await get<Bars>(
    `${running.backendUrl}/bars?tradingsymbol=${tradingsymbol}&from=2026-01-01`,
  )
  return bars.length
}

beforeAll(async () => {
  running = await platform({ EXCHANGE_SPEED: '4', SMART_SUBSCRIPTION_ENABLED: 'false' })
  await running.start()
  const { expiries } = await get<{ expiries: { expiry: string }[] }>(
    `${running.backendUrl}/fo/expiries?symbol=BANKNIFTY`,
  )
  const query = `symbol=BANKNIFTY&segment=NFO-FUT&limit=3`
  expect(expiries.length).toBeGreaterThan(0)
  fresh = await get<Listed[]>(`${running.tickerUrl}/instruments?${query}`)
}, 90_000)

afterAll(() => running.dispose())

describe('history on the running platform', () => {
  it('is there for a new subscription: two hours, once, with its job done', async () => {
    const [first] = fresh
    if (first === undefined) throw new Error('no future of BANKNIFTY is listed')
    const response = await fetch(`${running.tickerUrl}/subscriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instrument_token: first.instrument_token }),
    })
    expect(response.status).toBe(201)
    await until(async () => {
      const { backfills: jobs } = await backfills('&kind=immediate&status=done')
      return jobs.some(({ tradingsymbol }) => tradingsymbol === first.tradingsymbol)
    }, 75_000)
    const { backfills: jobs } = await backfills('&kind=immediate')
    const [job] = jobs.filter(({ tradingsymbol }) => tradingsymbol === first.tradingsymbol)
    expect(job?.rows).toBeGreaterThanOrEqual(118)
    expect(await minutesOf(first.tradingsymbol)).toBeGreaterThanOrEqual(118)
  }, 90_000)

  it('is fetched on demand from a terminal, through a broker that fails, and says how much', async () => {
    const [, second] = fresh
    if (second === undefined) throw new Error('one future of BANKNIFTY alone is listed')
    for (const kind of ['http_500', 'http_429']) {
      const fault = await fetch(`${running.exchangeUrl}/control/faults`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ kind, duration_ms: 4_000 }),
      })
      expect(fault.ok).toBe(true)
    }
    const { code, stdout, stderr } = await running.command(
      'backfill',
      second.tradingsymbol,
      '--days',
      '1',
    )
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/Done: \d+ minutes written/)
    const shown = /Look: curl '([^']+)'/.exec(stdout)?.[1] ?? expect.fail(stdout)
    expect((await get<Bars>(shown)).bars.length).toBeGreaterThan(0)
    const { backfills: jobs } = await backfills('&kind=on_demand')
    expect(jobs).toMatchObject([
      { tradingsymbol: second.tradingsymbol, status: 'done', instruments_done: 1 },
    ])
    const rows = Number(/Done: (\d+)/.exec(stdout)?.[1])
    expect(rows).toBe(jobs[0]?.rows)
  }, 90_000)

  it('refuses what is not listed, and times that are none', async () => {
    const ask = async (body: object) => {
      const response = await fetch(`${running.backendUrl}/backfills`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const { error } = (await response.json()) as { error: { code: string } }
      return `${response.status} ${error.code}`
    }
    const span = { from: '2026-11-20T09:15', to: '2026-11-20T15:30' }
    expect(await ask({ tradingsymbol: 'NIFTY1', ...span })).toBe('404 unknown_instrument')
    expect(await ask({ symbol: 'NIFTY', ...span })).toBe('400 bad_request')
    expect(await ask({ symbol: 'NIFTY', expiry: '2020-01-01', ...span })).toBe('404 unknown_expiry')
    expect(await ask(span)).toBe('400 bad_request')
    const token = { instrument_token: 256265 }
    expect(await ask({ ...token, from: '2090-01-01', to: '2090-01-02' })).toBe('400 bad_request')
    expect(await ask({ ...token, from: '2026-01-01', to: '2026-06-01' })).toBe('400 bad_request')
  })

  it('fills what a killed platform missed, and the gap is repaired', async () => {
    const [first] = fresh
    if (first === undefined) throw new Error('no future of BANKNIFTY is listed')
    await running.kill()
    await running.start()
    let gap: Gaps['gaps'][number] | undefined
    await until(async () => {
      const { gaps } = await get<Gaps>(`${running.backendUrl}/gaps`)
      gap = gaps.find(({ reason, status }) => reason === 'restart' && status === 'repaired')
      const { backfills: jobs } = await backfills('&kind=repair&status=done')
      return gap !== undefined && jobs.length > 0
    }, 120_000)
    expect(gap?.rows).toBeGreaterThan(0)
    // Whoever was first, the repair or the renewed subscription: no minute is missing any more.
    const { bars } = await get<Bars>(
      `${running.backendUrl}/bars?tradingsymbol=${first.tradingsymbol}&from=2026-01-01`,
    )
    const untilMs = Date.parse(gap?.to ?? '')
    const times = bars.map(({ time }) => Date.parse(time)).filter((ms) => ms < untilMs)
    expect(times.length).toBeGreaterThan(118)
    expect(times).toEqual(times.map((_, i) => (times[0] ?? 0) + i * 60_000))
    expect(times.at(-1)).toBeGreaterThanOrEqual(untilMs - 60_000)
  }, 240_000)
})
