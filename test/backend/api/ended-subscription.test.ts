/** An instrument whose subscription ended: its prices stay, as old ones. */
import { describe, expect, it } from 'vitest'
import type { Marks } from '../../../src/contract/api/marks.ts'
import type { StrikeDistribution } from '../../../src/contract/api/strike-distribution.ts'
import { until } from '../../until.ts'
import { OPEN_MS, OPTIONS } from '../scenario.ts'
import { LiveMarket, servers } from './live-market.ts'

const start = servers()
const OPTION = OPTIONS[0]
const { exchange = '', tradingsymbol = '', strike = 0, optionType = 'CE' } = OPTION ?? {}

async function running() {
  const market = new LiveMarket()
  market.tickAll(OPEN_MS, 24_500)
  market.chains.advance(OPEN_MS)
  const api = await start(market, OPEN_MS + 1_000)
  const mark = async () => {
    const { body } = await api.get(`/marks/latest?symbols=${tradingsymbol}`)
    return (body as unknown as Marks).marks[0]
  }
  const chain = async () => {
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY50')
    return body as unknown as StrikeDistribution
  }
  return { market, mark, chain }
}

describe('an ended subscription', () => {
  it('is marked stale with its last price, until it is streamed again', async () => {
    const { market, mark } = await running()
    const before = await mark()
    expect(before).toMatchObject({ tradingsymbol, stale: false })
    market.chains.markEnded(exchange, tradingsymbol)
    expect(await mark()).toMatchObject({ stale: true, ltp: before?.ltp, oi: before?.oi })
    market.chains.markStreamed(exchange, tradingsymbol)
    expect(await mark()).toMatchObject({ stale: false })
  })

  it('stays stale though the log still brings its last packets', async () => {
    const { market, mark } = await running()
    market.chains.markEnded(exchange, tradingsymbol)
    if (OPTION !== undefined) market.tick(OPTION, OPEN_MS + 500, 99)
    expect(await mark()).toMatchObject({ stale: true, ltp: 99 })
  })

  it('counts in the chain as not streamed, its figures stay and say nothing about the price', async () => {
    const { market, chain } = await running()
    const before = await chain()
    const other = optionType === 'CE' ? 'PE' : 'CE'
    const pair = OPTIONS.filter((option) => option.strike === strike)
    for (const option of pair) market.chains.markEnded(option.exchange, option.tradingsymbol)
    // A chain is made anew at most every few milliseconds.
    let after = before
    await until(async () => {
      after = await chain()
      return after.completeness.strikes_streamed !== before.completeness.strikes_streamed
    })
    expect(pair.map((option) => option.optionType).sort()).toEqual([optionType, other].sort())
    expect(after.completeness.strikes_streamed).toBe(
      (before.completeness.strikes_streamed ?? 0) - 1,
    )
    expect(after.total_call_oi).toBe(before.total_call_oi)
    const legOf = (whole: StrikeDistribution) =>
      whole.strikes.find((row) => row.strike === strike)?.call
    expect(legOf(before)?.iv).not.toBeNull()
    expect(legOf(after)).toMatchObject({ ltp: legOf(before)?.ltp, oi: legOf(before)?.oi, iv: null })
  })

  it('of which nothing is known changes nothing', async () => {
    const { market, mark } = await running()
    market.chains.markEnded('NFO', 'NIFTY99DEC1CE')
    market.chains.markStreamed('NFO', 'NIFTY99DEC1CE')
    expect(market.chains.hasEnded('NFO:NIFTY99DEC1CE')).toBe(false)
    expect(await mark()).toMatchObject({ stale: false })
  })
})
