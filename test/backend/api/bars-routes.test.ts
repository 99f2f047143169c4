import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { BackendReads, SpanBar } from '../../../src/backend/ports.ts'
import { Bars } from '../../../src/contract/api/bars.ts'
import { FUTURE, NIFTY, OPEN_MS, OPTIONS } from '../scenario.ts'
import { emptyReads, LISTED, LiveMarket, servers } from './live-market.ts'

const start = servers()
const MINUTE_MS = 60_000
const at = (minute: number) => OPEN_MS + minute * MINUTE_MS
const OPTION = OPTIONS[4]?.tradingsymbol ?? ''

function bar(minute: number, over: Partial<SpanBar> = {}): SpanBar {
  return {
    timeMs: at(minute),
    open: 100 + minute,
    high: 110 + minute,
    low: 90 - minute,
    close: 105 + minute,
    volume: 65,
    openInterest: 1_000 + minute,
    iv: null,
    delta: null,
    minutes: 1,
    complete: true,
    ...over,
  }
}

function recorded(bars: readonly SpanBar[], over: Partial<BackendReads> = {}) {
  const asked: Parameters<BackendReads['bars']>[] = []
  const reads = emptyReads({
    bars: async (...args) => {
      asked.push(args)
      return bars
    },
    ...over,
  })
  return { asked, reads }
}

async function ask(query: string, reads: BackendReads, market = new LiveMarket()) {
  const api = await start(market, at(100), { reads })
  const answer = await api.get(`/bars?${query}`)
  if (answer.status === 200) expect(Compile(Bars).Errors(answer.body)).toEqual([])
  return answer
}

describe('GET /bars', () => {
  it('answers the minutes of the session of whatever is named', async () => {
    const cases = [
      [OPTION, 'option', 'NFO', 'NIFTY50'],
      ['NIFTY26NOVFUT', 'future', 'NFO', 'NIFTY50'],
      ['nifty', 'index', 'NSE', 'NIFTY50'],
      ['INDIA VIX', 'index', 'NSE', 'INDIAVIX'],
      [OPTION.toLowerCase(), 'option', 'NFO', 'NIFTY50'],
    ] as const
    for (const [name, kind, exchange, symbol] of cases) {
      const { asked, reads } = recorded([bar(0), bar(1, { complete: null })])
      const { body } = await ask(`tradingsymbol=${encodeURIComponent(name)}`, reads)
      expect(body).toMatchObject({ exchange, symbol, timeframe: '1m' })
      expect(asked[0]?.[0]).toMatchObject({ kind, exchange })
      expect(asked[0]?.slice(1, 4)).toEqual(['1m', OPEN_MS, at(101)])
      expect(body.bars.map((b: { complete: boolean | null }) => b.complete)).toEqual([true, null])
      expect('iv' in body.bars[0]).toBe(kind === 'option')
    }
  })

  it('asks the store for the longest bars that the timeframe is made of, whole ones', async () => {
    const lengths: unknown[] = []
    for (const timeframe of ['1m', '3m', '5m', '10m', '15m', '30m', '1h', '1d']) {
      const { asked, reads } = recorded([])
      const from = at(17) / 1000
      const to = at(50) / 1000
      await ask(`tradingsymbol=${OPTION}&timeframe=${timeframe}&from=${from}&to=${to}`, reads)
      const [, length, fromMs = 0, toMs = 0] = asked[0] ?? []
      lengths.push([timeframe, length, (fromMs - OPEN_MS) / 60_000, (toMs - OPEN_MS) / 60_000])
    }
    expect(lengths).toEqual([
      ['1m', '1m', 17, 50],
      ['3m', '1m', 15, 51],
      ['5m', '5m', 15, 50],
      ['10m', '5m', 10, 50],
      ['15m', '15m', 15, 60],
      ['30m', '15m', 0, 60],
      ['1h', '15m', 0, 60],
      ['1d', '1d', -555, 885],
    ])
  })

  it('makes longer bars of them', async () => {
    const { reads } = recorded([
      bar(60, { minutes: 15, complete: true, iv: 0.12, delta: 0.5 }),
      bar(75, { minutes: 14, complete: false, iv: 0.13, delta: 0.6 }),
      bar(90, { minutes: 1, open: null, volume: null, openInterest: null, close: null }),
    ])
    const { body } = await ask(`tradingsymbol=${OPTION}&timeframe=1h`, reads)
    expect(body.bars).toEqual([
      {
        time: '2026-11-20T10:15:00+05:30',
        open: 160,
        high: 200,
        low: 0,
        close: 180,
        volume: 130,
        oi: 1_075,
        iv: 0.13,
        delta: 0.6,
        minutes: 30,
        complete: false,
      },
    ])
    const open = recorded([bar(60), bar(75, { complete: null }), bar(90, { complete: false })])
    const answer = await ask(`tradingsymbol=${OPTION}&timeframe=1h`, open.reads)
    expect(answer.body.bars[0].complete).toBeNull()
  })

  it('knows an expired contract by what the store says it was', async () => {
    const expired = { ...FUTURE, tradingsymbol: 'NIFTY26OCTFUT', expiry: '2026-10-27' }
    const names: string[] = []
    const { asked, reads } = recorded([bar(0)], {
      everListed: async (name) => {
        names.push(name)
        return name === expired.tradingsymbol ? [expired] : []
      },
    })
    const { body } = await ask('tradingsymbol=nifty26octfut', reads)
    expect(body).toMatchObject({ tradingsymbol: 'NIFTY26OCTFUT', symbol: 'NIFTY50' })
    expect(asked[0]?.[0]).toMatchObject({ kind: 'future', tradingsymbol: 'NIFTY26OCTFUT' })
    expect(names).toEqual(['nifty26octfut', 'NIFTY26OCTFUT'])
  })

  it('asks which exchange is meant where two list the name', async () => {
    const share = {
      ...NIFTY,
      kind: 'equity',
      tradingsymbol: 'RELIANCE',
      symbol: 'RELIANCE',
    } as const
    const market = new LiveMarket([...LISTED, share, { ...share, token: 2, exchange: 'BSE' }])
    const { asked, reads } = recorded([])
    const both = await ask('tradingsymbol=RELIANCE', reads, market)
    expect(both.status).toBe(400)
    expect(both.body.error.details).toMatchObject({ field: 'exchange', known: ['BSE', 'NSE'] })
    const one = await ask('tradingsymbol=RELIANCE&exchange=bse', reads, market)
    expect(one.body.exchange).toBe('BSE')
    expect(asked).toHaveLength(1)
    const index = await ask('tradingsymbol=NIFTY&exchange=BSE', reads, market)
    expect(index.body.error.code).toBe('unknown_instrument')
  })

  it('refuses more bars than one answer holds, and names nobody lists', async () => {
    const { reads } = recorded([], {
      bars: async (_of, _length, _from, _to, limit) =>
        Array.from({ length: limit }, (_, i) => bar(i)),
    })
    const many = await ask(`tradingsymbol=${OPTION}&from=2026-01-01`, reads)
    expect([many.status, many.body.error.code]).toEqual([400, 'too_large'])
    const none = await ask(`tradingsymbol=${OPTION}X`, reads)
    expect([none.status, none.body.error.code]).toEqual([404, 'unknown_instrument'])
    const early = await ask(`tradingsymbol=${OPTION}`, emptyReads(), new LiveMarket([]))
    expect([early.status, early.body.error.code]).toEqual([503, 'unavailable'])
  })
})
