/** Live chains fed with packets, and a server over them whose outside parts a test sets. */
import { afterEach } from 'vitest'
import type { IngestView, WriterBooks } from '../../../src/backend/api/ingest-view.ts'
import {
  type BackendApi,
  type BackendApiOptions,
  startBackendApi,
} from '../../../src/backend/api/server.ts'
import { InstrumentBars } from '../../../src/backend/bars/instrument-bars.ts'
import { LiveChains } from '../../../src/backend/chain/live-chains.ts'
import type { BackendReads } from '../../../src/backend/ports.ts'
import type { Clock } from '../../../src/kit/clock.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { RecentLatency } from '../../../src/kit/recent-latency.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { Coverage } from '../../../src/market/coverage.ts'
import { type Instrument, instrumentKey } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { istDate } from '../../../src/market/ist.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'
import { silentLog } from '../../silent-log.ts'
import { ALL, FUTURE, NIFTY, OPTIONS, packet } from '../scenario.ts'

export const INDIA_VIX: Instrument = {
  ...NIFTY,
  token: 264969,
  tradingsymbol: 'INDIA VIX',
  name: 'INDIA VIX',
  symbol: 'INDIAVIX',
}

export const NEXT_EXPIRY = '2026-12-01'

/** Two strikes of the series after. */
export const NEXT_OPTIONS: readonly Instrument[] = OPTIONS.slice(2, 6).map((option, i) => ({
  ...option,
  token: (3000 + i) * 256 + 2,
  tradingsymbol: `NIFTY26D01${option.strike}${option.optionType}`,
  expiry: NEXT_EXPIRY,
}))

export const LISTED: readonly Instrument[] = [...ALL, INDIA_VIX, ...NEXT_OPTIONS]

export const calendar = exchangeCalendar()

/** Packets go straight into live chains; nothing is folded or stored. */
export class LiveMarket {
  readonly chains: LiveChains
  readonly #bars = new Map<string, InstrumentBars>()

  constructor(instruments: readonly Instrument[] = LISTED) {
    this.chains = new LiveChains(new InstrumentMaster(instruments), calendar, 0.065, () => 0)
  }

  tick(
    instrument: Instrument,
    atMs: number,
    rupees: number,
    over: Partial<JournalledTick> = {},
  ): void {
    this.chains.receiverOf(this.barsOf(instrument))(packet(instrument, atMs, rupees, over))
  }

  /** Streamed in full mode from the first packet on. */
  barsOf(instrument: Instrument): InstrumentBars {
    const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
    let bars = this.#bars.get(key)
    if (bars === undefined) {
      const coverage = new Coverage([{ fromMs: 0, toMs: Number.POSITIVE_INFINITY, mode: 'full' }])
      bars = new InstrumentBars(instrument, coverage, ({ segment }, atMs) =>
        calendar.session(segment, istDate(atMs)),
      )
      this.#bars.set(key, bars)
    }
    return bars
  }

  /** A packet of everything in the nearest series, around a spot. */
  tickAll(atMs: number, spot: number): void {
    this.tick(NIFTY, atMs, spot, { previousClose: 2_440_000 })
    this.tick(INDIA_VIX, atMs, 13.5)
    this.tick(FUTURE, atMs, spot + 10)
    OPTIONS.forEach((option, i) => {
      this.tick(option, atMs, premium(option, spot), {
        previousClose: 7_000,
        dayVolume: 650 * (i + 1),
        openInterest: 6_500 * (i + 1),
      })
    })
  }
}

/** Intrinsic value and ₹ 60, in steps of the tick. */
export function premium({ strike, optionType }: Instrument, spot: number): number {
  const forward = spot + 10
  const intrinsic = optionType === 'CE' ? forward - (strike ?? 0) : (strike ?? 0) - forward
  return Math.round((Math.max(0, intrinsic) + 60) * 20) / 20
}

/** A clock whose wall stands at market time and moves with the system's monotonic one. */
export function clockFrom(startMs: number): Clock {
  const offsetMs = startMs - systemClock.elapsedMs()
  return { ...systemClock, nowMs: () => Math.floor(systemClock.elapsedMs() + offsetMs) }
}

/** Writers as a test sets them. */
export class FakeIngest implements IngestView {
  readonly writers: {
    books: WriterBooks | undefined
    storeError: string | null
    readonly writes: { readonly highWater: number }
  }[] = []
  readonly commitLatency = new RecentLatency(systemClock)
  readonly counters = {
    batches: 0,
    records: 0,
    skippedRecords: 0,
    refusedBatches: 0,
    lostRecords: 0,
    commits: 0,
    finalStatements: 0,
    refusedFinals: 0,
    candleStatements: 0,
    refusedCandles: 0,
    restarts: 0,
    deadLetters: 0,
    uncommittedHighWater: 0,
  }

  /** One loaded partition that has committed up to a market time. */
  committed(marketTimeMs: number | null, sequence = 10, gapsOpen = 0): void {
    this.writers[0] = {
      storeError: null,
      writes: { highWater: 4 },
      books: {
        expected: [
          { producer: 't1', generation: 1, position: { epoch: 7, sequence }, marketTimeMs },
        ],
        gaps: { openCount: gapsOpen },
        counters: { late: 0, ahead: 0, unknownTokens: 0 },
      },
    }
  }
}

/** A store that holds nothing and answers at once; a test overrides what it asks. */
export function emptyReads(over: Partial<BackendReads> = {}): BackendReads {
  return {
    describe: async () => ({
      kind: 'postgresql',
      version: 'PostgreSQL 15.1',
      rebuiltBecause: null,
    }),
    chainAt: async () => undefined,
    firstStoredExpiry: async () => undefined,
    optionDays: async () => [],
    expiryMetrics: async () => [],
    bars: async () => [],
    everListed: async () => [],
    listedStrikes: async () => [],
    atmStrikes: async () => [],
    strikeFigures: async () => [],
    gaps: async () => [],
    newestRows: async () => [],
    ledgerSums: async () => ({
      sinceMs: null,
      received: 0,
      rejected: 0,
      dropped: 0,
      journaled: 0,
      folded: 0,
      lost: 0,
      notFolded: {},
    }),
    gapSums: async () => ({ open: 0, closed: 0, unrepairable: 0, oldestOpenFromMs: null }),
    deadLetters: async () => 0,
    ...over,
  }
}

/** Starts servers on free ports and stops them after each test. */
export function servers() {
  const running: BackendApi[] = []
  afterEach(async () => {
    for (const api of running.splice(0)) await api.stop()
  })
  return async (
    market: LiveMarket,
    nowMs: number,
    over: Partial<BackendApiOptions> = {},
  ): Promise<BackendApi & { get(path: string): Promise<Answer> }> => {
    const ingest = new FakeIngest()
    ingest.committed(nowMs)
    const api = await startBackendApi({
      host: '127.0.0.1',
      port: 0,
      chains: market.chains,
      reads: emptyReads(),
      ingest,
      ownPartitions: [0],
      tickers: [],
      feed: 'kite',
      tickSource: 'log',
      calendar,
      calendarMode: 'exchange',
      defaultSymbol: 'NIFTY50',
      version: '0.0.0',
      metrics: new Metrics({ processDefaults: false }),
      clock: clockFrom(nowMs),
      log: silentLog,
      ...over,
    })
    running.push(api)
    return { ...api, get: (path) => ask(api.url, path) }
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers are checked against their schemas
  readonly body: any
}

export async function ask(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(new URL(path, url), init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  }
}
