import { describe, expect, it } from 'vitest'
import { momentsOf } from '../../../src/backend/backfill/day-moments.ts'
import { alwaysOpenCalendar, exchangeCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { formatIst, MINUTE_MS, msOfIst } from '../../../src/market/ist.ts'
import { ALL, EXPIRY, FUTURE, NIFTY, OPTIONS } from '../scenario.ts'
import { MemoryStore, World } from './backfill-world.ts'

const DATE = '2026-11-20'
const at = (time: string, date = DATE) => msOfIst(date, time)
const SESSION_MINUTES = 385

/** All of them were streamed on the day. */
function streamedWorld(nowMs: number, date = DATE, store = new MemoryStore()): World {
  const world = new World(nowMs, undefined, store)
  // The periodic look finds nothing to do.
  world.lookbackMinutes = 1
  if (store.rows.length === 0) {
    for (const { exchange, tradingsymbol } of ALL) {
      const live = { exchange, tradingsymbol, source: 'live', mode: 'full' } as const
      store.rows.push({ ...live, fromMs: at('09:00', date), toMs: Number.POSITIVE_INFINITY })
    }
  }
  return world
}

describe('the moments of a day', () => {
  const shown = (date: string, calendar = exchangeCalendar()) =>
    momentsOf(date, calendar).map(({ kind, atMs }) => `${kind} ${formatIst(atMs).slice(5, 19)}`)

  it('are the corrected opening and the close, of each kind of hours', () => {
    expect(shown(DATE)).toEqual([
      'opening 11-20T09:06:30',
      'opening 11-20T09:21:30',
      'settle 11-20T15:45:00',
      'settle 11-21T00:00:00',
    ])
  })

  it('are the last close of contracts and midnight where the market never closes', () => {
    expect(shown(DATE, alwaysOpenCalendar())).toEqual([
      'opening 11-20T00:06:30',
      'settle 11-20T15:45:00',
      'settle 11-21T00:05:00',
    ])
  })

  it('are none on a day without a session', () => {
    expect(shown('2026-11-22')).toEqual([])
  })
})

describe('the opening', () => {
  it('is read again once, after the broker has corrected it', async () => {
    const world = streamedWorld(at('09:21'))
    const manager = world.manager()
    manager.start()
    await world.pass(20_000, 1_000)
    expect(world.writer.batches).toEqual([])
    await world.pass(60_000, 1_000)
    for (const instrument of ALL) {
      const minutes = Array.from({ length: 5 }, (_, i) => at('09:15') + i * MINUTE_MS)
      expect(world.writer.minutesOf(instrument)).toEqual(minutes)
    }
    expect(new Set(world.writer.batches.map(({ source }) => source))).toEqual(new Set(['settled']))
    await manager.stop()
  })
})

describe('the day', () => {
  it('is settled after the close: every instrument whole, with one request each', async () => {
    const world = streamedWorld(at('15:40'))
    const manager = world.manager()
    manager.start()
    await world.pass(4 * MINUTE_MS, 1_000)
    expect(world.writer.batches.filter(({ candles }) => candles.length > 5)).toEqual([])
    world.ticker.asked.splice(0)
    await world.pass(2 * MINUTE_MS, 1_000)
    expect(world.ticker.asked).toHaveLength(ALL.length)
    for (const { tradingsymbol } of ALL) {
      const [batch] = world.writer.batches.filter(
        ({ instrument, candles }) =>
          instrument.tradingsymbol === tradingsymbol && candles.length > 5,
      )
      expect(batch).toMatchObject({ source: 'settled' })
      expect(batch?.candles).toHaveLength(SESSION_MINUTES)
    }
    const jobs = [...world.store.jobs.values()].filter(({ kind }) => kind === 'settle')
    expect(jobs.map(({ id, status }) => [id, status]).sort()).toEqual([
      [`settle-${DATE}-NIFTY50-${EXPIRY}`, 'done'],
      [`settle-${DATE}-NIFTY50-underlying`, 'done'],
    ])
    await manager.stop()
  })

  it('has its row once final values stand, and not before', async () => {
    const world = streamedWorld(at('15:46'))
    world.store.finalsDue = true
    const manager = world.manager()
    manager.start()
    await world.pass(10_000, 1_000)
    expect(world.store.days).toEqual([])
    expect((await manager.list({ kind: 'settle', limit: 9 })).backfills[0]?.status).toBe('running')
    world.store.finalsDue = false
    await world.pass(3_000, 1_000)
    expect(world.store.days).toHaveLength(1)
    expect(world.store.days[0]?.day).toMatchObject({
      symbol: 'NIFTY50',
      expiry: EXPIRY,
      date: DATE,
      index: NIFTY,
      minutes: (OPTIONS.length + 1) * SESSION_MINUTES,
    })
    await manager.stop()
  })

  it('is gone on with after a restart, and not settled twice', async () => {
    const store = new MemoryStore()
    const first = streamedWorld(at('15:46'), DATE, store)
    let answers = 5
    const { history } = first.ticker
    first.ticker.history = async (...asked) => {
      if (answers-- > 0) return history(...asked)
      return new Promise(() => undefined)
    }
    const killed = first.manager()
    killed.start()
    await first.pass(5_000, 100)
    const isSettled = new Set(
      first.writer.batches
        .filter(({ candles }) => candles.length > 5)
        .map((b) => b.instrument.token),
    )
    expect(isSettled.size).toBe(5)
    const second = streamedWorld(at('15:47'), DATE, store)
    const manager = second.manager()
    manager.start()
    await second.pass(10_000, 1_000)
    const asked = second.ticker.asked.filter(({ fromMs }) => fromMs === at('09:15'))
    expect(asked).toHaveLength(ALL.length - 5)
    await second.pass(60_000, 1_000)
    await manager.stop()
    const third = streamedWorld(at('15:50'), DATE, store)
    const again = third.manager()
    again.start()
    await third.pass(10_000, 1_000)
    expect(third.ticker.asked).toEqual([])
    await again.stop()
  })

  it('of contracts that are gone from the list has its row too, and its job says what it lacks', async () => {
    const morning = at('09:00', '2026-11-25')
    const world = streamedWorld(morning, EXPIRY)
    world.master = new InstrumentMaster([NIFTY])
    const manager = world.manager()
    manager.start()
    await world.pass(10_000, 1_000)
    expect(world.ticker.asked.map(({ tradingsymbol }) => tradingsymbol)).toEqual([
      NIFTY.tradingsymbol,
    ])
    const { backfills } = await manager.list({ kind: 'settle', limit: 9 })
    const contracts = OPTIONS.length + 1
    expect(backfills.find(({ expiry }) => expiry === EXPIRY)).toMatchObject({
      id: `settle-${EXPIRY}-NIFTY50-${EXPIRY}`,
      status: 'failed',
      instruments: contracts,
      instruments_done: 0,
      instruments_failed: contracts,
      error: `${contracts} of ${contracts} instruments were not listed any more and could not be settled; their bars stay as they were`,
    })
    expect(backfills.find(({ expiry }) => expiry === null)).toMatchObject({ status: 'done' })
    expect(world.store.days.map(({ day }) => [day.date, day.expiry, day.minutes])).toEqual([
      [EXPIRY, EXPIRY, contracts * SESSION_MINUTES],
    ])
    expect(world.messages('Not settled: not listed any more')).toHaveLength(1)
    await manager.stop()
    // Not again after a restart.
    const later = streamedWorld(morning + 60_000, EXPIRY, world.store)
    later.master = world.master
    const again = later.manager()
    again.start()
    await later.pass(10_000, 1_000)
    expect(later.messages('Not settled: not listed any more')).toEqual([])
    await again.stop()
  })

  it('settles what is listed of a series of which a contract is gone', async () => {
    const world = streamedWorld(at('15:46'))
    const [gone, ...rest] = OPTIONS
    world.master = new InstrumentMaster([NIFTY, FUTURE, ...rest])
    const manager = world.manager()
    manager.start()
    await world.pass(20_000, 1_000)
    const { backfills } = await manager.list({ kind: 'settle', limit: 9 })
    expect(backfills.find(({ expiry }) => expiry === EXPIRY)).toMatchObject({
      status: 'done',
      instruments: OPTIONS.length + 1,
      instruments_failed: 1,
      error: expect.stringContaining(`1 of ${OPTIONS.length + 1} instruments`),
    })
    expect(world.store.days[0]?.day.minutes).toBe((OPTIONS.length + 1) * SESSION_MINUTES)
    expect(world.ticker.asked.map(({ tradingsymbol }) => tradingsymbol)).not.toContain(
      gone?.tradingsymbol,
    )
    await manager.stop()
  })

  it('of an expiry begins with the contracts that end, before everything that is routine', async () => {
    const world = streamedWorld(at('15:46', EXPIRY), EXPIRY)
    const manager = world.manager()
    manager.start()
    await world.pass(10_000, 1_000)
    const names = world.ticker.asked.map(({ tradingsymbol }) => tradingsymbol)
    expect(names[0]).toBe(FUTURE.tradingsymbol)
    expect(names.at(-1)).toBe(NIFTY.tradingsymbol)
    expect(world.ticker.asked[0]?.options.priority).toBe('gap')
    await manager.stop()
  })
})
