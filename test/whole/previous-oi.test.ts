/** The change of open interest on the first day of a fresh install, from the broker's day candles. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { History } from '../../src/contract/api/history.ts'
import type { StrikeDistribution } from '../../src/contract/api/strike-distribution.ts'
import { addDays, istDate } from '../../src/market/ist.ts'
import { until } from '../until.ts'
import { type Platform, platform } from './platform.ts'

let running: Platform

beforeAll(async () => {
  running = await platform({
    SMART_SUBSCRIPTION_UNDERLYINGS: 'NIFTY',
    SMART_SUBSCRIPTION_EXPIRIES: '1',
    SMART_SUBSCRIPTION_STRIKES: '2',
    BACKFILL_LOOKBACK_MINUTES: '3',
    CHAIN_SNAPSHOT_SECONDS: '0',
  })
  await running.start()
}, 240_000)

afterAll(() => running.dispose())

async function get<Answer>(url: string): Promise<Answer> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}

function chain(): Promise<StrikeDistribution> {
  return get(`${running.backendUrl}/fo/strike-distribution?symbol=NIFTY&strikes=1`)
}

const legsOf = ({ strikes }: StrikeDistribution) =>
  strikes.flatMap(({ call, put }) => [call, put].flatMap((leg) => leg ?? []))

it('is there at once, in stored minutes too, and as the broker’s history has it', async () => {
  await until(async () => {
    const legs = legsOf(await chain())
    return legs.length === 6 && legs.every(({ oi_prev_close }) => oi_prev_close !== null)
  }, 90_000)
  const live = await chain()
  const [leg] = legsOf(live)
  if (leg === undefined || live.bucket_time === null) throw new Error('there is no chain')
  const yesterday = addDays(istDate(Date.parse(live.bucket_time)), -1)
  const day = await get<History>(
    `${running.tickerUrl}/history/${leg.instrument_token}?interval=day&oi=1&from=${yesterday}&to=${yesterday}`,
  )
  expect(leg.oi_prev_close).toBe(day.candles[0]?.[6])
  expect(leg.oi_change).toBe((leg.oi ?? 0) - (leg.oi_prev_close ?? 0))

  // The first minutes were stored before it was known.
  await until(async () => {
    const at = Math.floor(Date.parse(live.bucket_time ?? '') / 1_000)
    const url = `${running.backendUrl}/fo/strike-distribution?symbol=NIFTY&strikes=1&at=${at}`
    const response = await fetch(url)
    // The live chain is ahead of its first stored minute.
    if (response.status === 404) return false
    const stored = legsOf((await response.json()) as StrikeDistribution)
    const same = stored.find(({ tradingsymbol }) => tradingsymbol === leg.tradingsymbol)
    return same?.oi_prev_close === leg.oi_prev_close
  }, 90_000)
  const { code, stdout } = await running.command('verify')
  expect(`${code}\n${stdout}`).toMatch(/^0\n/)
}, 240_000)
