import { beforeAll, beforeEach, expect, it } from 'vitest'
import { STORE_ROWS_PER_STATEMENT } from '../../src/limits.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { createSubscriptionStore } from '../../src/postgres/subscription-store.ts'
import type { StoredSubscription } from '../../src/ticker/ports.ts'
import { describeStores } from './stores.ts'

const call: StoredSubscription = {
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26NOV24300CE',
  instrumentToken: 13_568_258,
  segment: 'NFO-OPT',
  symbol: 'NIFTY50',
  expiry: '2026-11-24',
  strike: 24_300,
  optionType: 'CE',
  mode: 'full',
  priority: 'normal',
  status: 'pending',
  account: null,
  connection: null,
  requestedBy: 'api',
  requesters: ['api'],
  requestedAtMs: Date.UTC(2026, 10, 23, 4),
  activatedAtMs: null,
  firstTickAtMs: null,
  lastTickAtMs: null,
  lastError: null,
  removedAtMs: null,
}
const index: StoredSubscription = {
  ...call,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  instrumentToken: 256_265,
  segment: 'INDICES',
  expiry: null,
  strike: null,
  optionType: null,
  mode: 'quote',
  priority: 'high',
  requesters: ['auto', 'a "quoted" desk'],
}

await describeStores('the table of subscriptions', (store) => {
  const subscriptions = (ticker = 't1') => createSubscriptionStore(store().pool, ticker)

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
  })
  beforeEach(() => store().pool.query('TRUNCATE instrument_subscriptions'))

  it('gives back what was saved', async () => {
    await subscriptions().save([index, call])
    expect(await subscriptions().load()).toEqual([call, index])
  })

  it('holds the newest state of each instrument', async () => {
    const active: StoredSubscription = {
      ...call,
      status: 'active',
      account: 'main',
      connection: 2,
      requesters: ['api', 'view'],
      activatedAtMs: call.requestedAtMs + 40,
      firstTickAtMs: call.requestedAtMs + 90,
      lastTickAtMs: call.requestedAtMs + 900,
    }
    await subscriptions().save([call, index])
    await subscriptions().save([call, active])
    await subscriptions().save([])
    expect(await subscriptions().load()).toEqual([active, index])
  })

  it('takes thousands in one call', async () => {
    const rows = Array.from({ length: STORE_ROWS_PER_STATEMENT * 2 + 1 }, (_, n) => ({
      ...call,
      tradingsymbol: `NIFTY26NOV${String(n).padStart(5, '0')}CE`,
      instrumentToken: n + 1,
    }))
    await subscriptions().save(rows)
    expect(await subscriptions().load()).toEqual(rows)
  })

  it('forgets what was removed long ago, and nothing else', async () => {
    const removed = { ...call, status: 'removed' as const, removedAtMs: 2_000 }
    const recent = { ...removed, tradingsymbol: 'NIFTY26NOV24300PE', removedAtMs: 3_000 }
    await subscriptions().save([removed, recent, index])
    expect(await subscriptions().forgetRemoved(3_000)).toBe(1)
    expect(await subscriptions().load()).toEqual([recent, index])
  })

  it('keeps the rows of tickers apart, also of one instrument', async () => {
    const [first, second] = [subscriptions('t1'), subscriptions('t2')]
    const removed = { ...call, status: 'removed' as const, removedAtMs: 2_000 }
    await first.save([call, index])
    expect(await second.load()).toEqual([])
    await second.save([removed])
    expect(await first.load()).toEqual([call, index])
    expect(await second.load()).toEqual([removed])
    expect(await first.forgetRemoved(3_000)).toBe(0)
    expect(await second.forgetRemoved(3_000)).toBe(1)
  })

  it('gives rows without a ticker to the first that reads them', async () => {
    await subscriptions('t1').save([{ ...call, mode: 'ltp' }])
    await subscriptions('').save([call, index])
    expect(await subscriptions('t1').load()).toEqual([{ ...call, mode: 'ltp' }, index])
    expect(await subscriptions('t2').load()).toEqual([call])
    expect(await subscriptions('t3').load()).toEqual([])
  })
})
