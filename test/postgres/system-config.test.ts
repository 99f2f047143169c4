import { beforeAll, expect, it } from 'vitest'
import { FLAG_NAMES } from '../../src/contract/api/flags.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { SystemConfig } from '../../src/postgres/system-config.ts'
import { describeStores } from './stores.ts'

await describeStores('the settings in the store', (store) => {
  let config: SystemConfig

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
    config = new SystemConfig(store().pool)
  })

  const row = async (key: string) => (await config.read()).find((each) => each.key === key)

  it('have a row for every flag, which follows the environment', async () => {
    const rows = new Map((await config.read()).map(({ key, value }) => [key, value]))
    for (const name of FLAG_NAMES) expect(rows.get(name), name).toBeNull()
  })

  it('are changed by a plain UPDATE, whose time is kept', async () => {
    const before = await row('subscription_events_enabled')
    await store().pool.query(
      "UPDATE system_config SET value='false' WHERE key='subscription_events_enabled'",
    )
    const after = await row('subscription_events_enabled')
    expect(after?.value).toBe('false')
    expect(after?.updatedAtMs).toBeGreaterThanOrEqual(before?.updatedAtMs ?? Number.NaN)
    expect(after?.updatedAtMs).toBeGreaterThan(Date.now() - 60_000)
  })

  it('are written together, those without a row too', async () => {
    const values = new Map([
      ['backfill_enabled', 'false'],
      ['subscription_events_enabled', null],
      ['not_there_before', 'true'],
    ])
    await config.write(values)
    expect((await row('backfill_enabled'))?.value).toBe('false')
    expect((await row('subscription_events_enabled'))?.value).toBeNull()
    expect((await row('not_there_before'))?.value).toBe('true')
  })
})
