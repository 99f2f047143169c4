/** How long history takes at the broker's rate, and what is told of it beforehand; in simulated time. */
import { describe, expect, it } from 'vitest'
import { BACKFILL_AGREE_MS } from '../../../src/limits.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { ALL, OPTIONS, option } from '../scenario.ts'
import { happen, World } from './backfill-world.ts'

const DATE = '2026-11-20'
const NOON = msOfIst(DATE, '12:00')
const at = (time: string) => msOfIst(DATE, time)
const [CALL] = OPTIONS as [(typeof OPTIONS)[number]]

describe('how long it takes', () => {
  /** One answer after the other, as the keys' rate allows, with so much more before the first one. */
  function pace(world: World, perSecond: number, slowStartMs = 0): void {
    world.ticker.historiesPerSecond = perSecond
    let freeAtMs = -1
    const { history } = world.ticker
    world.ticker.history = async (...asked) => {
      const nowMs = world.clock.elapsedMs()
      const beginMs = freeAtMs < 0 ? nowMs + slowStartMs : Math.max(nowMs, freeAtMs)
      freeAtMs = beginMs + 1_000 / perSecond
      await new Promise<void>((resolve) => world.clock.after(freeAtMs - nowMs, resolve))
      return history(...asked)
    }
  }

  /** Three keys. */
  const PER_SECOND = 9

  it('is told within a fifth, before anything was measured', async () => {
    const world = new World(NOON + 20_000)
    for (const instrument of ALL) world.stream(instrument, NOON)
    pace(world, PER_SECOND)
    const manager = world.manager()
    manager.start()
    await happen()
    for (const { token } of ALL) manager.backfillInstrumentImmediate(token)
    await world.pass(100)
    const { backfills } = manager.progress()
    const etaMs = Math.max(...backfills.map(({ eta_ms }) => eta_ms ?? 0))
    const toldAtMs = world.clock.elapsedMs()
    expect(backfills).toHaveLength(ALL.length)
    while (manager.queue().waiting + manager.queue().running > 0) await world.pass(50)
    const tookMs = world.clock.elapsedMs() - toldAtMs
    expect(Math.abs(etaMs - tookMs)).toBeLessThan(tookMs / 5)
    await manager.stop()
    await happen()
  })

  it('is told within a fifth two seconds after hundreds of subscriptions that begin slowly', async () => {
    const world = new World(NOON + 20_000)
    const many = manyOptions(500)
    world.master = new InstrumentMaster(many)
    for (const instrument of many) world.stream(instrument, NOON)
    pace(world, PER_SECOND, 1_200)
    const manager = world.manager()
    manager.start()
    await happen()
    for (const { token } of many) manager.backfillInstrumentImmediate(token)
    await world.pass(2_000)
    const etaMs = manager.queue().eta_ms ?? 0
    const toldAtMs = world.clock.elapsedMs()
    while (manager.queue().waiting + manager.queue().running > 0) await world.pass(200, 100)
    const tookMs = world.clock.elapsedMs() - toldAtMs
    expect(Math.abs(etaMs - tookMs)).toBeLessThan(tookMs / 5)
    await manager.stop()
    await happen()
  })

  it('counts what was subscribed a moment ago, before its event is there', async () => {
    const world = new World(NOON + 20_000)
    const many = manyOptions(45)
    world.master = new InstrumentMaster(many)
    for (const instrument of many) world.stream(instrument, NOON)
    pace(world, PER_SECOND)
    const manager = world.manager()
    manager.start()
    await happen()
    const [before, added] = [many.slice(0, 9), many.slice(9)]
    for (const { token } of before) manager.backfillInstrumentImmediate(token)
    await world.pass(100)
    const told = manager.newHistory(before, added)
    const toldAtMs = world.clock.elapsedMs()
    expect([told.pending, told.waitsFor]).toEqual([many.length, null])
    for (const { token } of added) manager.backfillInstrumentImmediate(token)
    await happen()
    expect(manager.newHistory(before, added).pending).toBe(many.length)
    expect(manager.newHistory(before, []).pending).toBe(before.length)
    while (manager.newHistory(many, []).pending > 0) await world.pass(50)
    const tookMs = world.clock.elapsedMs() - toldAtMs
    expect(Math.abs((told.etaMs ?? 0) - tookMs)).toBeLessThan(tookMs / 5)
    expect(manager.newHistory(many, [])).toEqual({ pending: 0, etaMs: 0, waitsFor: null })
    await manager.stop()
    await happen()
  })

  it('is told with what must be asked again', async () => {
    const world = new World(NOON + 20_000)
    world.stream(CALL, NOON)
    world.ticker.hasCandle = (_, minuteMs) => minuteMs < at('11:57')
    pace(world, PER_SECOND)
    const manager = world.manager()
    manager.start()
    manager.backfillInstrumentImmediate(CALL.token)
    await world.pass(1_000)
    const [job] = manager.progress().backfills
    const toldAtMs = world.clock.elapsedMs()
    expect(job).toMatchObject({ status: 'running', rows: 117 })
    while (manager.progress().backfills[0]?.status !== 'done') await world.pass(500, 100)
    const tookMs = world.clock.elapsedMs() - toldAtMs
    expect(Math.abs((job?.eta_ms ?? 0) - tookMs)).toBeLessThan(tookMs / 5)
    expect(manager.progress().backfills).toMatchObject([{ eta_ms: null, rows: 120 }])
    await manager.stop()
    await happen()
  })

  it('is the rate’s bound for a gap of hundreds, and a minute more for who did not trade', async () => {
    const gapped = manyOptions(300)
    const quiet = new Set(gapped.slice(0, 15).map(({ tradingsymbol }) => tradingsymbol))
    const gap = { fromMs: at('11:20') + 12_000, toMs: at('11:21') + 12_000 }
    const trustedMs = at('11:22') + 15_000
    const boundMs = (gapped.length * 1_000) / PER_SECOND
    const world = new World(gap.toMs + 1_000)
    world.master = new InstrumentMaster(gapped)
    for (const { exchange, tradingsymbol } of gapped) {
      const live = { exchange, tradingsymbol, source: 'live', mode: 'full' } as const
      world.store.rows.push({ ...live, fromMs: at('09:15'), toMs: gap.fromMs })
      world.store.rows.push({ ...live, fromMs: gap.toMs, toMs: Number.POSITIVE_INFINITY })
    }
    const about = { id: 'g1', producer: 't1', partition: 0, reason: 'disconnect' }
    world.store.gaps.push({ ...about, ...gap, instruments: gapped })
    world.ticker.hasCandle = (name, minuteMs) => !quiet.has(name) || minuteMs < at('11:21')
    pace(world, PER_SECOND)
    // The log tells the time once a second.
    const logTimeMs = () => Math.floor(world.marketNowMs() / 1_000) * 1_000
    const manager = world.manager({ logTimeMs })
    manager.start()
    const ofGap = ({ minuteMs }: { readonly minuteMs: number }) => minuteMs >= at('11:20')
    const filled = () => world.writer.batches.flatMap(({ candles }) => candles.filter(ofGap)).length
    const traded = 2 * gapped.length - quiet.size
    while (filled() < traded) await world.pass(500, 100)
    expect(world.marketNowMs() - trustedMs).toBeLessThan(boundMs * 1.1)
    while (!world.store.ended.has('g1')) await world.pass(500, 100)
    expect(world.marketNowMs() - trustedMs).toBeLessThan(boundMs + BACKFILL_AGREE_MS + 4_000)
    const asked = world.ticker.asked.filter(({ fromMs }) => fromMs >= at('11:20'))
    expect(asked).toHaveLength(gapped.length + quiet.size)
    await manager.stop()
    await happen()
  })
})

function manyOptions(count: number): Instrument[] {
  return Array.from({ length: count }, (_, i) => option(20_000 + 50 * i, 'CE', i))
}
