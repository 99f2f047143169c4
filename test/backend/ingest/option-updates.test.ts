import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { type Clock, systemClock } from '../../../src/kit/clock.ts'
import { ANALYTICS_PERIOD_MS, WHOLE_ROWS_UP_TO } from '../../../src/limits.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { postgresUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { IngestUnderTest } from '../candles/ingest-under-test.ts'
import { begins, clockAt, FUTURE, NIFTY, OPEN_MS, option, packet } from '../scenario.ts'
import { BAR_TABLES, type Row, storedRows } from '../stored-rows.ts'
import { type WatchedCommit, type WatchedStore, watched } from './watched-store.ts'

const url = await postgresUrl()

const SPOT = 24_512
const CHAIN = Array.from({ length: 160 }, (_, i) => 20_500 + 50 * i).flatMap((strike, i) => [
  option(strike, 'CE', 2 * i),
  option(strike, 'PE', 2 * i + 1),
])
const MARKET = [NIFTY, FUTURE, ...CHAIN]
/** Several a second. */
const ROUND_MS = 70

/** Time goes on by the pauses that are waited for, and when the test says so: not while a machine is slow. */
class PausedClock implements Clock {
  #elapsedMs = 0

  nowMs(): number {
    return systemClock.nowMs()
  }

  elapsedMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, task: () => void): () => void {
    return systemClock.after(delayMs, () => {
      this.#elapsedMs += delayMs
      task()
    })
  }

  every(periodMs: number, task: () => void): () => void {
    return systemClock.every(periodMs, task)
  }

  advance(ms: number): void {
    this.#elapsedMs += ms
  }
}

describe.skipIf(url === undefined)('option rows of an open minute under load', () => {
  let store: Store
  let test: IngestUnderTest
  let clock: PausedClock
  let marketMs: number

  beforeAll(async () => {
    const options = { applicationName: 'fostream test', log: silentLog }
    store = openStore({ kind: 'url', url: url ?? '' }, options)
    test = await IngestUnderTest.over(store)
    await test.clear()
  })
  afterEach(() => test.clear())
  afterAll(async () => {
    await test.close()
    await store.close()
  })

  function start(takesUpdates: boolean): WatchedStore {
    clock = new PausedClock()
    test.clock = clock
    test.master = new InstrumentMaster(MARKET)
    const seen = watched(barStore(store, 'bars'), { takesUpdates })
    test.start(seen.stores)
    return seen
  }

  async function open(): Promise<void> {
    marketMs = OPEN_MS + 1_000
    test.log.startEpoch(100)
    test.log.append([...begins(MARKET, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
    await test.settled()
  }

  /**
   * One tick of everything. Calls and puts move alike, by steps that are exact in binary, so that the
   * forward of each round is the same and only prices make IV and Greeks others.
   */
  async function round(n: number): Promise<void> {
    const dayVolume = 65 * (n + 1)
    const step = 0.25 * ((7 * n) % 12)
    test.log.append([
      packet(NIFTY, marketMs, SPOT),
      packet(FUTURE, marketMs, SPOT + 10, { dayVolume }),
      ...CHAIN.map((instrument, i) => {
        const { strike, optionType } = instrument
        const inside = optionType === 'CE' ? SPOT - (strike ?? 0) : (strike ?? 0) - SPOT
        return packet(instrument, marketMs, Math.max(0, inside) + 60 + step, {
          dayVolume,
          openInterest: 650 * (i + 1) + 65 * n,
        })
      }),
      clockAt(marketMs + 50),
    ])
    marketMs += ROUND_MS
    await test.settled()
  }

  /** Nothing ticks; the log's clock goes on for two periods, and with it the commits. */
  async function rest(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      clock.advance(ANALYTICS_PERIOD_MS / 10)
      marketMs += 10
      test.log.append([clockAt(marketMs)])
      await test.settled()
    }
  }

  function bars(): Promise<Record<string, Row[]>> {
    return storedRows(test.client, BAR_TABLES)
  }

  async function ivs(): Promise<unknown[]> {
    const rows = await test.rows('SELECT iv FROM fo_option_strike_bars ORDER BY tradingsymbol')
    return rows.map(({ iv }) => iv)
  }

  /** The same log, read anew by a store that writes rows whole only. */
  async function writtenWhole(): Promise<Record<string, Row[]>> {
    const { log } = test
    await test.clear()
    test.log = log
    test.logs = new LogSet([log])
    const { commits } = start(false)
    await test.settled()
    expect(sum(commits, 'updated')).toBe(0)
    return bars()
  }

  async function expectAnalysed(): Promise<void> {
    const [row] = await test.rows(
      `SELECT count(*)::int AS n, count(iv)::int AS ivs, count(delta)::int AS deltas,
         count(*) FILTER (WHERE iv_reason = 'pending')::int AS pending
       FROM fo_option_strike_bars`,
    )
    expect(row).toEqual({ n: CHAIN.length, ivs: CHAIN.length, deltas: CHAIN.length, pending: 0 })
  }

  function sum(commits: readonly WatchedCommit[], what: 'whole' | 'updated'): number {
    return commits.reduce((total, commit) => total + commit[what], 0)
  }

  it('are updated while they are young, and come to hold all that one whole write would say', async () => {
    expect(CHAIN.length).toBeGreaterThan(WHOLE_ROWS_UP_TO)
    const { commits } = start(true)
    await open()
    await round(0)
    expect(sum(commits, 'whole')).toBe(CHAIN.length)
    const first = await ivs()
    for (let n = 1; n < 12; n++) await round(n)
    expect(sum(commits, 'whole')).toBe(CHAIN.length)
    expect(sum(commits, 'updated')).toBe(11 * CHAIN.length)
    expect(await ivs(), 'not brought up to date yet').toEqual(first)
    await rest()
    expect(sum(commits, 'whole')).toBe(2 * CHAIN.length)
    expect(sum(commits, 'updated')).toBe(11 * CHAIN.length)
    const isNew = (await ivs()).map((iv, i) => iv !== first[i])
    expect(isNew).toEqual(CHAIN.map(() => true))
    await expectAnalysed()
    const stored = await bars()
    expect(stored).toEqual(await writtenWhole())
  })

  it('take turns while they go on ticking, and are right in the end as well', async () => {
    const { commits } = start(true)
    await open()
    for (let n = 0; n < 40; n++) {
      await round(n)
      clock.advance(ANALYTICS_PERIOD_MS / 12)
    }
    const mixed = commits.filter(({ whole, updated }) => whole > 0 && updated > 0)
    expect(mixed.length).toBeGreaterThan(5)
    expect(sum(commits, 'whole')).toBeGreaterThan(2 * CHAIN.length)
    await rest()
    await expectAnalysed()
    const stored = await bars()
    expect(stored).toEqual(await writtenWhole())
  })

  it('are never updated in a store where that does not pay', async () => {
    const { commits } = start(false)
    await open()
    for (let n = 0; n < 6; n++) await round(n)
    expect(sum(commits, 'updated')).toBe(0)
    expect(sum(commits, 'whole')).toBe(6 * CHAIN.length)
    await expectAnalysed()
  })
})
