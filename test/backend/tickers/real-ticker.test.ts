/** The client against a real ticker on the simulated exchange: what one says the other understands. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TickerClient } from '../../../src/backend/tickers/ticker-client.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { floorToMinute, MINUTE_MS } from '../../../src/market/ist.ts'
import { type Market, runMarket } from '../../ticker/requests/market-under-test.ts'
import { releaseAll } from '../../ticker/support/start-test-ticker.ts'
import { until } from '../../until.ts'

const NIFTY = 256_265
const HOLDER = { requestedBy: 'test' }

describe('a real ticker', () => {
  let market: Market
  let client: TickerClient
  let options: Instrument[]

  beforeAll(async () => {
    market = await runMarket(1)
    client = new TickerClient([{ url: market.ticker.url, timeoutMs: 20_000 }], systemClock)
    await until(async () => (await client.notReady()) === undefined)
    const { instruments } = market.ticker.master
    options = instruments.filter(({ symbol, kind }) => symbol === 'SENSEX' && kind === 'option')
  }, 240_000)
  afterAll(releaseAll)

  const optionAt = (at: number): Instrument => {
    const found = options[at]
    if (found === undefined) throw new Error(`there are ${options.length} options`)
    return found
  }

  const active = async () => {
    const rows = await client.listSubscriptions({ status: 'active' })
    return rows.map(({ instrument_token: token }) => token)
  }

  it('streams what it is asked to, lists it, and lets it go', { timeout: 240_000 }, async () => {
    const wanted = [0, 1, 2].map((at) => ({ instrument_token: optionAt(at).token }))
    const before = (await client.standing()).roomForNew
    const plans = await client.plan({ instruments: wanted }, HOLDER)
    expect(plans.flatMap(({ plan }) => plan.flatMap(({ added }) => added))).toHaveLength(3)
    const unknown = { tradingsymbol: 'SENSEX99XYZ1CE', exchange: 'BFO' }
    const answer = await client.subscribe({ instruments: [...wanted, unknown] }, HOLDER)
    expect(answer.subscriptions).toHaveLength(3)
    expect(answer.errors).toMatchObject([{ code: 'unknown_instrument' }])
    const tokens = wanted.map(({ instrument_token: token }) => token)
    await until(async () => {
      const listed = await active()
      return tokens.every((token) => listed.includes(token))
    })
    expect((await client.standing()).roomForNew).toBe(before - 3)
    const gone = await client.unsubscribe(tokens, HOLDER)
    expect([...gone.removed].sort()).toEqual([...tokens].sort())
    expect((await active()).filter((token) => tokens.includes(token))).toEqual([])
    // Nobody holds them any more.
    expect(await client.unsubscribe(tokens, HOLDER)).toEqual({ removed: [], kept: [] })
  })

  it('keeps what another one holds', { timeout: 240_000 }, async () => {
    const request = { instrument_token: optionAt(3).token }
    await client.subscribe(request, HOLDER)
    await client.subscribe(request, { requestedBy: 'view' })
    const { removed, kept } = await client.unsubscribe([request.instrument_token], HOLDER)
    expect(removed).toEqual([])
    expect(kept).toEqual([{ instrument_token: request.instrument_token, held_by: ['view'] }])
  })

  it('says of a request of which nothing can be done what is wrong with each', async () => {
    const names = ['SENSEX99XYZ1CE', 'SENSEX99XYZ2CE'].map((tradingsymbol) => ({ tradingsymbol }))
    const answer = await client.subscribe({ instruments: names }, HOLDER)
    expect(answer.subscriptions).toEqual([])
    expect(answer.errors.map(({ instrument }) => instrument)).toEqual([
      'SENSEX99XYZ1CE',
      'SENSEX99XYZ2CE',
    ])
  })

  it('brings history, every minute once', { timeout: 240_000 }, async () => {
    const toMs = floorToMinute(market.exchange.marketTimeMs()) - 10 * MINUTE_MS
    const fromMs = toMs - 59 * MINUTE_MS
    const answer = await client.history(NIFTY, fromMs, toMs, { priority: 'new_subscription' })
    expect(answer.candles.map(({ minuteMs }) => minuteMs)).toEqual(
      Array.from({ length: 60 }, (_, i) => fromMs + i * MINUTE_MS),
    )
    expect(answer.finalUntilMs).toBeGreaterThanOrEqual(toMs + MINUTE_MS)
    const option = await client.history(optionAt(0).token, fromMs, toMs, { priority: 'gap' })
    expect(option.candles.every(({ oi }) => oi !== null && oi > 0)).toBe(true)
  })

  it('refuses history of what nobody knows, for good', { timeout: 240_000 }, async () => {
    const toMs = floorToMinute(market.exchange.marketTimeMs()) - 10 * MINUTE_MS
    const asking = client.history(77, toMs - MINUTE_MS, toMs, { priority: 'on_demand' })
    const error = await asking.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TickerError)
    expect(error).toMatchObject({ code: 'refused', reason: 'unknown_instrument' })
  })

  it('brings quotes, and names the tokens that nobody knows', { timeout: 240_000 }, async () => {
    const tokens = [NIFTY, optionAt(0).token, 77]
    const { quotes, unknown } = await client.quotes(tokens, { priority: 'routine' })
    expect(quotes.map(({ instrument_token: token }) => token)).toEqual(tokens.slice(0, 2))
    expect(quotes[0]?.ltp).toBeGreaterThan(0)
    expect(unknown).toEqual([77])
  })
})
