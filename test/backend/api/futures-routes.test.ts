import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Futures } from '../../../src/contract/api/futures.ts'
import { EXPIRY, FUTURE, OPEN_MS } from '../scenario.ts'
import { LISTED, LiveMarket, servers } from './live-market.ts'

const start = servers()
const NEXT_FUTURE = {
  ...FUTURE,
  token: 1002 * 256 + 2,
  tradingsymbol: 'NIFTY26DECFUT',
  expiry: '2026-12-29',
}
const CRUDE = {
  ...FUTURE,
  token: 1003 * 256 + 2,
  exchange: 'MCX',
  tradingsymbol: 'CRUDEOIL26DECFUT',
  name: 'CRUDEOIL',
  symbol: 'CRUDEOIL',
  segment: 'MCX-FUT',
  expiry: '2026-12-18',
}

async function ask(market: LiveMarket, nowMs: number, symbol = 'NIFTY') {
  const api = await start(market, nowMs)
  const answer = await api.get(`/fo/futures?symbol=${symbol}`)
  if (answer.status === 200) expect(Compile(Futures).Errors(answer.body)).toEqual([])
  return answer
}

describe('GET /fo/futures', () => {
  it('answers each future with its basis to the spot, nearest first', async () => {
    const market = new LiveMarket([...LISTED, NEXT_FUTURE])
    market.tickAll(OPEN_MS, 24_500)
    market.barsOf(NEXT_FUTURE).previousOi.set('2026-11-20', { oi: 600, date: '2026-11-19' })
    market.tick(NEXT_FUTURE, OPEN_MS, 24_745, { previousClose: 2_450_000, openInterest: 650 })
    const { body } = await ask(market, OPEN_MS + 1_000)
    expect(body).toMatchObject({ symbol: 'NIFTY50', spot: 24_500, spot_stale: false, feed: 'kite' })
    const [near, far] = body.futures
    expect(near).toMatchObject({
      tradingsymbol: 'NIFTY26NOVFUT',
      expiry: EXPIRY,
      days_to_expiry: 3,
      lot_size: 65,
      ltp: 24_510,
      basis: 10,
      oi_change: null,
    })
    expect(far).toMatchObject({
      tradingsymbol: 'NIFTY26DECFUT',
      basis: 245,
      basis_percent: 1,
      change: 245,
      bid: 24_744.95,
      ask: 24_745.05,
      oi: 650,
      oi_prev_close: 600,
      oi_change: 50,
      stale: false,
    })
    expect(far.annual_basis).toBeCloseTo((Math.log(1.01) * 365) / 39.27, 3)
  })

  it('knows nothing of what has not ticked, and says so with null', async () => {
    const { body } = await ask(new LiveMarket(), OPEN_MS)
    expect(body).toMatchObject({ spot: null, spot_stale: true })
    expect(body.futures[0]).toMatchObject({
      ltp: null,
      basis: null,
      annual_basis: null,
      age_ms: null,
      stale: true,
    })
  })

  it('has no basis where there is no index, and no yearly rate on the last day', async () => {
    const market = new LiveMarket([...LISTED, CRUDE])
    market.tick(CRUDE, OPEN_MS, 6_000)
    const crude = await ask(market, OPEN_MS, 'crudeoil')
    expect(crude.body.futures[0]).toMatchObject({ ltp: 6_000, basis: null, basis_percent: null })
    const lastDay = new LiveMarket()
    lastDay.tickAll(Date.parse('2026-11-23T10:00:00+05:30'), 24_500)
    const { body } = await ask(lastDay, lastDay.chains.marketTimeMs)
    expect(body.futures[0]).toMatchObject({ basis: 10, annual_basis: null, days_to_expiry: 0 })
  })

  it('names what has futures where an underlying is not known, and a chain what has options', async () => {
    const api = await start(new LiveMarket([...LISTED, CRUDE]), OPEN_MS)
    const known = async (path: string) => (await api.get(path)).body.error.details.known
    expect(await known('/fo/futures?symbol=XYZ')).toEqual(['CRUDEOIL', 'NIFTY50'])
    expect(await known('/fo/strike-distribution?symbol=XYZ')).toEqual(['NIFTY50'])
    const chain = await api.get('/fo/strike-distribution?symbol=CRUDEOIL')
    expect(chain.body.error.message).toBe(
      'CRUDEOIL has no expiry to come. No options of it are listed, so it has no chain.',
    )
  })

  it('leaves out a future that has expired', async () => {
    const market = new LiveMarket([...LISTED, NEXT_FUTURE])
    const { body } = await ask(market, Date.parse('2026-11-23T15:40:00+05:30'))
    expect(body.futures.map((f: { expiry: string }) => f.expiry)).toEqual(['2026-12-29'])
    const none = await ask(market, OPEN_MS, 'INDIAVIX')
    expect(none.body.futures).toEqual([])
  })
})
