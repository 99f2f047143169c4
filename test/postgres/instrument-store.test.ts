import { beforeAll, beforeEach, expect, it } from 'vitest'
import { STORE_ROWS_PER_PAGE } from '../../src/limits.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import type { InstrumentDiff } from '../../src/ticker/ports.ts'
import { describeStores } from './stores.ts'

const call: Instrument = {
  token: 13_568_258,
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26NOV24300CE',
  name: 'NIFTY',
  symbol: 'NIFTY50',
  segment: 'NFO-OPT',
  kind: 'option',
  optionType: 'CE',
  expiry: '2026-11-24',
  strike: 24_300,
  lotSize: 65,
  tickSize: 0.05,
}
const future: Instrument = {
  ...call,
  token: 13_568_770,
  tradingsymbol: 'NIFTY26NOVFUT',
  segment: 'NFO-FUT',
  kind: 'future',
  optionType: null,
  strike: null,
}
const index: Instrument = {
  ...future,
  token: 256_265,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  name: 'NIFTY 50',
  segment: 'INDICES',
  kind: 'index',
  expiry: null,
  lotSize: 0,
  tickSize: 0,
}
const nothing = { added: [], changed: [], removed: [] }

await describeStores('the instrument master', (store) => {
  const instruments = () => createInstrumentStore(store().pool)
  const apply = (diff: Partial<InstrumentDiff> & Pick<InstrumentDiff, 'date'>) =>
    instruments().apply({ ...nothing, ...diff })
  const current = async () => {
    const listed = await instruments().loadCurrent()
    return [...listed].sort((a, b) => a.tradingsymbol.localeCompare(b.tradingsymbol))
  }
  const versions = async () => {
    const { rows } = await store().pool.query(
      `SELECT tradingsymbol || ' ' || valid_from || ' ' || coalesce(valid_to::text, 'listed') || ' ' || lot_size AS v
       FROM instruments ORDER BY tradingsymbol, valid_from`,
    )
    return rows.map(({ v }) => v)
  }

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
  })
  beforeEach(() => store().pool.query('TRUNCATE instruments'))

  it('lists what was added', async () => {
    await apply({ date: '2026-11-20', added: [call, future, index] })
    expect(await current()).toEqual([index, call, future])
  })

  it('keeps what held before a change', async () => {
    await apply({ date: '2026-11-20', added: [call, future] })
    await apply({ date: '2026-11-23', changed: [{ ...call, lotSize: 75 }] })
    expect(await current()).toEqual([{ ...call, lotSize: 75 }, future])
    expect(await versions()).toEqual([
      'NIFTY26NOV24300CE 2026-11-20 2026-11-23 65',
      'NIFTY26NOV24300CE 2026-11-23 listed 75',
      'NIFTY26NOVFUT 2026-11-20 listed 65',
    ])
  })

  it('keeps what is no longer listed, under its name', async () => {
    await apply({ date: '2026-11-20', added: [call, future] })
    await apply({ date: '2026-11-25', removed: [call] })
    expect(await current()).toEqual([future])
    expect(await versions()).toContain('NIFTY26NOV24300CE 2026-11-20 2026-11-25 65')
  })

  it('takes a name back', async () => {
    await apply({ date: '2026-11-20', added: [call] })
    await apply({ date: '2026-11-21', removed: [call] })
    await apply({ date: '2026-11-21', added: [{ ...call, token: 99 }] })
    expect(await current()).toEqual([{ ...call, token: 99 }])
    expect(await versions()).toHaveLength(2)
  })

  it('is the same after a diff that is applied twice', async () => {
    await apply({ date: '2026-11-20', added: [call, future] })
    const diff = {
      date: '2026-11-23',
      changed: [{ ...call, lotSize: 75 }],
      removed: [future],
      added: [index],
    }
    await apply(diff)
    const once = [await versions(), await current()]
    await apply(diff)
    expect([await versions(), await current()]).toEqual(once)
  })

  it('has one listed version even when the date went back', async () => {
    await apply({ date: '2026-11-25', added: [call] })
    await apply({ date: '2026-11-23', changed: [{ ...call, lotSize: 75 }] })
    expect(await current()).toEqual([{ ...call, lotSize: 75 }])
  })

  it('takes a whole dump, and reads it page by page', async () => {
    const dump = Array.from({ length: 2 * STORE_ROWS_PER_PAGE + 7 }, (_, n) => ({
      ...call,
      token: n + 1,
      tradingsymbol: `NIFTY26NOV${String(n).padStart(5, '0')}PE`,
      optionType: 'PE' as const,
    }))
    await apply({ date: '2026-11-20', added: dump })
    expect(await current()).toEqual(dump)
  })
})
