import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Config, loadConfig, readSettingsFile } from '../../src/config.ts'
import { SETTINGS } from '../../src/config-settings.ts'
import { parseEnvFile } from '../../src/kit/env-file.ts'

function loadFile(path: string, env: Readonly<Record<string, string>> = {}) {
  return loadConfig(['--env-file', path], env, readSettingsFile)
}

function valuesOf(flags: Config['flags']): boolean[] {
  return Object.values(flags).map(({ value }) => value)
}

describe('the ready settings', () => {
  it('of development need nothing: simulated, embedded, everything on', () => {
    const { config, warnings } = loadFile('.env.dev')
    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      feed: 'simulated',
      store: { kind: 'embedded' },
      logLevel: 'debug',
    })
    expect(valuesOf(config.flags)).toEqual([true, true, true, true, true])
  })

  it('of staging take their password from the environment and have everything on', () => {
    const { config, warnings } = loadFile('.env.staging', { STAGING_DB_PASSWORD: 'pass' })
    expect(warnings).toEqual([])
    expect(config.store).toEqual({
      kind: 'postgres',
      url: 'postgresql://fostream:pass@127.0.0.1:5432/fostream_staging',
    })
    expect(valuesOf(config.flags).slice(0, 4)).toEqual([true, true, true, true])
  })

  it('of production are quiet and leave the event features off', () => {
    const { config, warnings } = loadFile('.env.production', { PROD_DB_PASSWORD: 'pass' })
    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      logLevel: 'warn',
      store: { url: 'postgresql://fostream:pass@127.0.0.1:5432/fostream' },
      flags: {
        subscription_events_enabled: { value: false },
        backfill_enabled: { value: true },
        backfill_immediate_on_subscribe: { value: false },
        backfill_subscription_aware: { value: false },
        smart_subscription_enabled: { value: true },
      },
    })
  })

  it('of production do not start without their password', () => {
    expect(() => loadFile('.env.production')).toThrow('PROD_DB_PASSWORD')
  })
})

describe('the example of all settings', () => {
  const uncommented = readFileSync('.env.example', 'utf8').replaceAll(/^# (?=[A-Z_]+=)/gm, '')
  const { values, unreadableLines } = parseEnvFile(uncommented)

  it('names every setting once and no other', () => {
    expect(unreadableLines).toEqual([])
    expect([...values.keys()].sort()).toEqual(Object.keys(SETTINGS).sort())
  })

  it('shows values that are accepted, and the value that holds when nothing is set', () => {
    for (const [name, { kind, fallback }] of Object.entries(SETTINGS)) {
      const shown = kind.parse(values.get(name)?.text ?? '')
      expect(shown, name).toBeDefined()
      if (fallback !== undefined) expect(shown, name).toEqual(fallback)
    }
  })
})
