import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import type { GapEntry, GapQuery } from '../../../src/backend/ports.ts'
import { Gaps } from '../../../src/contract/api/gaps.ts'
import { OPEN_MS } from '../scenario.ts'
import { emptyReads, LiveMarket, servers } from './live-market.ts'

const start = servers()
const DAY_MS = 86_400_000
const GAP: GapEntry = {
  id: 't1-7-3',
  producer: 't1',
  account: 'main',
  connection: 2,
  reason: 'mute',
  status: 'open',
  fromMs: OPEN_MS,
  toMs: null,
  instruments: 1_500,
  tradingsymbols: ['NIFTY26NOV24500CE'],
  rows: null,
  error: null,
  openedAtMs: OPEN_MS + 5_000,
  closedAtMs: null,
  repairedAtMs: null,
}

describe('GET /gaps', () => {
  it('answers the gaps of the last days in the words of the API', async () => {
    const asked: GapQuery[] = []
    const repaired = { ...GAP, status: 'repaired', toMs: OPEN_MS + 9_000, rows: 12 } as const
    const reads = emptyReads({
      gaps: async (query) => {
        asked.push(query)
        return [GAP, repaired]
      },
    })
    const api = await start(new LiveMarket(), OPEN_MS, { reads })
    const { status, body } = await api.get('/gaps')
    expect(status).toBe(200)
    expect(Compile(Gaps).Errors(body)).toEqual([])
    expect(body.gaps[0]).toEqual({
      id: 't1-7-3',
      ticker: 't1',
      account: 'main',
      connection: 2,
      reason: 'mute',
      status: 'open',
      from: '2026-11-20T09:15:00+05:30',
      to: null,
      instruments: 1_500,
      tradingsymbols: ['NIFTY26NOV24500CE'],
      rows: null,
      error: null,
      opened_at: '2026-11-20T09:15:05+05:30',
      closed_at: null,
      repaired_at: null,
    })
    expect(body.gaps[1]).toMatchObject({ to: '2026-11-20T09:15:09+05:30', rows: 12 })
    expect(asked[0]).toMatchObject({ status: undefined, tradingsymbol: undefined, limit: 200 })
    expect(asked[0]?.fromMs).toBeCloseTo(OPEN_MS - 10 * DAY_MS, -4)
    expect(asked[0]?.toMs).toBeGreaterThan(OPEN_MS)
  })

  it('asks the store for what is asked for', async () => {
    const asked: GapQuery[] = []
    const reads = emptyReads({
      gaps: async (query) => {
        asked.push(query)
        return []
      },
    })
    const api = await start(new LiveMarket(), OPEN_MS, { reads })
    await api.get(
      '/gaps?status=unrepairable&tradingsymbol=X&from=2026-11-01&to=2026-11-02T10:00&limit=3',
    )
    expect(asked).toEqual([
      {
        status: 'unrepairable',
        tradingsymbol: 'X',
        fromMs: Date.parse('2026-11-01T00:00:00+05:30'),
        toMs: Date.parse('2026-11-02T10:00:00+05:30'),
        limit: 3,
      },
    ])
  })
})
