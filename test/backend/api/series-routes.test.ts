import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { AtmMinute, BackendReads, StrikeMinute } from '../../../src/backend/ports.ts'
import { MoneynessSeries } from '../../../src/contract/api/moneyness-series.ts'
import { API_SERIES_MINUTES, API_SERIES_ROWS_PER_STATEMENT } from '../../../src/limits.ts'
import { EXPIRY, OPEN_MS } from '../scenario.ts'
import { emptyReads, LiveMarket, NEXT_EXPIRY, servers } from './live-market.ts'

const start = servers()
const MINUTE_MS = 60_000
const PATH = '/fo/moneyness-series?symbol=NIFTY'
const at = (minute: number) => OPEN_MS + minute * MINUTE_MS

/** A store with these minutes; each strike's call is worth 10,000 less than its strike, plus the minute. */
function stored(atms: readonly (number | null)[], over: Partial<BackendReads> = {}): BackendReads {
  return emptyReads({
    atmStrikes: async (_symbol, _expiry, fromMs, toMs) =>
      atms
        .map((atmStrike, minute): AtmMinute => ({ minuteMs: at(minute), atmStrike }))
        .filter(({ minuteMs }) => minuteMs >= fromMs && minuteMs < toMs),
    strikeFigures: async (_series, strikes, _figure, fromMs, toMs) => {
      const rows: StrikeMinute[] = []
      for (let minuteMs = fromMs; minuteMs < toMs; minuteMs += MINUTE_MS) {
        const minute = (minuteMs - OPEN_MS) / MINUTE_MS
        for (const { strike } of strikes) {
          rows.push({ minuteMs, strike, call: strike - 10_000 + minute, put: strike - 20_000 })
        }
      }
      return rows
    },
    ...over,
  })
}

async function ask(query: string, reads: BackendReads, nowMinute = 60) {
  const api = await start(new LiveMarket(), at(nowMinute), { reads })
  const answer = await api.get(`${PATH}${query}`)
  if (answer.status === 200) expect(Compile(MoneynessSeries).Errors(answer.body)).toEqual([])
  return answer
}

type Point = { time: string; value: number | null; strike: number }
const values = (points: readonly Point[]) => points.map(({ value, strike }) => [strike, value])

describe('GET /fo/moneyness-series', () => {
  it('follows the ATM strike of each minute, and each point names its strike', async () => {
    const { body } = await ask('&indicator=ltp&side=CE', stored([24_500, 24_550, null, 24_450]))
    expect(body).toMatchObject({
      symbol: 'NIFTY50',
      expiry: EXPIRY,
      indicator: 'ltp',
      timeframe: '1m',
    })
    expect(body.series).toHaveLength(1)
    expect(body.series[0]).toEqual({
      expiry: EXPIRY,
      bucket: 'ATM',
      side: 'CE',
      points: [
        { time: '2026-11-20T09:15:00+05:30', value: 14_500, strike: 24_500 },
        { time: '2026-11-20T09:16:00+05:30', value: 14_551, strike: 24_550 },
        { time: '2026-11-20T09:18:00+05:30', value: 14_453, strike: 24_450 },
      ],
    })
  })

  it('counts OTM of a call upwards and of a put downwards, and ITM the other way', async () => {
    const { body } = await ask('&indicator=iv&buckets=OTM1,ITM2', stored([24_500]))
    const lines = body.series.map(
      ({ bucket, side, points }: { bucket: string; side: string; points: Point[] }) => [
        bucket,
        side,
        points[0]?.strike,
      ],
    )
    expect(lines).toEqual([
      ['OTM1', 'CE', 24_550],
      ['OTM1', 'PE', 24_450],
      ['ITM2', 'CE', 24_400],
      ['ITM2', 'PE', 24_600],
    ])
  })

  it('leaves out what lies beyond the listed strikes, and keeps what is not known as null', async () => {
    const reads = stored([24_500, 24_600], {
      strikeFigures: async () => [
        { minuteMs: at(0), strike: 24_600, call: null, put: 1 },
        { minuteMs: at(1), strike: 24_500, call: 9, put: 1 },
      ],
    })
    const { body } = await ask('&indicator=oi&side=CE&buckets=OTM2,OTM20', reads)
    expect(values(body.series[0].points)).toEqual([[24_600, null]])
    expect(body.series[1].points).toEqual([])
  })

  it('has in a longer bar the last value that is known, anchored at the open', async () => {
    const reads = stored([24_500, 24_500, 24_550, 24_500, 24_500, 24_600], {
      strikeFigures: async () =>
        [1, 2, 3, null, null, 6].map((call, minute) => ({
          minuteMs: at(minute),
          strike: [24_500, 24_500, 24_550, 24_500, 24_500, 24_600][minute] ?? 0,
          call,
          put: null,
        })),
    })
    const { body } = await ask('&indicator=delta&side=CE&timeframe=5m', reads)
    expect(body.series[0].points).toEqual([
      { time: '2026-11-20T09:15:00+05:30', value: 3, strike: 24_550 },
      { time: '2026-11-20T09:20:00+05:30', value: 6, strike: 24_600 },
    ])
  })

  it('adds up the volume of the minutes of a bar, whichever strike it was', async () => {
    const asked: string[] = []
    const reads = stored([24_500, 24_550, 24_500], {
      strikeFigures: async (_series, strikes, figure) => {
        asked.push(figure, ...strikes.map(({ call }) => call ?? ''))
        return [
          { minuteMs: at(0), strike: 24_500, call: 65, put: null },
          { minuteMs: at(1), strike: 24_550, call: 130, put: null },
          { minuteMs: at(2), strike: 24_500, call: null, put: null },
        ]
      },
    })
    const { body } = await ask('&indicator=volume&timeframe=1h', reads)
    expect(values(body.series[0].points)).toEqual([[24_500, 195]])
    expect(values(body.series[1].points)).toEqual([[24_500, null]])
    expect(asked).toEqual(['volume', 'NIFTY26NOV24500CE', 'NIFTY26NOV24550CE'])
  })

  it('computes the PCR and the premium of both sides of the strike', async () => {
    const figures: string[] = []
    const reads = stored([24_500, 24_500, 24_500], {
      strikeFigures: async (_series, _strikes, figure) => {
        figures.push(figure)
        return [
          { minuteMs: at(0), strike: 24_500, call: 200, put: 150 },
          { minuteMs: at(1), strike: 24_500, call: 0, put: 150 },
          { minuteMs: at(2), strike: 24_500, call: 100, put: null },
        ]
      },
    })
    const pcr = await ask('&indicator=pcr_oi&side=PE', reads)
    expect(values(pcr.body.series[0].points).map(([, value]) => value)).toEqual([0.75, null, null])
    const premium = await ask('&indicator=premium&side=CE', reads)
    expect(values(premium.body.series[0].points).map(([, v]) => v)).toEqual([350, 150, null])
    expect(figures).toEqual(['oi', 'ltp'])
  })

  it('answers several expiries, repeated or with a comma, expired ones too', async () => {
    const asked: string[] = []
    const reads = stored([24_500], {
      listedStrikes: async (_symbol, expiry) => {
        asked.push(expiry)
        return [{ strike: 24_500, call: 'A', put: 'B' }]
      },
    })
    const repeated = await ask(
      `&indicator=ltp&side=CE&expiry=${EXPIRY}&expiry=${NEXT_EXPIRY}&expiry=${EXPIRY}`,
      reads,
    )
    const expiries = (body: { series: { expiry: string }[] }) => body.series.map((s) => s.expiry)
    expect(expiries(repeated.body)).toEqual([EXPIRY, NEXT_EXPIRY])
    const expired = await ask(`&indicator=ltp&side=CE&expiry=${EXPIRY},2026-10-27`, reads)
    expect(expired.body.expiry).toBe(EXPIRY)
    expect(expiries(expired.body)).toEqual([EXPIRY, '2026-10-27'])
    expect(asked).toEqual(['2026-10-27'])
    expect(values(expired.body.series[1].points)).toEqual([[24_500, 14_500]])
  })

  it('reads long times in statements of a bounded size, and loses nothing between them', async () => {
    const minutes = 2_000
    const atms = Array.from({ length: minutes }, (_, i) => 24_450 + 50 * (i % 3))
    let rows = 0
    const whole = stored(atms)
    const reads = {
      ...whole,
      strikeFigures: async (...args: Parameters<BackendReads['strikeFigures']>) => {
        const read = await whole.strikeFigures(...args)
        rows = Math.max(rows, read.length)
        return read
      },
    }
    const query = `&indicator=ltp&side=CE&buckets=ITM1,ATM,OTM1&from=${OPEN_MS / 1000}`
    const { body } = await ask(query, reads, minutes)
    for (const [i, shift] of [-50, 0, 50].entries()) {
      expect(values(body.series[i].points)).toEqual(
        atms.map((atm, minute) => [atm + shift, atm + shift - 10_000 + minute]),
      )
    }
    expect(rows).toBeGreaterThan(1_000)
    expect(rows).toBeLessThanOrEqual(API_SERIES_ROWS_PER_STATEMENT)
  })

  it('refuses what would be more than an answer holds', async () => {
    let limit = 0
    const reads = emptyReads({
      atmStrikes: async (_s, _e, _f, _t, most) => {
        limit = most
        return Array.from({ length: most }, (_, i) => ({ minuteMs: i, atmStrike: null }))
      },
    })
    const one = await ask('&indicator=iv&from=2026-01-01', reads)
    expect([one.status, one.body.error.code, limit]).toEqual([
      400,
      'too_large',
      API_SERIES_MINUTES + 1,
    ])
    const buckets = ['ATM', ...Array.from({ length: 20 }, (_, i) => `OTM${i + 1}`)].join(',')
    const many = await ask(`&indicator=iv&from=2026-01-01&buckets=${buckets}`, reads)
    expect(many.body.error.code).toBe('too_large')
    expect(limit).toBeLessThan(API_SERIES_MINUTES)
  })
})
