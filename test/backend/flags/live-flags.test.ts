import { describe, expect, it } from 'vitest'
import type { EnvironmentFlags } from '../../../src/backend/flags/flag-values.ts'
import { LiveFlags } from '../../../src/backend/flags/live-flags.ts'
import { FLAG_NAMES, type FlagName } from '../../../src/contract/api/flags.ts'
import { FLAGS_FIRST_READ_MS, FLAGS_READ_PERIOD_MS } from '../../../src/limits.ts'
import { keptLog } from '../../ticker/support/silent-log.ts'
import { SteppedClock } from '../api/stepped-clock.ts'
import { MemorySystemConfig } from './memory-system-config.ts'

const EVENTS = 'subscription_events_enabled'

function environment(over: Partial<EnvironmentFlags> = {}): EnvironmentFlags {
  const flags = FLAG_NAMES.map((name) => [name, { value: true, isGiven: false }])
  return { ...(Object.fromEntries(flags) as EnvironmentFlags), ...over }
}

async function started(over: Partial<EnvironmentFlags> = {}, store = new MemorySystemConfig()) {
  const clock = new SteppedClock(0)
  const log = keptLog()
  const flags = new LiveFlags({ environment: environment(over), store, clock, log })
  const switched: [FlagName, boolean][] = []
  flags.onChange((name, on) => switched.push([name, on]))
  await flags.start()
  const look = async () => {
    clock.advance(FLAGS_READ_PERIOD_MS)
    await settled()
  }
  const state = (name: FlagName) => flags.list().find((each) => each.name === name)
  return { flags, store, clock, log, switched, look, state }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('a flag', () => {
  it('follows the environment while system_config is silent, and says which it was', async () => {
    const { flags, state } = await started({ backfill_enabled: { value: false, isGiven: true } })
    expect(flags.isOn(EVENTS)).toBe(true)
    expect(state(EVENTS)).toMatchObject({ value: true, origin: 'default', stored: null })
    expect(flags.isOn('backfill_enabled')).toBe(false)
    expect(state('backfill_enabled')).toMatchObject({ value: false, origin: 'environment' })
  })

  it('is switched by hand and back again, and each change is told once', async () => {
    const { flags, store, switched, look, state, log } = await started()
    store.rows.set(EVENTS, 'false')
    await look()
    await look()
    expect(flags.isOn(EVENTS)).toBe(false)
    expect(state(EVENTS)).toMatchObject({ origin: 'system_config', stored: 'false' })
    store.rows.set(EVENTS, null)
    await look()
    expect(flags.isOn(EVENTS)).toBe(true)
    expect(switched).toEqual([
      [EVENTS, false],
      [EVENTS, true],
    ])
    expect(log.lines.map(({ message }) => message)).toEqual(['Flag switched', 'Flag switched'])
  })

  it('acts within 5 seconds', () => {
    expect(FLAGS_READ_PERIOD_MS).toBeLessThanOrEqual(2_500)
  })

  it('ignores what is neither true nor false, says so once, and shows it', async () => {
    const { flags, store, look, state, log } = await started()
    store.rows.set(EVENTS, 'maybe')
    await look()
    await look()
    expect(flags.isOn(EVENTS)).toBe(true)
    expect(state(EVENTS)).toMatchObject({ value: true, origin: 'invalid', stored: 'maybe' })
    expect(log.lines).toHaveLength(1)
    store.rows.set(EVENTS, '')
    await look()
    expect(log.lines).toHaveLength(2)
    store.rows.set(EVENTS, 'OFF')
    await look()
    expect(state(EVENTS)).toMatchObject({ value: false, origin: 'system_config' })
  })

  it('is all that system_config switches: other values are shown, and said once', async () => {
    const { flags, store, look, log } = await started()
    store.rows.set('backfill_interval_seconds', null)
    store.rows.set('backfill_lookback_minutes', '30')
    store.rows.set('BACKFILL_ENABLD', 'false')
    await look()
    await look()
    expect(flags.answer().ignored).toMatchObject([
      { key: 'BACKFILL_ENABLD', stored: 'false', nearest: 'backfill_enabled' },
      { key: 'backfill_lookback_minutes', stored: '30', nearest: null },
    ])
    expect(flags.isOn('backfill_enabled')).toBe(true)
    expect(log.lines.map(({ fields }) => fields)).toMatchObject([
      { key: 'BACKFILL_ENABLD', nearest: 'backfill_enabled', flags: FLAG_NAMES },
      { key: 'backfill_lookback_minutes', value: '30', nearest: null },
    ])
    store.rows.set('backfill_lookback_minutes', '60')
    store.rows.delete('BACKFILL_ENABLD')
    await look()
    expect(log.lines).toHaveLength(3)
    store.rows.set('backfill_lookback_minutes', null)
    await look()
    expect(flags.answer().ignored).toEqual([])
    expect(log.lines).toHaveLength(3)
  })

  it('stays as it was read last while the store is away', async () => {
    const { flags, store, look, log } = await started()
    store.rows.set(EVENTS, 'false')
    await look()
    const readAt = flags.answer().read_at
    store.isAway = true
    await look()
    await look()
    expect(flags.isOn(EVENTS)).toBe(false)
    expect(flags.answer()).toMatchObject({
      read_at: readAt,
      error: expect.stringContaining('5432'),
    })
    store.isAway = false
    store.rows.set(EVENTS, 'true')
    await look()
    expect(flags.isOn(EVENTS)).toBe(true)
    expect(flags.answer().error).toBeNull()
    expect(log.lines.map(({ message }) => message)).toEqual([
      'Flag switched',
      'Flags cannot be read; what was read last holds',
      'Flags can be read again',
      'Flag switched',
    ])
  })

  it('holds as soon as a change is answered, also where a reading is under way', async () => {
    const { flags, store, clock } = await started()
    let release: () => void = () => undefined
    store.held = new Promise((resolve) => {
      release = resolve
    })
    clock.advance(FLAGS_READ_PERIOD_MS)
    const changed = flags.change(new Map([[EVENTS, false]]))
    await settled()
    release()
    await changed
    expect(flags.isOn(EVENTS)).toBe(false)
    await flags.change(new Map([[EVENTS, null]]))
    expect(store.rows.get(EVENTS)).toBeNull()
    expect(flags.isOn(EVENTS)).toBe(true)
  })

  it('is not changed where the store does not take it', async () => {
    const { flags, store } = await started()
    store.isAway = true
    await expect(flags.change(new Map([[EVENTS, false]]))).rejects.toThrow('5432')
    expect(flags.isOn(EVENTS)).toBe(true)
  })
})

it('the start does not wait for a store that does not answer', async () => {
  const store = new MemorySystemConfig()
  store.held = new Promise(() => undefined)
  const clock = new SteppedClock(0)
  const flags = new LiveFlags({ environment: environment(), store, clock, log: keptLog() })
  const starting = flags.start()
  clock.advance(FLAGS_FIRST_READ_MS)
  await starting
  expect(flags.isOn(EVENTS)).toBe(true)
  // One reading at a time, however long it takes.
  clock.advance(10 * FLAGS_READ_PERIOD_MS)
  expect(store.reads).toBe(1)
  flags.stop()
  expect(clock.timers).toBe(0)
})
