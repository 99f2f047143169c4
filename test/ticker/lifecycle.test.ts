import { describe, expect, it } from 'vitest'
import {
  compareEventIds,
  type LifecycleEvent,
  type LifecycleNews,
} from '../../src/contract/events.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { OUTBOX_EVENTS_MAX } from '../../src/limits.ts'
import { Lifecycle } from '../../src/ticker/lifecycle.ts'
import { keptLog } from './support/silent-log.ts'
import { TestClock } from './support/test-clock.ts'

const NEWS: LifecycleNews = {
  event_type: 'instruments_refreshed',
  instrument_token: null,
  metadata: { added: 1, removed: 0, date: '2026-11-23' },
}

describe('lifecycle events', () => {
  it('rise by one, in the epoch of the process, and are told after they are kept', async () => {
    const { lifecycle, kept, told } = begin()
    for (let i = 0; i < 3; i++) lifecycle.publish(NEWS)
    expect(told).toEqual([])
    await lifecycle.settled()
    expect(kept).toEqual(['7-1', '7-2', '7-3'])
    expect(told).toEqual(kept)
    expect(lifecycle.untold).toEqual([])
  })

  it('wait for what they say to be stored, and so do those behind them', async () => {
    const { lifecycle, told } = begin()
    let store = () => undefined as unknown
    const stored = new Promise<void>((resolve) => {
      store = resolve
    })
    lifecycle.publish(NEWS, () => stored)
    lifecycle.publish(NEWS)
    await turns()
    expect(told).toEqual([])
    expect(lifecycle.untold).toHaveLength(2)
    store()
    await lifecycle.settled()
    expect(told).toEqual(['7-1', '7-2'])
  })

  it('too many behind a store that hangs give way, the oldest first, and it is counted and said', async () => {
    const { lifecycle, log, told, metrics } = begin()
    let store = () => undefined as unknown
    const stored = new Promise<void>((resolve) => {
      store = resolve
    })
    lifecycle.publish(NEWS, () => stored)
    await turns()
    for (let i = 0; i < OUTBOX_EVENTS_MAX; i++) lifecycle.publish(NEWS)
    expect(lifecycle.fault).toBeNull()
    for (let i = 0; i < 5; i++) lifecycle.publish(NEWS)
    expect(lifecycle.fault).toBe('5 events were never told, too many waited')
    expect(log.lines.map(({ level }) => level)).toEqual(['error'])
    expect(await metrics.text()).toContain('fostream_lifecycle_dropped_total 5')
    store()
    await lifecycle.settled()
    // The first was being stored already; the five after it gave way to the newest.
    expect(told.slice(0, 2)).toEqual(['7-1', '7-7'])
    expect(told).toHaveLength(OUTBOX_EVENTS_MAX + 1)
    expect(told.at(-1)).toBe(`7-${OUTBOX_EVENTS_MAX + 6}`)
  })

  it('have other ids than those of a second ticker that began in the same second', async () => {
    const all = [begin('t1'), begin('t2'), begin('desk-2.b')]
    for (const { lifecycle } of all) {
      for (let i = 0; i < 11; i++) lifecycle.publish(NEWS)
      await lifecycle.settled()
    }
    expect(all.map(({ told }) => told[0])).toEqual(['7-1', '7-1-t2', '7-1-desk-2.b'])
    expect(new Set(all.flatMap(({ told }) => told)).size).toBe(33)
    for (const { told } of all) expect(told.toSorted(compareEventIds)).toEqual(told)
  })

  it('reach the others where one listener throws', async () => {
    const { lifecycle, log } = begin()
    const heard: string[] = []
    const leave = lifecycle.onEvent(() => {
      throw new Error('mine')
    })
    lifecycle.onEvent(({ event_id: id }) => heard.push(id))
    lifecycle.publish(NEWS)
    await lifecycle.settled()
    expect(heard).toEqual(['7-1'])
    expect(log.lines.map(({ message }) => message)).toEqual(['Lifecycle listener failed'])
    leave()
  })
})

function begin(ticker = 't1') {
  const log = keptLog()
  const kept: string[] = []
  const told: string[] = []
  const metrics = new Metrics({ processDefaults: false })
  const lifecycle = new Lifecycle({
    ...{ ticker, epoch: 7 },
    clock: new TestClock(),
    log,
    keep: (events: readonly LifecycleEvent[]) => {
      kept.push(...events.map(({ event_id: id }) => id))
      return Promise.resolve()
    },
  })
  lifecycle.onEvent(({ event_id: id }) => told.push(id))
  lifecycle.describe(metrics)
  return { lifecycle, log, kept, told, metrics }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve()
}
