import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { EnvironmentFlags } from '../../../src/backend/flags/flag-values.ts'
import { LiveFlags } from '../../../src/backend/flags/live-flags.ts'
import { FLAG_NAMES, FlagsAnswer } from '../../../src/contract/api/flags.ts'
import { silentLog } from '../../silent-log.ts'
import { MemorySystemConfig } from '../flags/memory-system-config.ts'
import { OPEN_MS } from '../scenario.ts'
import { ask, LiveMarket, servers } from './live-market.ts'
import { SteppedClock } from './stepped-clock.ts'

const start = servers()

async function withFlags(store = new MemorySystemConfig()) {
  const names = FLAG_NAMES.map((name) => [name, { value: true, isGiven: false }])
  const environment = Object.fromEntries(names) as EnvironmentFlags
  const clock = new SteppedClock(OPEN_MS)
  const flags = new LiveFlags({ environment, store, clock, log: silentLog })
  await flags.start()
  const api = await start(new LiveMarket(), OPEN_MS, { flags })
  const put = (body: unknown) =>
    ask(api.url, '/flags', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { api, put, store, flags }
}

describe('GET /flags', () => {
  it('says what holds and why, of every flag', async () => {
    const { api, store, flags } = await withFlags()
    store.rows.set('backfill_enabled', 'perhaps')
    store.rows.set('chain_snapshot_seconds', '30')
    await flags.change(new Map([['subscription_events_enabled', false]]))
    const { status, body } = await api.get('/flags')
    expect(status).toBe(200)
    expect(Compile(FlagsAnswer).Errors(body)).toEqual([])
    const answer = body as unknown as FlagsAnswer
    expect(answer.flags.map(({ name }) => name)).toEqual(FLAG_NAMES)
    expect(answer).toMatchObject({
      error: null,
      ignored: [{ key: 'chain_snapshot_seconds', stored: '30', nearest: null }],
      flags: [
        { value: false, origin: 'system_config', stored: 'false', environment: true },
        { value: true, origin: 'invalid', stored: 'perhaps' },
        { value: true, origin: 'default', stored: null },
        { value: true, origin: 'default' },
        { value: true, origin: 'default' },
      ],
    })
  })
})

describe('PUT /flags', () => {
  it('switches what is named, at once, and back to the environment', async () => {
    const { put, flags, store } = await withFlags()
    const off = await put({ backfill_enabled: false, smart_subscription_enabled: false })
    expect(off.status).toBe(200)
    expect(flags.isOn('backfill_enabled')).toBe(false)
    expect(flags.isOn('smart_subscription_enabled')).toBe(false)
    expect(flags.isOn('subscription_events_enabled')).toBe(true)
    expect([...store.rows]).toEqual([
      ['backfill_enabled', 'false'],
      ['smart_subscription_enabled', 'false'],
    ])
    await put({ backfill_enabled: null })
    expect(flags.isOn('backfill_enabled')).toBe(true)
    expect(store.rows.get('backfill_enabled')).toBeNull()
  })

  it.each<[string, unknown, string]>([
    ['no flag', {}, 'fewer'],
    ['a misspelt flag', { backfil_enabled: true }, 'did you mean'],
    ['a flag of another kind', { backfill_interval_seconds: 5 }, 'no field'],
    ['a text', { backfill_enabled: 'yes' }, 'cannot be'],
    ['a number', { backfill_enabled: 1 }, 'cannot be'],
    ['a list', [], 'JSON object'],
    ['nothing', '', 'JSON object'],
    ['no JSON', '{"backfill_enabled":', 'not JSON'],
    ['a prototype', '{"__proto__":{"backfill_enabled":false}}', ''],
  ])('refuses %s and changes nothing', async (_what, body, message) => {
    const { put, store } = await withFlags()
    const answer = await put(body)
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({
      error: { code: 'bad_request', message: expect.stringContaining(message) },
    })
    expect(store.rows.size).toBe(0)
  })

  it('says that the store is away, and nothing is switched', async () => {
    const { api, put, store, flags } = await withFlags()
    store.isAway = true
    const answer = await put({ backfill_enabled: false })
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ error: { code: 'unavailable' } })
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(flags.isOn('backfill_enabled')).toBe(true)
    expect((await api.get('/flags')).status).toBe(200)
  })
})
