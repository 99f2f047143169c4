import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { BackendStatus } from '../../../src/contract/api/backend-status.ts'
import { Health } from '../../../src/contract/api/health.ts'
import { OPEN_MS } from '../scenario.ts'
import { emptyReads, FakeIngest, LiveMarket, servers } from './live-market.ts'

const start = servers()
/** An answer takes less, on any machine. */
const ASKED_WITHIN_MS = 60_000

function committedAt(marketTimeMs: number | null, gapsOpen = 0): FakeIngest {
  const ingest = new FakeIngest()
  ingest.committed(marketTimeMs, 10, gapsOpen)
  return ingest
}

const failing = emptyReads({
  describe: async () => {
    throw new Error('connect ECONNREFUSED 127.0.0.1:5432')
  },
  ledgerSums: async () => {
    throw new Error('connect ECONNREFUSED 127.0.0.1:5432')
  },
})

const rebuilding = emptyReads({
  describe: async () => ({
    kind: 'pglite',
    version: 'PostgreSQL 18.1',
    rebuiltBecause: 'the store is damaged: PG_VERSION is missing',
  }),
})

describe('GET /status', () => {
  it('says what is read, how far, how fresh, and whether the books balance', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const ingest = committedAt(OPEN_MS + 500)
    ingest.commitLatency.record(4)
    const reads = emptyReads({
      ledgerSums: async () => ({
        sinceMs: OPEN_MS,
        received: 12,
        rejected: 1,
        dropped: 1,
        journaled: 10,
        folded: 7,
        lost: 1,
        notFolded: { out_of_session: 2 },
      }),
      newestRows: async (indices, symbols) => [
        { table: 'minute_bars', symbol: indices[0] ?? '', newestMs: OPEN_MS },
        { table: 'futures_bars', symbol: symbols[0] ?? '', newestMs: null },
      ],
      gapSums: async () => ({ open: 1, closed: 2, unrepairable: 3, oldestOpenFromMs: OPEN_MS }),
      deadLetters: async () => 4,
    })
    const api = await start(market, OPEN_MS + 1_000, {
      ingest,
      reads,
      logHead: () => ({ epoch: 7, sequence: 25 }),
    })
    const { status, body } = await api.get('/status')
    expect(status).toBe(200)
    expect(Compile(BackendStatus).Errors(body)).toEqual([])
    expect(body).toMatchObject({
      service: 'backend',
      status: 'degraded',
      feed: 'kite',
      default_symbol: 'NIFTY50',
      underlyings: [
        { symbol: 'NIFTY50', tradingsymbol: 'NIFTY 50', expiries: 2, instruments_active: 12 },
      ],
      calendar: { mode: 'exchange', session: 'open', next_change_at: '2026-11-20T15:40:00+05:30' },
      ingest: [
        {
          producer: 't1',
          partition: 0,
          state: 'live',
          epoch: 7,
          sequence: 10,
          lag_records: 15,
          market_time: '2026-11-20T09:15:00.500+05:30',
        },
      ],
      store: { kind: 'postgresql', status: 'up', version: 'PostgreSQL 15.1' },
      bus: { kind: 'none', status: 'up' },
      latency: [{ hop: 'received_to_committed', count: 1 }],
      ledger: { balanced: true, received: 12, not_folded: { out_of_session: 2 } },
      gaps: { open: 1, unrepaired: 2, unrepairable: 3 },
      dead_letters: 4,
      stream_clients: 0,
    })
    expect(body.freshness).toEqual([
      expect.objectContaining({ symbol: 'NIFTY 50', newest: '2026-11-20T09:15:00+05:30' }),
      expect.objectContaining({ symbol: 'NIFTY50', newest: null, age_ms: null }),
    ])
  })

  it('shows books that do not balance', async () => {
    const reads = emptyReads({
      ledgerSums: async () => ({
        sinceMs: OPEN_MS,
        received: 12,
        rejected: 0,
        dropped: 0,
        journaled: 11,
        folded: 11,
        lost: 0,
        notFolded: {},
      }),
    })
    const api = await start(new LiveMarket(), OPEN_MS, { reads })
    expect((await api.get('/status')).body.ledger.balanced).toBe(false)
  })

  it('says that the store is filled again, why, and how far it is', async () => {
    const ingest = committedAt(OPEN_MS - 60_000)
    const api = await start(new LiveMarket(), OPEN_MS, { reads: rebuilding, ingest })
    const { body } = await api.get('/status')
    expect(Compile(BackendStatus).Errors(body)).toEqual([])
    expect(body.store.rebuilt_because).toBe('the store is damaged: PG_VERSION is missing')
    const ageMs = body.ingest[0]?.age_ms ?? 0
    // The clock goes on while it is asked.
    expect(ageMs).toBeGreaterThanOrEqual(60_000)
    expect(ageMs).toBeLessThan(60_000 + ASKED_WITHIN_MS)
  })

  it('answers while the store is down, and says so', async () => {
    const api = await start(new LiveMarket(), OPEN_MS, { reads: failing })
    const { status, body } = await api.get('/status')
    expect(status).toBe(200)
    expect(Compile(BackendStatus).Errors(body)).toEqual([])
    expect(body.store).toMatchObject({ status: 'down', version: null })
    expect(body.store.error).toContain('ECONNREFUSED')
    expect(body.status).toBe('unavailable')
  })

  it('tells when the calendar is only assumed', async () => {
    const nowMs = Date.parse('2027-03-01T10:00:00+05:30')
    const api = await start(new LiveMarket(), nowMs)
    expect((await api.get('/status')).body.calendar).toMatchObject({ assumed: true })
  })
})

describe('GET /health', () => {
  it('is ok while all works', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const { status, body } = await api.get('/health')
    expect(status).toBe(200)
    expect(Compile(Health).Errors(body)).toEqual([])
    expect(body.status).toBe('ok')
  })

  it.each([
    ['the store does not answer', { reads: failing }, /ECONNREFUSED/],
    [
      'the log is behind',
      { ingest: committedAt(OPEN_MS - 60_000) },
      /"[^"]*\b(6\d|[7-9]\d|1[01]\d) s behind/,
    ],
    [
      'the store is rebuilt',
      { ingest: committedAt(OPEN_MS - 60_000), reads: rebuilding },
      /rebuilt from the log, (6\d|[7-9]\d|1[01]\d) s behind: the store is damaged: PG_VERSION is missing/,
    ],
    ['no time was told', { ingest: committedAt(null) }, /not told any time/],
  ])('is unavailable, with the reason, when %s', async (_name, over, reason) => {
    const api = await start(new LiveMarket(), OPEN_MS, over)
    const { status, body } = await api.get('/health')
    expect(status).toBe(503)
    expect(body.status).toBe('unavailable')
    expect(JSON.stringify(body.checks)).toMatch(reason)
  })

  it('is unavailable while a writer does not commit, or is loading', async () => {
    const ingest = committedAt(OPEN_MS)
    const api = await start(new LiveMarket(), OPEN_MS, { ingest })
    const writer = ingest.writers[0]
    if (writer === undefined) throw new Error('no writer')
    writer.storeError = 'read-only transaction'
    expect((await api.get('/health')).body.checks[1]).toMatchObject({
      name: 'ingest 0',
      status: 'unavailable',
      message: 'Nothing is committed: read-only transaction.',
    })
    expect((await api.get('/ready')).status).toBe(503)
    writer.storeError = null
    writer.books = undefined
    expect((await api.get('/health')).status).toBe(503)
    expect((await api.get('/ready')).status).toBe(503)
  })

  it('takes an old log as no fault outside the session, and a gap as a lesser one', async () => {
    const night = Date.parse('2026-11-20T22:00:00+05:30')
    const ingest = committedAt(night - 3_600_000)
    const reads = emptyReads({
      gapSums: async () => ({ open: 1, closed: 0, unrepairable: 0, oldestOpenFromMs: OPEN_MS }),
    })
    const api = await start(new LiveMarket(), night, { ingest, reads })
    const { status, body } = await api.get('/health')
    expect(status).toBe(200)
    expect(body.status).toBe('degraded')
    expect(JSON.stringify(body)).toContain('1 gap is open')
  })

  it('judges a simulated market at another date by whether it goes on', async () => {
    const market = new LiveMarket()
    const ingest = committedAt(OPEN_MS)
    const api = await start(market, OPEN_MS + 400 * 86_400_000, {
      ingest,
      feed: 'simulated',
      calendarMode: 'always',
    })
    expect((await api.get('/health')).body.status).toBe('ok')
  })

  it('is degraded while a ticker is away', async () => {
    const tickers = [{ url: 'http://127.0.0.1:1', timeoutMs: 1_000 }]
    const api = await start(new LiveMarket(), OPEN_MS, { tickers })
    const { status, body } = await api.get('/health')
    expect(status).toBe(200)
    expect(body.status).toBe('degraded')
    expect(JSON.stringify(body)).toMatch(/The ticker does not answer: .*ECONNREFUSED|bad port/)
  })
})

describe('GET /metrics', () => {
  it('writes the figures under their names', async () => {
    const ingest = committedAt(OPEN_MS, 2)
    Object.assign(ingest.counters, { records: 100, skippedRecords: 5, lostRecords: 3 })
    ingest.commitLatency.record(3, 10)
    const reads = emptyReads({
      gapSums: async () => ({ open: 2, closed: 0, unrepairable: 0, oldestOpenFromMs: OPEN_MS }),
      ledgerSums: async () => ({
        sinceMs: OPEN_MS,
        ...{ received: 12, rejected: 1, dropped: 1, journaled: 10, folded: 7, lost: 0 },
        notFolded: { no_session: 2 },
      }),
    })
    const api = await start(new LiveMarket(), OPEN_MS, { ingest, reads })
    const { status, body, headers } = await api.get('/metrics')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    const lines = String(body).split('\n')
    for (const line of [
      'fostream_ticks_total{stage="read"} 100',
      'fostream_ticks_total{stage="skipped"} 5',
      'fostream_lost_ticks_total 3',
      'fostream_ledger_ticks{stage="received"} 12',
      'fostream_ledger_ticks{stage="not_folded"} 2',
      'fostream_ledger_balanced 0',
      'fostream_gaps_open 2',
      'fostream_candle_writes_high_water 4',
      'fostream_api_reads_high_water 0',
      'fostream_database_up 1',
      '# TYPE fostream_hop_seconds histogram',
      'fostream_hop_seconds_bucket{le="+Inf",hop="received_to_committed"} 10',
      'fostream_hop_seconds_count{hop="received_to_committed"} 10',
    ]) {
      expect(lines).toContain(line)
    }
  })

  it('says that the database is down', async () => {
    const api = await start(new LiveMarket(), OPEN_MS, { reads: failing })
    expect((await api.get('/metrics')).body).toContain('fostream_database_up 0')
  })
})
