import { describe, expect, it } from 'vitest'
import { CandlesNotWrittenError } from '../../../src/backend/candles/candle-writer.ts'
import { TickerError } from '../../../src/backend/tickers/ticker-error.ts'
import { MINUTE_MS, msOfIst } from '../../../src/market/ist.ts'
import { ALL, FUTURE, NIFTY, OPTIONS } from '../scenario.ts'
import { MemoryStore, World } from './backfill-world.ts'

const DATE = '2026-11-20'
const NOON = msOfIst(DATE, '12:00')
const at = (time: string) => msOfIst(DATE, time)
const [CALL] = OPTIONS as [(typeof OPTIONS)[number]]
const url = 'http://ticker'

function range(from: string, to: string): number[] {
  const minutes = []
  for (let ms = at(from); ms < at(to); ms += MINUTE_MS) minutes.push(ms)
  return minutes
}

describe('the history of a new subscription', () => {
  it('is the last two hours of session time, written within a second, each minute once', async () => {
    const world = new World(NOON + 20_000)
    const manager = world.manager()
    manager.start()
    world.stream(CALL)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(1_000)
    expect(world.writer.minutesOf(CALL)).toEqual(range('10:00', '12:00'))
    expect(world.writer.batches.map(({ source }) => source)).toEqual(['backfill'])
    expect(world.messages('Starting immediate backfill')).toHaveLength(1)
    expect(world.messages('Immediate backfill completed')[0]?.fields).toMatchObject({
      tradingsymbol: CALL.tradingsymbol,
      token: CALL.token,
      rows: 120,
      duration_ms: expect.any(Number),
    })
    // The minute in which streaming began follows when its candle is final, with one more request.
    await world.pass(120_000, 1_000)
    expect(world.writer.minutesOf(CALL)).toEqual(range('10:00', '12:01'))
    expect(world.ticker.asked).toHaveLength(2)
    await manager.stop()
  })

  it('reaches back over the night before', async () => {
    const world = new World(at('09:30') + 20_000)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(FUTURE.token)
    await world.pass(500)
    expect(world.ticker.asked[0]).toMatchObject({
      fromMs: msOfIst('2026-11-19', '13:55'),
      toMs: at('09:29'),
    })
    await manager.stop()
  })

  it('asks only for what coverage lacks', async () => {
    const world = new World(NOON + 20_000)
    world.writer.cover(CALL, 'broker', [...range('10:00', '11:00'), ...range('11:05', '12:00')])
    world.stream(CALL, NOON)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toMatchObject([{ fromMs: at('11:00') }])
    expect(world.writer.minutesOf(CALL)).toEqual(range('11:00', '11:05'))
    await manager.stop()
  })

  it('is not fetched twice for an event that comes twice', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    manager.backfillInstrumentImmediate(CALL.token, { tradingsymbol: CALL.tradingsymbol })
    await world.pass(500)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toHaveLength(1)
    await manager.stop()
  })

  it('of a burst goes to the underlying first, then the future, then from the money outwards', async () => {
    const world = new World(NOON + 20_000)
    world.ticker.answerMs = 300
    const manager = world.manager()
    manager.start()
    for (const { token } of [...ALL].reverse()) manager.backfillInstrumentImmediate(token)
    await world.pass(5_000)
    const strikes = world.ticker.asked.slice(2, 12).map(({ tradingsymbol }) => tradingsymbol)
    expect(world.ticker.asked.slice(0, 2).map((asked) => asked.tradingsymbol)).toEqual([
      NIFTY.tradingsymbol,
      FUTURE.tradingsymbol,
    ])
    const away = strikes.map((name) => Math.abs(Number(name.slice(10, 15)) - 24_500))
    expect(away).toEqual([0, 0, 50, 50, 50, 50, 100, 100, 100, 100])
    const orders = world.ticker.asked.slice(0, 12).map(({ options }) => options.order ?? -1)
    expect(orders).toEqual([...orders].sort((a, b) => a - b))
    expect(world.ticker.asked[0]?.options.priority).toBe('new_subscription')
    await manager.stop()
  })

  it('stops with the subscription', async () => {
    const world = new World(NOON + 20_000)
    world.ticker.answerMs = 300
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(100)
    manager.cancel(CALL.token)
    await world.pass(1_000)
    expect(world.writer.batches).toEqual([])
    expect((await manager.list({ limit: 10 })).backfills).toMatchObject([{ status: 'cancelled' }])
    await manager.stop()
  })

  it('of an unknown token is refused with a word, and others go on', async () => {
    const world = new World(NOON + 20_000)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(42)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.messages('Immediate backfill failed')[0]?.fields).toMatchObject({
      token: 42,
      reason: 'unknown_instrument',
    })
    expect(world.messages('Immediate backfill completed')).toHaveLength(1)
    await manager.stop()
  })

  it('is not fetched while a flag is off, live', async () => {
    const world = new World(NOON + 20_000)
    const manager = world.manager()
    manager.start()
    world.switch('backfill_immediate_on_subscribe', false)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toEqual([])
    world.switch('backfill_immediate_on_subscribe', true)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toHaveLength(1)
    await manager.stop()
  })
})

describe('what the broker has no candle for', () => {
  it('is known where the answer goes on after it, and else only when a later answer agrees', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    // The last trade was at 11:30.
    world.ticker.hasCandle = (_, minuteMs) => minuteMs <= at('11:30') && minuteMs !== at('10:10')
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(1_000)
    expect(world.writer.batches.flatMap(({ none }) => none)).toEqual([at('10:10')])
    await world.pass(62_000, 1_000)
    expect(world.ticker.asked).toHaveLength(2)
    expect(world.ticker.asked[1]).toMatchObject({ fromMs: at('11:31') })
    expect(world.writer.minutesOf(CALL)).toEqual(range('10:00', '12:00'))
    await manager.stop()
  })

  it('is not believed of a second answer that is not a minute older than the first', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.hasCandle = (_, minuteMs) => minuteMs < at('11:57')
    // The turn at the broker is long in coming.
    world.ticker.answerMs = 50_000
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(200_000, 1_000)
    const [first, second] = world.ticker.asked.map(({ atMs }) => atMs)
    expect(second).toBeGreaterThanOrEqual((first ?? 0) + 50_000 + 60_000)
    await world.pass(50_000, 1_000)
    expect(world.writer.batches.flatMap(({ none }) => none)).toContain(at('11:59'))
    await manager.stop()
  })

  it('is known at once where a candle after the gap proves it', async () => {
    const world = new World(NOON)
    world.ticker.hasCandle = (_, minuteMs) => minuteMs > at('11:40')
    world.writer.cover(CALL, 'broker', [...range('09:15', '11:30'), ...range('11:35', '12:00')])
    world.ticker.active = [CALL]
    const manager = world.manager()
    manager.start()
    await world.pass(1_000)
    expect(world.ticker.asked).toHaveLength(1)
    expect(world.writer.batches).toMatchObject([{ candles: [], none: range('11:30', '11:35') }])
    await manager.stop()
  })

  it('is not believed of a list that was cut short', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.damage = (answer, nth) =>
      nth === 1 ? { ...answer, candles: answer.candles.slice(0, 60) } : answer
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(70_000, 1_000)
    expect(world.writer.batches.flatMap(({ none }) => none)).toEqual([])
    expect(world.writer.minutesOf(CALL)).toEqual(range('10:00', '12:00'))
    await manager.stop()
  })
})

describe('a fault', () => {
  it('of the ticker keeps everything waiting, tries with one, and loses nothing', async () => {
    const world = new World(NOON + 20_000)
    for (const instrument of ALL) world.stream(instrument, NOON)
    const manager = world.manager()
    manager.start()
    world.ticker.fault = () => new TickerError('unreachable', 'nobody answers', { url })
    for (const { token } of ALL) manager.backfillInstrumentImmediate(token)
    await world.pass(20_000, 500)
    expect(world.writer.batches).toEqual([])
    expect(manager.queue()).toMatchObject({ waits_for: 'ticker_unreachable', eta_ms: null })
    expect(world.ticker.asked.length).toBeLessThan(12 + 8)
    expect(world.messages('Backfill waits')).toHaveLength(1)
    world.ticker.fault = undefined
    await world.pass(31_000, 500)
    for (const one of ALL) expect(world.writer.minutesOf(one)).toEqual(range('10:00', '12:00'))
    expect(world.messages('Backfill goes on')).toHaveLength(1)
    expect(manager.queue()).toMatchObject({ waits_for: null })
    await manager.stop()
  })

  it('of the rate is waited out as told', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    const manager = world.manager()
    manager.start()
    let refusals = 1
    world.ticker.fault = () =>
      refusals-- > 0
        ? new TickerError('rate_limited', 'later', { url, retryAfterMs: 7_000 })
        : undefined
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(6_900, 100)
    expect(world.ticker.asked).toHaveLength(1)
    await world.pass(1_500, 100)
    expect(world.ticker.asked).toHaveLength(2)
    expect(world.writer.minutesOf(CALL)).toHaveLength(120)
    await manager.stop()
  })

  it('of one instrument alone ends its job, and no other', async () => {
    const world = new World(NOON + 20_000)
    const manager = world.manager()
    manager.start()
    world.ticker.fault = ({ tradingsymbol }) =>
      tradingsymbol === CALL.tradingsymbol
        ? new TickerError('refused', 'no such token', { url, reason: 'unknown_instrument' })
        : undefined
    for (const { token } of [CALL, FUTURE]) manager.backfillInstrumentImmediate(token)
    await world.pass(1_000)
    const { backfills } = await manager.list({ limit: 10 })
    const statuses = backfills.map(({ tradingsymbol, status }) => [tradingsymbol, status])
    expect(statuses).toContainEqual([CALL.tradingsymbol, 'failed'])
    expect(statuses).toContainEqual([FUTURE.tradingsymbol, 'done'])
    expect(world.messages('Immediate backfill failed')).toHaveLength(1)
    await manager.stop()
  })

  it('of the store keeps jobs in memory until it is back', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    const manager = world.manager()
    manager.start()
    await world.pass(100)
    world.store.isAway = true
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(5_000, 500)
    expect(world.ticker.asked).toEqual([])
    expect((await manager.list({ limit: 10 })).backfills).toMatchObject([{ status: 'running' }])
    world.store.isAway = false
    await world.pass(31_000, 500)
    expect(world.writer.minutesOf(CALL)).toHaveLength(120)
    expect([...world.store.jobs.values()]).toMatchObject([{ status: 'done', rows: 120 }])
    await manager.stop()
  })

  it('does not hold up a stop: neither a write that is not taken nor a store that hangs', async () => {
    const world = new World(NOON + 20_000)
    const manager = world.manager()
    manager.start()
    await world.pass(100)
    world.writer.write = () => new Promise(() => undefined)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toHaveLength(1)
    world.store.saveJobs = () => new Promise(() => undefined)
    manager.backfillInstrumentImmediate(FUTURE.token)
    let isStopped = false
    const stopped = manager.stop().then(() => {
      isStopped = true
    })
    await world.pass(900)
    expect(isStopped).toBe(false)
    await world.pass(200)
    await stopped
    expect(isStopped).toBe(true)
  })

  it('that ends the process leaves what the next one goes on with', async () => {
    const store = new MemoryStore()
    const first = new World(NOON + 20_000, undefined, store)
    for (const instrument of ALL) first.stream(instrument, NOON)
    first.ticker.answerMs = 400
    const killed = first.manager()
    killed.start()
    for (const { token } of ALL) killed.backfillInstrumentImmediate(token)
    await first.pass(410)
    // Twelve are asked for at once: make some of them be lost on the way.
    const isDone = new Set(first.writer.batches.map(({ instrument }) => instrument.token))
    expect(store.jobs.size).toBe(ALL.length)
    const second = new World(NOON + 25_000, undefined, store)
    const manager = second.manager()
    manager.start()
    await second.pass(2_000)
    for (const { token, tradingsymbol } of ALL) {
      const asked = second.ticker.asked.filter((a) => a.tradingsymbol === tradingsymbol)
      expect(asked).toHaveLength(isDone.has(token) ? 0 : 1)
    }
    expect([...store.jobs.values()].every(({ status }) => status === 'done')).toBe(true)
    await manager.stop()
  })
})

describe('a gap that is over', () => {
  const gap = {
    id: 'g1',
    producer: 't1',
    partition: 0,
    reason: 'disconnect',
    fromMs: at('11:20') + 12_000,
    toMs: at('11:22') + 3_000,
    instruments: [NIFTY, CALL],
  }

  function brokenStream(world: World): void {
    for (const { exchange, tradingsymbol } of [NIFTY, CALL]) {
      const live = { exchange, tradingsymbol, source: 'live', mode: 'full' } as const
      world.store.rows.push({ ...live, fromMs: at('10:00'), toMs: gap.fromMs })
      world.store.rows.push({ ...live, fromMs: gap.toMs, toMs: Number.POSITIVE_INFINITY })
    }
  }

  it('is repaired: exactly the minutes that it touched, as repair, and then it is ended', async () => {
    const world = new World(NOON)
    brokenStream(world)
    world.store.gaps.push(gap)
    const manager = world.manager()
    manager.start()
    await world.pass(1_500)
    for (const instrument of [NIFTY, CALL]) {
      expect(world.writer.minutesOf(instrument)).toEqual(range('11:20', '11:23'))
    }
    // The writer alone can tell that all of the gap is filled: it is asked once.
    expect(world.writer.batches.map(({ source, gaps = [] }) => [source, gaps])).toEqual([
      ['repair', []],
      ['repair', []],
      ['repair', ['g1']],
    ])
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'repaired', rows: 6, error: null })
    await world.pass(3_000)
    expect(world.ticker.asked).toHaveLength(2)
    await manager.stop()
  })

  it('is ended by the writer too where another job has filled it', async () => {
    const world = new World(NOON)
    brokenStream(world)
    for (const one of [NIFTY, CALL]) world.writer.cover(one, 'broker', range('11:20', '11:23'))
    world.store.gaps.push(gap)
    const manager = world.manager()
    manager.start()
    await world.pass(1_500)
    expect(world.ticker.asked).toEqual([])
    expect(world.writer.batches).toMatchObject([{ candles: [], none: [], gaps: ['g1'] }])
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'repaired' })
    await manager.stop()
  })

  it('is ended later where the writer does not take it now', async () => {
    const world = new World(NOON)
    brokenStream(world)
    world.store.gaps.push(gap)
    const { write } = world.writer
    let refusals = 2
    world.writer.write = (batch) =>
      (batch.gaps ?? []).length > 0 && refusals-- > 0
        ? Promise.reject(new CandlesNotWrittenError('too_many', 'others wait already'))
        : write(batch)
    const manager = world.manager()
    manager.start()
    await world.pass(500)
    expect(world.store.ended.size).toBe(0)
    expect(manager.progress().backfills).toMatchObject([{ status: 'running' }])
    await world.pass(3_000)
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'repaired', error: null })
    expect(manager.progress().backfills).toMatchObject([{ status: 'done' }])
    await manager.stop()
  })

  it('waits until the candles can be trusted, and no longer', async () => {
    const world = new World(at('11:22') + 4_000)
    brokenStream(world)
    world.store.gaps.push(gap)
    const manager = world.manager()
    manager.start()
    await world.pass(70_000, 1_000)
    expect(world.store.ended.size).toBe(0)
    await world.pass(3_000, 500)
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'repaired' })
    expect(world.writer.minutesOf(CALL)).toEqual(range('11:20', '11:23'))
    await manager.stop()
  })

  it('is unrepairable where a contract is not listed any more, with what could be had', async () => {
    const world = new World(NOON)
    brokenStream(world)
    const gone = { exchange: 'NFO', tradingsymbol: 'NIFTY26NOV1CE' }
    world.store.gaps.push({ ...gap, instruments: [CALL, gone] })
    const manager = world.manager()
    manager.start()
    await world.pass(1_500)
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'unrepairable', rows: 3 })
    expect(world.store.ended.get('g1')?.error).toContain('1 of 2')
    await manager.stop()
  })

  it('of a contract that the broker has forgotten is unrepairable, and no minute is called empty', async () => {
    const world = new World(msOfIst('2026-11-25', '10:00'))
    brokenStream(world)
    world.store.gaps.push({ ...gap, instruments: [CALL] })
    world.ticker.hasCandle = () => false
    const manager = world.manager()
    manager.start()
    await world.pass(1_500)
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'unrepairable', rows: 0 })
    expect(world.writer.batches).toEqual([])
    await manager.stop()
  })

  it('is left alone while the store is away, and ended once', async () => {
    const world = new World(NOON)
    brokenStream(world)
    world.store.gaps.push(gap)
    const manager = world.manager()
    manager.start()
    world.ticker.answerMs = 200
    await world.pass(150)
    world.store.isAway = true
    await world.pass(10_000, 500)
    expect(world.store.ended.size).toBe(0)
    world.store.isAway = false
    await world.pass(10_000, 500)
    expect(world.store.ended.get('g1')).toMatchObject({ status: 'repaired', rows: 6 })
    await manager.stop()
  })
})

describe('the periodic look', () => {
  it('asks the ticker what is subscribed and fills what is missing of it', async () => {
    const world = new World(NOON)
    world.ticker.active = [NIFTY, CALL]
    world.writer.cover(NIFTY, 'broker', range('09:15', '12:00'))
    const manager = world.manager()
    manager.start()
    await world.pass(1_000)
    expect(world.messages('Found 2 active subscriptions from ticker service')).toHaveLength(1)
    expect(world.messages('Backfilling 2 subscribed instruments')).toHaveLength(1)
    expect(world.ticker.asked.map(({ tradingsymbol }) => tradingsymbol)).toEqual([
      CALL.tradingsymbol,
    ])
    expect(world.ticker.asked[0]?.options.priority).toBe('routine')
    await world.pass(301_000, 1_000)
    expect(world.messages('Backfilling 2 subscribed instruments')).toHaveLength(2)
    await manager.stop()
  })

  it('takes what the store knows where the ticker does not say', async () => {
    const world = new World(NOON)
    world.ticker.listFault = new TickerError('unreachable', 'nobody answers', { url })
    world.store.names = [CALL]
    const manager = world.manager()
    manager.start()
    await world.pass(1_000)
    expect(
      world.messages('No active subscriptions found, using metadata-based backfill'),
    ).toHaveLength(1)
    expect(world.writer.minutesOf(CALL).at(-1)).toBe(at('11:58'))
    await manager.stop()
  })

  it('does not ask the ticker where that is switched off', async () => {
    const world = new World(NOON)
    world.off.add('backfill_subscription_aware')
    world.ticker.active = [NIFTY]
    world.store.names = [CALL]
    const manager = world.manager()
    manager.start()
    await world.pass(1_000)
    expect(world.ticker.asked.map(({ tradingsymbol }) => tradingsymbol)).toEqual([
      CALL.tradingsymbol,
    ])
    await manager.stop()
  })

  it('never overlaps itself', async () => {
    const world = new World(NOON)
    world.ticker.active = [CALL]
    world.ticker.answerMs = 700_000
    const manager = world.manager()
    manager.start()
    await world.pass(650_000, 10_000)
    expect(world.ticker.asked).toHaveLength(1)
    await manager.stop()
  })

  it('begins again when backfill is switched on, and does nothing while it is off', async () => {
    const world = new World(NOON)
    world.off.add('backfill_enabled')
    world.ticker.active = [CALL]
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(5_000)
    expect(world.ticker.asked).toEqual([])
    expect(manager.queue().waits_for).toBe('switched_off')
    world.switch('backfill_enabled', true)
    await world.pass(1_000)
    expect(world.ticker.asked).toHaveLength(1)
    await manager.stop()
  })
})
