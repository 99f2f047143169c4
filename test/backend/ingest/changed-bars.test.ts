import { describe, expect, it } from 'vitest'
import type { HeldBar } from '../../../src/backend/bars/held-bar.ts'
import { InstrumentBars } from '../../../src/backend/bars/instrument-bars.ts'
import { ChangedBars } from '../../../src/backend/ingest/changed-bars.ts'
import { ANALYTICS_HASTE, ANALYTICS_PERIOD_MS } from '../../../src/limits.ts'
import { Coverage } from '../../../src/market/coverage.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { OPEN_MS, option, packet } from '../scenario.ts'

const SESSION = { openMs: OPEN_MS, closeMs: OPEN_MS + 375 * 60_000 }
const START_MS = 100_000
/** How far apart commits follow each other here. */
const STEP_MS = 10

/** Instruments with one minute that ticks, and commits as `build-commit.ts` makes them. */
class Market {
  readonly instruments = new Map<string, InstrumentBars>()
  readonly changed = new ChangedBars(this.instruments)
  #sequence = 0

  static of(count: number): Market {
    const market = new Market()
    for (let i = 0; i < count; i++) market.join(option(20_000 + i, 'CE', i))
    return market
  }

  join(instrument: Instrument): InstrumentBars {
    const covered = [{ fromMs: OPEN_MS, toMs: Number.POSITIVE_INFINITY, mode: 'full' as const }]
    const bars = new InstrumentBars(instrument, new Coverage(covered), () => SESSION)
    bars.isLoaded = true
    this.instruments.set(bars.key, bars)
    this.changed.instrumentsChanged()
    return bars
  }

  get all(): InstrumentBars[] {
    return [...this.instruments.values()]
  }

  /** One more trade of each in the first minute. */
  tick(instruments: readonly InstrumentBars[] = this.all): void {
    for (const bars of instruments) {
      const sequence = ++this.#sequence
      const tick = packet(bars.instrument, OPEN_MS + 1_000, 50, {
        dayVolume: 65 * sequence,
        receivedAtMs: OPEN_MS + 1_000 + sequence,
      })
      bars.fold(tick, 1, sequence, OPEN_MS)
      if (bars.changed.length > 0) this.changed.mark(bars)
    }
  }

  take(nowMs: number, closedBeforeMs = OPEN_MS): InstrumentBars[] {
    return [...this.changed.take(nowMs, closedBeforeMs)]
  }

  commit(nowMs: number, { mayUpdate = true, closedBeforeMs = OPEN_MS } = {}) {
    const whole: InstrumentBars[] = []
    const updated: InstrumentBars[] = []
    for (const bars of this.changed.take(nowMs, closedBeforeMs)) {
      for (const bar of bars.changed) {
        bar.isChanged = false
        if (mayUpdate && bar.mayBeUpdated) {
          bar.isBehind = true
          updated.push(bars)
        } else {
          this.changed.writtenWhole(bars, bar, nowMs)
          whole.push(bars)
        }
      }
      bars.changed.length = 0
    }
    return { whole, updated }
  }

  /** All written whole at `START_MS`, and updated right after it. */
  wholeThenUpdated(): void {
    this.tick()
    this.commit(START_MS)
    this.tick()
    expect(this.commit(START_MS + 1).updated).toHaveLength(this.instruments.size)
  }
}

function barOf(bars: InstrumentBars): HeldBar {
  const bar = bars.bars.get(OPEN_MS)
  if (bar === undefined) throw new Error('no bar')
  return bar
}

function names(instruments: readonly InstrumentBars[]): string[] {
  return instruments.map((bars) => `${bars.instrument.exchange}:${bars.instrument.tradingsymbol}`)
}

describe('changed bars', () => {
  it('come in the order of their names, in whatever order they were marked, and once', () => {
    const market = new Market()
    const joined = ['C', 'B', 'b', 'A9', 'A10', 'Z'].map((tradingsymbol, i) =>
      market.join({ ...option(20_000, 'CE', i), tradingsymbol }),
    )
    const twin = market.join({ ...option(20_000, 'CE', 9), tradingsymbol: 'B', exchange: 'BFO' })
    const [c, b, lower, a9, a10, z] = joined as [
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
      InstrumentBars,
    ]
    market.tick([z, b, a9, c, lower, twin, a10, b, z])
    expect(names(market.take(START_MS))).toEqual([
      'NFO:A10',
      'NFO:A9',
      'BFO:B',
      'NFO:B',
      'NFO:C',
      'NFO:Z',
      'NFO:b',
    ])
    expect(market.take(START_MS)).toEqual([])
  })

  it('are counted by instruments, from one commit to the next', () => {
    const market = Market.of(5)
    expect(market.changed.size).toBe(0)
    market.tick(market.all.slice(0, 3))
    market.tick(market.all.slice(1, 4))
    expect(market.changed.size).toBe(4)
    market.commit(START_MS)
    expect(market.changed.size).toBe(0)
    market.tick(market.all.slice(2, 3))
    expect(market.changed.size).toBe(1)
  })

  it('stay marked when an instrument joins before them or behind them', () => {
    const market = new Market()
    const middle = market.join({ ...option(1, 'CE', 1), tradingsymbol: 'M' })
    const quiet = market.join({ ...option(1, 'CE', 2), tradingsymbol: 'N' })
    market.tick([middle])
    const first = market.join({ ...option(1, 'CE', 3), tradingsymbol: 'A' })
    const last = market.join({ ...option(1, 'CE', 4), tradingsymbol: 'X' })
    expect(names(market.take(START_MS))).toEqual(['NFO:M'])
    barOf(middle).isChanged = false
    middle.changed.length = 0

    market.tick([last, quiet])
    market.join({ ...option(1, 'CE', 5), tradingsymbol: 'B' })
    market.tick([first, last])
    expect(market.changed.size).toBe(3)
    expect(names(market.take(START_MS))).toEqual(['NFO:A', 'NFO:N', 'NFO:X'])
  })
})

describe('a row that has been updated since it was written whole', () => {
  it('comes again by itself, not before its IV and Greeks are due, and then once', () => {
    const market = Market.of(1)
    market.wholeThenUpdated()
    for (let nowMs = START_MS + 2; nowMs < START_MS + ANALYTICS_PERIOD_MS; nowMs++) {
      expect(market.commit(nowMs)).toEqual({ whole: [], updated: [] })
    }
    expect(market.commit(START_MS + ANALYTICS_PERIOD_MS)).toEqual({
      whole: market.all,
      updated: [],
    })
    const endMs = START_MS + 4 * ANALYTICS_PERIOD_MS
    for (let nowMs = START_MS + ANALYTICS_PERIOD_MS + 1; nowMs < endMs; nowMs += STEP_MS) {
      expect(market.commit(nowMs)).toEqual({ whole: [], updated: [] })
    }
  })

  it('comes again and again while it goes on ticking', () => {
    const market = Market.of(1)
    const wholeAtMs: number[] = []
    for (let nowMs = START_MS; nowMs < START_MS + 10 * ANALYTICS_PERIOD_MS; nowMs += STEP_MS) {
      market.tick()
      if (market.commit(nowMs).whole.length > 0) wholeAtMs.push(nowMs)
    }
    const wanted = Array.from({ length: 10 }, (_, i) => START_MS + i * ANALYTICS_PERIOD_MS)
    expect(wholeAtMs).toEqual(wanted)
  })

  it('among thousands has its turn within a bounded time, few of them in a commit', () => {
    const market = Market.of(3_000)
    market.wholeThenUpdated()
    const most = Math.ceil((3_000 * ANALYTICS_HASTE * STEP_MS) / ANALYTICS_PERIOD_MS)
    expect(most).toBeLessThan(200)
    const came: string[] = []
    const dueMs = START_MS + ANALYTICS_PERIOD_MS
    const latestMs = dueMs + ANALYTICS_PERIOD_MS / ANALYTICS_HASTE + STEP_MS
    for (let nowMs = START_MS + STEP_MS; nowMs <= latestMs; nowMs += STEP_MS) {
      const { whole, updated } = market.commit(nowMs)
      expect(updated).toEqual([])
      expect(whole.length).toBeLessThanOrEqual(nowMs < dueMs ? 0 : most)
      came.push(...names(whole))
    }
    expect(came).toHaveLength(3_000)
    expect(new Set(came).size).toBe(3_000)
  })

  it('waits for nobody where those before it in the list have nothing to bring up to date', () => {
    const market = Market.of(3_000)
    const last = market.all.at(-1) as InstrumentBars
    market.tick()
    market.commit(START_MS)
    market.tick([last])
    market.commit(START_MS + ANALYTICS_PERIOD_MS - STEP_MS)
    expect(market.commit(START_MS + ANALYTICS_PERIOD_MS).whole).toEqual([last])
  })

  it('does not come where its minute has closed: its final values do', () => {
    const market = Market.of(20)
    market.wholeThenUpdated()
    const closedBeforeMs = OPEN_MS + 60_000
    for (let nowMs = START_MS + 2; nowMs < START_MS + 3 * ANALYTICS_PERIOD_MS; nowMs += STEP_MS) {
      expect(market.commit(nowMs, { closedBeforeMs })).toEqual({ whole: [], updated: [] })
    }
  })

  it('does not come where it was written whole again since, but when that is due', () => {
    const market = Market.of(4)
    market.wholeThenUpdated()
    market.tick()
    const againMs = START_MS + 300
    expect(market.commit(againMs, { mayUpdate: false }).whole).toHaveLength(4)
    const [first] = market.all
    market.tick([first as InstrumentBars])
    expect(market.commit(againMs + 1).updated).toEqual([first])
    const came: number[] = []
    for (let nowMs = againMs + 2; nowMs < againMs + 3 * ANALYTICS_PERIOD_MS; nowMs++) {
      const { whole, updated } = market.commit(nowMs)
      expect(updated).toEqual([])
      for (const bars of whole) {
        expect(bars).toBe(first)
        came.push(nowMs - againMs)
      }
    }
    expect(came).toEqual([ANALYTICS_PERIOD_MS])
  })
})

describe('a held bar', () => {
  function written(): { market: Market; bars: InstrumentBars; bar: HeldBar } {
    const market = Market.of(1)
    const bars = market.all[0] as InstrumentBars
    market.tick()
    market.commit(START_MS)
    return { market, bars, bar: barOf(bars) }
  }

  it('may not be updated before it was written whole', () => {
    const market = Market.of(1)
    market.tick()
    expect(barOf(market.all[0] as InstrumentBars).mayBeUpdated).toBe(false)
  })

  it('may be updated after later trades and larger volumes', () => {
    const { market, bar } = written()
    expect(bar.mayBeUpdated).toBe(true)
    market.tick()
    expect(bar.mayBeUpdated).toBe(true)
  })

  it('may not be updated without a trade: then its price is another column’s', () => {
    const { market, bars } = written()
    bars.adoptAbsence(OPEN_MS + 60_000)
    const quiet = bars.bars.get(OPEN_MS + 60_000) as HeldBar
    market.changed.writtenWhole(bars, quiet, START_MS)
    expect(quiet.mayBeUpdated).toBe(false)
  })

  it('may not be updated after its opening trade has become another, until it is written whole', () => {
    const { market, bars, bar } = written()
    const earlier = packet(bars.instrument, OPEN_MS, 49, { dayVolume: 65 })
    bars.fold(earlier, 1, 900, OPEN_MS)
    market.changed.mark(bars)
    expect(bar.open).toBe(4_900)
    expect(bar.mayBeUpdated).toBe(false)
    expect(market.commit(START_MS + 1).whole).toEqual([bars])
    expect(bar.mayBeUpdated).toBe(true)
  })

  it('may not be updated after its smallest volume has become another', () => {
    const { bar } = written()
    bar.applyVolume(1_000_000)
    expect(bar.mayBeUpdated).toBe(true)
    bar.applyVolume(1)
    expect(bar.mayBeUpdated).toBe(false)
  })

  it('may not be updated after the period, though nothing was behind', () => {
    const { market, bar, bars } = written()
    market.commit(START_MS + ANALYTICS_PERIOD_MS - 1)
    expect(bar.mayBeUpdated).toBe(true)
    expect(market.take(START_MS + ANALYTICS_PERIOD_MS)).toEqual([])
    expect(bar.mayBeUpdated).toBe(false)
    market.tick()
    expect(market.commit(START_MS + ANALYTICS_PERIOD_MS + 1).whole).toEqual([bars])
  })
})
