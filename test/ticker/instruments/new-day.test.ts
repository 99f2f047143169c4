/**
 * The change of the day through the whole ticker: market time is the test's, the broker is on this
 * machine, and the instruments' versions stand in a real PostgreSQL.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { createInstrumentStore } from '../../../src/postgres/instrument-store.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { postgresUrl } from '../../services.ts'
import { startBroker } from '../support/broker-server.ts'
import { option, smallMaster } from '../support/contracts.ts'
import {
  onRelease,
  type Running,
  releaseAll,
  request,
  runTicker,
} from '../support/start-test-ticker.ts'
import { SteppedClock } from './stepped-clock.ts'

const WITHIN = { timeout: 60_000, interval: 20 }

/** The monthly series of Monday 23 Nov 2026, since the 24th is a holiday. */
function november(strike: number): Instrument {
  const { token } = option(strike, 'CE')
  const tradingsymbol = `NIFTY26NOV${strike}CE`
  return { ...option(strike, 'CE'), token: token + 256_000, tradingsymbol, expiry: '2026-11-23' }
}

const ENDING = november(26_000)
const STAYING = option(26_000, 'CE')
const NEW_SERIES: Instrument = {
  ...option(26_000, 'PE'),
  token: 9_000 * 256 + 2,
  tradingsymbol: 'NIFTY26D0826000PE',
  expiry: '2026-12-08',
}
const LISTED = [...smallMaster(), ENDING]

interface Day extends Running {
  /** Market time is then, and whatever was due by then is done or under way. */
  goTo(date: string, time: string): void
  /** How often the broker was asked for the dump. */
  dumps(): number
}

const url = await postgresUrl()

afterEach(releaseAll)

async function runDay(date: string, time: string, store?: Store): Promise<Day> {
  const broker = await startBroker(LISTED)
  onRelease(() => broker.stop())
  const startMs = msOfIst(date, time)
  const clock = new SteppedClock(startMs)
  onRelease(() => clock.stop())
  const running = await runTicker({
    broker,
    config: { startMarketTimeMs: startMs, calendarMode: 'exchange' },
    deps: {
      clock,
      calendar: exchangeCalendar(),
      instrumentStore: store && createInstrumentStore(store.pool),
    },
  })
  // The ticker's own market time began a moment after the clock.
  const goTo = (toDate: string, toTime: string) => clock.leapTo(msOfIst(toDate, toTime) + 2_000)
  const dumps = () => broker.restCalls.filter((path) => path === '/instruments').length
  return { ...running, goTo, dumps }
}

async function subscribe(day: Day, instruments: readonly Instrument[]): Promise<number> {
  const list = instruments.map(({ tradingsymbol }) => ({ tradingsymbol }))
  return (await request(day, 'POST', '/subscriptions', { instruments: list })).status
}

async function streams({ broker }: Day, { token }: Instrument, is: boolean): Promise<void> {
  await vi.waitFor(() => expect(broker.carried().has(token)).toBe(is), WITHIN)
}

function removals({ events }: Day): unknown[] {
  return events.flatMap((event) => {
    if (event.event_type !== 'subscription_removed') return []
    const { tradingsymbol, reason } = event.metadata
    return [`${tradingsymbol} ${reason}`]
  })
}

function refreshes({ events }: Day): unknown[] {
  return events.flatMap(({ event_type, metadata }) =>
    event_type === 'instruments_refreshed' ? [metadata] : [],
  )
}

describe('the change of the day', () => {
  it('brings a new dump at 08:30 of trading days alone, and its series can be subscribed', async () => {
    const day = await runDay('2026-11-20', '15:00')
    expect(await subscribe(day, [NEW_SERIES])).toBe(404)
    day.broker.instruments = [...LISTED, NEW_SERIES]
    // Saturday, Sunday, and Monday before it is time.
    day.goTo('2026-11-21', '09:00')
    day.goTo('2026-11-22', '12:00')
    day.goTo('2026-11-23', '08:29')
    expect(day.ticker.master.byToken(NEW_SERIES.token)).toBeUndefined()
    day.goTo('2026-11-23', '08:30')
    await vi.waitFor(
      () => expect(day.ticker.master.byToken(NEW_SERIES.token)).toBeDefined(),
      WITHIN,
    )
    expect(day.dumps()).toBe(2)
    const monday = { added: 1, removed: 0, date: '2026-11-23' }
    await vi.waitFor(() => expect(refreshes(day)).toEqual([monday]), WITHIN)
    expect(await subscribe(day, [NEW_SERIES])).toBe(201)
    await streams(day, NEW_SERIES, true)
    // A holiday.
    day.goTo('2026-11-24', '09:30')
    day.broker.instruments = LISTED.filter(({ expiry }) => expiry !== ENDING.expiry)
    day.goTo('2026-11-25', '08:30')
    await vi.waitFor(() => expect(refreshes(day)).toHaveLength(2), WITHIN)
    expect(refreshes(day).at(-1)).toEqual({ added: 0, removed: 2, date: '2026-11-25' })
    expect(day.dumps()).toBe(3)
    await vi.waitFor(() => expect(removals(day)).toContain('NIFTY26D0826000PE delisted'), WITHIN)
  })

  it('ends the subscriptions of Monday 23 Nov at 16:00 of that day, as expired', async () => {
    const day = await runDay('2026-11-23', '15:00')
    expect(await subscribe(day, [ENDING, STAYING])).toBe(201)
    await streams(day, ENDING, true)
    day.goTo('2026-11-23', '15:58')
    expect(removals(day)).toEqual([])
    day.goTo('2026-11-23', '16:00')
    await vi.waitFor(
      () => expect(removals(day)).toEqual([`${ENDING.tradingsymbol} expired`]),
      WITHIN,
    )
    await streams(day, ENDING, false)
    await streams(day, STAYING, true)
  })

  it('takes a contract that is not in the dump of its last day for expired', async () => {
    const day = await runDay('2026-11-20', '15:00')
    expect(await subscribe(day, [ENDING, STAYING])).toBe(201)
    await streams(day, ENDING, true)
    day.broker.instruments = smallMaster()
    day.goTo('2026-11-23', '08:30')
    await vi.waitFor(
      () => expect(removals(day)).toEqual([`${ENDING.tradingsymbol} expired`]),
      WITHIN,
    )
    await streams(day, ENDING, false)
  })
})

describe.skipIf(url === undefined)('a token that belongs to another contract from today on', () => {
  it('leaves its former contract in the store, and what streams follows its name', async () => {
    const store = openStore(
      { kind: 'url', url: url ?? '' },
      { applicationName: 'fostream test', log: { warn: () => undefined } },
    )
    onRelease(() => store.close())
    const client = await store.connect()
    await migrate(client)
    await client.end()
    const day = await runDay('2026-11-20', '15:00', store)
    await vi.waitFor(async () => {
      const { rowCount } = await store.pool.query('SELECT FROM instruments')
      expect(rowCount).toBe(LISTED.length)
    }, WITHIN)
    expect(await subscribe(day, [STAYING])).toBe(201)
    await streams(day, STAYING, true)

    const moved = { ...STAYING, token: 9_100 * 256 + 2 }
    const reused = { ...NEW_SERIES, token: STAYING.token }
    const others = LISTED.filter(({ token }) => token !== STAYING.token)
    day.broker.instruments = [...others, moved, reused]
    day.goTo('2026-11-23', '08:30')
    const monday = { added: 1, removed: 0, date: '2026-11-23' }
    await vi.waitFor(() => expect(refreshes(day).at(-1)).toEqual(monday), WITHIN)
    await streams(day, moved, true)
    await streams(day, STAYING, false)
    expect(removals(day)).toEqual([])
    const { body } = await request(day, 'GET', '/subscriptions')
    const own = (body as { tradingsymbol: string; instrument_token: number }[]).filter(
      ({ tradingsymbol }) => tradingsymbol === STAYING.tradingsymbol,
    )
    expect(own.map(({ instrument_token }) => instrument_token)).toEqual([moved.token])
    const { rows } = await store.pool.query<{ version: string }>(
      `SELECT tradingsymbol || ' ' || token || ' ' || valid_from || ' ' || coalesce(valid_to::text, 'listed') AS version
       FROM instruments WHERE tradingsymbol = ANY ($1) ORDER BY tradingsymbol DESC, valid_from`,
      [[STAYING.tradingsymbol, reused.tradingsymbol]],
    )
    expect(rows.map(({ version }) => version)).toEqual([
      `${reused.tradingsymbol} ${STAYING.token} 2026-11-23 listed`,
      `${STAYING.tradingsymbol} ${STAYING.token} 2026-11-20 2026-11-23`,
      `${STAYING.tradingsymbol} ${moved.token} 2026-11-23 listed`,
    ])
  })
})
