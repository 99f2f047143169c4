import { afterEach, describe, expect, it } from 'vitest'
import {
  LIFECYCLE_FAULT_LINES,
  LIFECYCLE_FAULT_PERIOD_MS,
  LIFECYCLE_RECONCILE_PERIOD_MS,
  LIFECYCLE_SLICE_MS,
  LIFECYCLE_WAITING_MAX,
} from '../../../src/limits.ts'
import { until } from '../../until.ts'
import { SteppedClock } from '../api/stepped-clock.ts'
import { NIFTY, OPTIONS } from '../scenario.ts'
import { ListedTickers, listenerUnderTest, SpokenSource } from './listener-under-test.ts'
import { row } from './subscription-rows.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function started(over: Parameters<typeof listenerUnderTest>[0] = {}) {
  const source = new SpokenSource()
  const clock = new SteppedClock(0)
  const made = listenerUnderTest({ source, clock, ...over })
  stops.push(() => made.listener.stop())
  made.listener.start()
  await settled()
  return { ...made, source, clock }
}

/** What is not waiting for a clock has happened. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

function created(token: number, over: Readonly<Record<string, unknown>> = {}) {
  return { ...about(token), event_type: 'subscription_created', ...over }
}

function removed(token: number, over: Readonly<Record<string, unknown>> = {}) {
  return { ...about(token), event_type: 'subscription_removed', ...over }
}

function about(token: number) {
  const { tradingsymbol, segment, exchange, symbol } = row(token)
  return {
    event_id: undefined,
    instrument_token: token,
    metadata: { tradingsymbol, segment, exchange, symbol },
    timestamp: 1_730_462_400,
  }
}

describe('an event that a subscription was created', () => {
  it('as a person publishes it has its history fetched at once, and three lines', async () => {
    const { source, noted, said } = await started()
    source.say(
      '{"event_type":"subscription_created","instrument_token":256265,"metadata":{"tradingsymbol":"NIFTY 50","segment":"INDICES"},"timestamp":1730462400}',
    )
    await settled()
    expect(noted.backfilled).toEqual([256_265])
    expect(noted.streamed).toEqual(['NSE:NIFTY 50'])
    expect(said()).toEqual([
      'Subscription event listener started',
      'Subscribed to ticker service events: ticker:test:events',
      'Received subscription event: subscription_created for token 256265',
      'Subscription created: NIFTY 50 (token: 256265), triggering immediate backfill',
    ])
  })

  it('without metadata is looked up by its token', async () => {
    const { source, noted, said } = await started()
    const option = OPTIONS[0]
    source.say({
      event_type: 'subscription_created',
      instrument_token: String(option?.token),
    })
    await settled()
    expect(noted.backfilled).toEqual([option?.token])
    expect(said().at(-1)).toBe(
      `Subscription created: ${option?.tradingsymbol} (token: ${option?.token}), triggering immediate backfill`,
    )
  })

  it('does not claim a backfill where none is triggered', async () => {
    const { source, said, flags } = await started()
    flags.set('backfill_immediate_on_subscribe', false)
    source.say(created(7))
    await settled()
    expect(said().at(-1)).toBe('Subscription created: NIFTY26NOV20007CE (token: 7)')
  })

  it('is acted on once, however often it is repeated with its id', async () => {
    const { source, noted, listener } = await started()
    for (let i = 0; i < 3; i++) source.say(created(7, { event_id: '1795405200-17' }))
    // The same id of another ticker is another event.
    source.say(created(8, { event_id: '1795405200-17' }))
    source.say(removed(7, { event_id: '1795405200-17' }))
    await settled()
    expect(noted).toMatchObject({ backfilled: [7, 8], cancelled: [7] })
    expect(listener.status()).toMatchObject({ received: 5, processed: 3, repeated: 2 })
  })

  it('without an id counts every time', async () => {
    const { source, noted } = await started()
    for (let i = 0; i < 3; i++) source.say(created(7))
    await settled()
    expect(noted.backfilled).toEqual([7, 7, 7])
  })
})

it.each(['subscription_removed', 'subscription_deleted'])(
  '%s cancels what is pending and shows its price as old',
  async (event_type) => {
    const { source, noted, said } = await started()
    source.say(created(7))
    source.say(removed(7, { event_type }))
    await settled()
    expect(noted).toMatchObject({ cancelled: [7], ended: ['NFO:NIFTY26NOV20007CE'] })
    expect(said().slice(-2)).toEqual([
      `Received subscription event: ${event_type} for token 7`,
      'Subscription deleted: NIFTY26NOV20007CE (token: 7)',
    ])
  },
)

describe('what is wrong', () => {
  it('is said and counted by reason, and what comes after it is acted on', async () => {
    const { source, noted, said, listener, metrics, isBalanced } = await started()
    source.say('not JSON')
    source.say({ event_type: 'order_placed', instrument_token: 7 })
    source.say({ event_type: 'subscription_created' })
    source.say({ event_type: 'subscription_created', instrument_token: 4_000_000_000 })
    source.say('x'.repeat(1_000_000))
    source.say('[]')
    source.say(created(7))
    await settled()
    expect(noted.backfilled).toEqual([7])
    expect(said()).toEqual(expect.arrayContaining(['Unknown event type: order_placed']))
    expect(said().filter((each) => each === 'Failed to parse subscription event')).toHaveLength(4)
    expect(said()).toContain('Subscription event for an unknown instrument')
    expect(listener.status()).toMatchObject({ received: 7, processed: 1, failed: 6, waiting: 0 })
    expect(isBalanced()).toBe(true)
    const page = await metrics.text()
    for (const reason of ['not_json', 'unknown_type', 'no_token', 'too_long', 'wrong_shape']) {
      expect(page).toContain(`fostream_events_failed_total{reason="${reason}"} 1`)
    }
    expect(page).toContain('fostream_events_received_total 7')
    expect(page).toContain('fostream_events_processed_total 1')
    expect(page).toContain('fostream_event_latency_seconds_count 1')
    expect(page).toContain('fostream_listener_running 1')
  })

  it('in what an event sets going ends nothing', async () => {
    const { source, noted, said, listener } = await started({
      onBackfill: (token) => {
        if (token === 7) throw new Error('out of order')
      },
    })
    source.say(created(7))
    source.say(created(8))
    await settled()
    expect(noted.backfilled).toEqual([8])
    expect(said()).toContain('Subscription event listener error')
    expect(listener.status()).toMatchObject({ received: 2, processed: 1, failed: 1 })
  })

  it('ten thousand times over fills the figures and not the log', async () => {
    const { source, clock, log, listener } = await started()
    for (let i = 0; i < 10_000; i++) source.say(`nonsense ${i}`)
    source.say(created(7))
    await settled()
    const lines = () => log.lines.filter(({ fields }) => fields['reason'] === 'not_json')
    expect(lines()).toHaveLength(LIFECYCLE_FAULT_LINES)
    clock.advance(LIFECYCLE_FAULT_PERIOD_MS)
    expect(lines().at(-1)).toMatchObject({
      message: 'More events of that kind',
      fields: { events: 10_000 - LIFECYCLE_FAULT_LINES },
    })
    expect(listener.status()).toMatchObject({ received: 10_001, failed: 10_000, processed: 1 })
  })
})

describe('other events', () => {
  it.each([
    ['feed_gap_opened', null],
    ['account_down', null],
    ['instruments_refreshed', null],
    ['subscription_live', 7],
  ])('%s is taken note of', async (event_type, instrument_token) => {
    const { source, listener, noted } = await started()
    source.say({ event_type, instrument_token, metadata: {}, event_id: '1-1' })
    await settled()
    expect(listener.status()).toMatchObject({ processed: 1, failed: 0 })
    expect(noted.backfilled).toEqual([])
  })
})

describe('what no event has told', () => {
  it('is found in the list of the ticker at the start, and every 30 s', async () => {
    const tickers = new ListedTickers()
    tickers.rows = [row(1), row(2)]
    const { noted, clock, said } = await started({ tickers })
    expect(noted.backfilled).toEqual([1, 2])
    expect(said()).toContain(
      'Subscription created: NIFTY26NOV20001CE (token: 1), triggering immediate backfill',
    )
    tickers.rows = [row(2), row(3)]
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted).toMatchObject({
      backfilled: [1, 2, 3],
      cancelled: [1],
      ended: ['NFO:NIFTY26NOV20001CE'],
    })
    expect(said()).toContain('Subscription deleted: NIFTY26NOV20001CE (token: 1)')
    expect(LIFECYCLE_RECONCILE_PERIOD_MS).toBeLessThanOrEqual(30_000)
  })

  it('is found without any source of events', async () => {
    const tickers = new ListedTickers()
    tickers.rows = [row(1)]
    const { noted, listener } = await started({ tickers, source: undefined })
    expect(noted.backfilled).toEqual([1])
    expect(listener.status()).toMatchObject({ listener: 'running', source: 'none', channel: null })
  })

  it('is not taken as ended while a ticker wants it and cannot stream it', async () => {
    const tickers = new ListedTickers()
    tickers.rows = [row(1), row(2)]
    const { noted, clock } = await started({ tickers })
    tickers.asked = []
    tickers.rows = [row(1, { status: 'pending' }), row(2, { status: 'failed' })]
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted.cancelled).toEqual([])
    expect(tickers.asked).toEqual(['active', 'active', 'pending', 'failed'])
  })

  it('is not taken as ended while the ticker has just begun and takes it up', async () => {
    const tickers = new ListedTickers()
    tickers.rows = [row(1), row(2)]
    const { noted, clock } = await started({ tickers })
    tickers.isTakingUp = true
    tickers.rows = []
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted.cancelled).toEqual([])
    tickers.isTakingUp = false
    tickers.rows = [row(2)]
    clock.advance(1_000)
    await settled()
    expect(noted).toMatchObject({ backfilled: [1, 2], cancelled: [1] })
  })

  it('is not taken as ended while one of the tickers is away, and is when it is back', async () => {
    const tickers = new ListedTickers()
    tickers.lists.push([])
    tickers.lists[0] = [row(1)]
    tickers.lists[1] = [row(2)]
    const { noted, clock, listener, said } = await started({ tickers })
    expect(noted.backfilled).toEqual([1, 2])
    tickers.away.add(1)
    tickers.lists[0] = [row(3)]
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted).toMatchObject({ backfilled: [1, 2, 3], cancelled: [] })
    expect(listener.status().error).toContain('http://ticker-1')
    tickers.away.clear()
    // It is not waited for another 30 s.
    clock.advance(1_000)
    await settled()
    expect(noted.cancelled).toEqual([1])
    expect(listener.status().error).toBeNull()
    const spoken = said().filter((each) => each.startsWith('Subscriptions cannot'))
    expect(spoken).toHaveLength(1)
  })

  it('is asked for with growing pauses while no ticker answers', async () => {
    const tickers = new ListedTickers()
    tickers.away.add(0)
    const { clock, said } = await started({ tickers })
    for (let second = 0; second < 29; second++) {
      clock.advance(1_000)
      await settled()
    }
    expect(tickers.asked.length).toBeGreaterThan(4)
    expect(tickers.asked.length).toBeLessThan(15)
    expect(said().filter((each) => each.startsWith('Subscriptions cannot'))).toHaveLength(1)
  })

  it('gives way to what events tell while the list is on its way', async () => {
    const tickers = new ListedTickers()
    tickers.rows = [row(1)]
    const { source, noted, clock } = await started({ tickers })
    let answer: () => void = () => undefined
    tickers.held = new Promise((resolve) => {
      answer = resolve
    })
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    source.say(removed(1))
    source.say(created(2))
    await settled()
    answer()
    await settled()
    expect(noted).toMatchObject({ backfilled: [1, 2], cancelled: [1] })
  })

  it('does not matter where no ticker is configured', async () => {
    const tickers = new ListedTickers()
    tickers.lists.length = 0
    const { source, noted, clock } = await started({ tickers })
    source.say(created(1))
    await settled()
    clock.advance(LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted).toMatchObject({ backfilled: [1], cancelled: [] })
  })
})

describe('a burst', () => {
  it.each([1, 1 / 128])(
    'of 10,000 events of %f ms each is acted on to the last one, ticks have their turn meanwhile',
    async (costMs) => {
      const source = new SpokenSource()
      const clock = new SteppedClock(0)
      let [sinceTurn, mostBetweenTurns] = [0, 0]
      const onBackfill = () => {
        clock.advance(costMs)
        mostBetweenTurns = Math.max(mostBetweenTurns, ++sinceTurn)
      }
      const { listener, noted, isBalanced } = listenerUnderTest({ source, clock, onBackfill })
      stops.push(() => listener.stop())
      listener.start()
      let isOver = false
      const turn = () => {
        sinceTurn = 0
        if (!isOver) setImmediate(turn)
      }
      setImmediate(turn)
      for (let i = 1; i <= 10_000; i++) source.say(created(i, { event_id: `1-${i}` }))
      await until(
        () => listener.status().waiting === 0 && noted.backfilled.length === 10_000,
        60_000,
      )
      isOver = true
      expect(noted.backfilled).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
      expect(mostBetweenTurns).toBe(LIFECYCLE_SLICE_MS / costMs)
      expect(isBalanced()).toBe(true)
    },
  )

  it('beyond the cap is refused, counted, and made good by the list', async () => {
    const tickers = new ListedTickers()
    const { source, listener, noted, isBalanced, said } = await started({ tickers })
    const all = LIFECYCLE_WAITING_MAX + 500
    tickers.rows = Array.from({ length: all }, (_, i) => row(i + 1))
    for (let i = 1; i <= all; i++) source.say(created(i))
    await until(() => listener.status().waiting === 0)
    await until(() => new Set(noted.backfilled).size === all)
    expect(listener.status()).toMatchObject({ received: all, failed: 500 })
    expect(isBalanced()).toBe(true)
    expect(said()).toContain('Too many subscription events wait')
  })
})

describe('switched off', () => {
  it('it says so, hears nothing, and finds what came meanwhile when it is on again', async () => {
    const tickers = new ListedTickers()
    const { source, flags, noted, said, listener, clock, metrics } = await started({ tickers })
    flags.set('subscription_events_enabled', false)
    expect(said().at(-1)).toBe('Subscription event listener disabled')
    expect(await metrics.text()).toContain('fostream_listener_running 0')
    tickers.rows = [row(1)]
    source.say(created(1))
    clock.advance(3 * LIFECYCLE_RECONCILE_PERIOD_MS)
    await settled()
    expect(noted.backfilled).toEqual([])
    expect(listener.status()).toMatchObject({ listener: 'disabled', received: 0 })
    flags.set('subscription_events_enabled', true)
    await settled()
    expect(noted.backfilled).toEqual([1])
    source.say(created(2))
    await settled()
    expect(noted.backfilled).toEqual([1, 2])
  })

  it('drops what waits, counted, since the list has it', async () => {
    const tickers = new ListedTickers()
    const { source, flags, listener, noted, isBalanced } = await started({ tickers })
    for (let i = 1; i <= 1_000; i++) source.say(created(i))
    flags.set('subscription_events_enabled', false)
    await settled()
    expect(noted.backfilled).toEqual([])
    expect(listener.status()).toMatchObject({ received: 1_000, failed: 1_000, waiting: 0 })
    expect(isBalanced()).toBe(true)
    tickers.rows = Array.from({ length: 1_000 }, (_, i) => row(i + 1))
    flags.set('subscription_events_enabled', true)
    await settled()
    expect(noted.backfilled).toHaveLength(1_000)
  })

  it('from the start it is disabled', async () => {
    const made = listenerUnderTest({ clock: new SteppedClock(0) })
    stops.push(() => made.listener.stop())
    made.flags.set('subscription_events_enabled', false)
    made.listener.start()
    await settled()
    expect(made.said()).toEqual(['Subscription event listener disabled'])
  })
})

describe('the stop', () => {
  it('acts on what waits, says so, and leaves nothing behind', async () => {
    const { source, clock, listener, noted, said } = await started()
    for (let i = 1; i <= 500; i++) source.say(created(i))
    await listener.stop()
    await listener.stop()
    expect(noted.backfilled).toHaveLength(500)
    expect(said().at(-1)).toBe('Subscription event listener stopped')
    expect(clock.timers).toBe(0)
    source.say(created(501))
    await settled()
    expect(noted.backfilled).toHaveLength(500)
  })

  it('does not wait for a list that never comes', async () => {
    const tickers = new ListedTickers()
    tickers.held = new Promise(() => undefined)
    const { listener } = await started({ tickers })
    await listener.stop()
    expect(listener.status().listener).toBe('stopped')
  })
})

it('knows the index by its token', () => {
  expect(NIFTY.token).toBe(256_265)
})
