import { describe, expect, it } from 'vitest'
import { sayFlag } from '../../src/compose/run-subscribe.ts'
import type { FlagState } from '../../src/contract/api/flags.ts'

const OFF: FlagState = {
  name: 'smart_subscription_enabled',
  value: false,
  origin: 'default',
  environment: false,
  stored: null,
  stored_at: null,
}
const SINCE = '2026-11-20T10:00:00.000+05:30'

describe('whether the market is followed', () => {
  it.each<[string, Partial<FlagState>, RegExp]>([
    ['off by default', {}, /^Nothing is changed .*_enabled is off, by default .*SMART_SUBSCR/],
    ['on by the environment', { value: true, origin: 'environment' }, /is on, from the environ/],
    [
      'off by system_config',
      { origin: 'system_config', stored: 'no', stored_at: SINCE },
      /is off, from system_config since 2026-11-20T10:00/,
    ],
    [
      'ruled by the environment, as system_config cannot be read',
      { origin: 'invalid', stored: 'perhaps' },
      /is off, from the environment, as "perhaps" in system_config is neither true nor false/,
    ],
  ])('is said in one line: %s', (_what, changed, line) => {
    const said = sayFlag([
      { ...OFF, name: 'backfill_enabled' },
      { ...OFF, ...changed },
    ])
    expect(said).toEqual([expect.stringMatching(line)])
  })
})
