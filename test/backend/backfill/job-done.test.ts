/** What it means that a job is done, and the minutes that it counts. */
import { describe, expect, it } from 'vitest'
import type { BackfillManager } from '../../../src/backend/backfill/backfill-manager.ts'
import { MINUTE_MS, msOfIst } from '../../../src/market/ist.ts'
import { OPTIONS } from '../scenario.ts'
import { happen, MemoryStore, World } from './backfill-world.ts'

const DATE = '2026-11-20'
const NOON = msOfIst(DATE, '12:00')
const at = (time: string) => msOfIst(DATE, time)
const [CALL] = OPTIONS as [(typeof OPTIONS)[number]]

function range(from: string, to: string): number[] {
  const minutes = []
  for (let ms = at(from); ms < at(to); ms += MINUTE_MS) minutes.push(ms)
  return minutes
}

describe('a job that is done', () => {
  const immediate = async (manager: BackfillManager) => {
    const { backfills } = await manager.list({ kind: 'immediate', limit: 10 })
    return backfills.map(({ status, rows }) => [status, rows])
  }

  it('was not before anything was read of the log, and asks the broker once', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.isLogEmpty = true
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(10_000, 500)
    expect(world.ticker.asked).toEqual([])
    expect(await immediate(manager)).toEqual([['queued', 0]])
    // It still tells how long it will take.
    expect(manager.queue()).toMatchObject({ waiting: 1, later: 0, waits_for: 'log', eta_ms: 333 })
    world.isLogEmpty = false
    await world.pass(10_000, 500)
    expect(world.ticker.asked).toHaveLength(1)
    expect(await immediate(manager)).toEqual([['done', 120]])
    await manager.stop()
  })

  it('has nothing to wait for where no minute is final yet; they follow behind new ones', async () => {
    const world = new World(at('09:15') + 30_000)
    world.lookbackMinutes = 1
    world.writer.cover(CALL, 'broker', [msOfIst('2026-11-19', '15:39')])
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(500)
    expect(world.ticker.asked).toEqual([])
    expect(await immediate(manager)).toEqual([['done', 0]])
    await world.pass(150_000, 1_000)
    expect(world.ticker.asked.map(({ options }) => options.priority)).toEqual(['gap'])
    expect(world.writer.minutesOf(CALL)).toContain(at('09:15'))
    await manager.stop()
  })

  it('was not while the writer could not take its minutes', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.writer.isTooEarly = () => true
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(5_000, 500)
    expect(await immediate(manager)).toEqual([['running', 0]])
    world.writer.isTooEarly = () => false
    await world.pass(10_000, 500)
    expect(await immediate(manager)).toEqual([['done', 120]])
    const last = world.writer.batches.at(-1)
    expect(last?.candles.map(({ minuteMs }) => minuteMs)).toEqual(range('10:00', '12:00'))
    await manager.stop()
  })

  it('was not after an answer that proves nothing', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.damage = (answer, nth) => (nth === 1 ? { ...answer, candles: [] } : answer)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(50_000, 1_000)
    expect(await immediate(manager)).toEqual([['running', 0]])
    // What goes on waits behind new ones.
    expect(world.ticker.asked.map(({ options }) => options.priority)).toEqual(['new_subscription'])
    await world.pass(20_000, 1_000)
    expect(await immediate(manager)).toEqual([['done', 120]])
    expect(world.ticker.asked.at(-1)?.options.priority).toBe('gap')
    await manager.stop()
  })

  it('has all its minutes of a contract without a trade in the newest ones', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.hasCandle = (_, minuteMs) => minuteMs < at('11:57')
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(50_000, 1_000)
    expect(await immediate(manager)).toEqual([['running', 117]])
    await world.pass(20_000, 1_000)
    expect(await immediate(manager)).toEqual([['done', 120]])
    expect(world.writer.minutesOf(CALL)).toEqual(range('10:00', '12:00'))
    await manager.stop()
  })

  it('counts what another one was first to write, each minute once', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.active = [CALL]
    world.ticker.answerMs = 500
    const manager = world.manager()
    manager.start()
    await world.pass(100)
    expect(world.ticker.asked).toHaveLength(1)
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(5_000, 100)
    expect(world.ticker.asked).toHaveLength(1)
    expect(await immediate(manager)).toEqual([['done', 120]])
    await manager.stop()
  })

  it('counts what it wrote before a restart', async () => {
    const store = new MemoryStore()
    const first = new World(NOON + 20_000, undefined, store)
    first.stream(CALL, NOON)
    const killed = first.manager()
    killed.start()
    killed.backfillInstrumentImmediate(CALL.token)
    // The candles are stored, and nothing of the job after that.
    const { saveJobs } = store
    await first.pass(15)
    await happen()
    store.saveJobs = () => new Promise(() => undefined)
    await first.pass(500)
    expect(first.writer.minutesOf(CALL)).toHaveLength(120)
    expect([...store.jobs.values()]).toMatchObject([{ rows: 0 }])
    expect([...store.jobs.values()][0]?.status).not.toBe('done')
    store.saveJobs = saveJobs
    const second = new World(NOON + 25_000, undefined, store)
    const manager = second.manager()
    manager.start()
    await second.pass(2_000)
    expect(second.ticker.asked).toEqual([])
    expect(await immediate(manager)).toEqual([['done', 120]])
    await manager.stop()
  })
})
