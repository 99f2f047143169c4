import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLog, type LogOptions, parseLogLevel } from '../../src/kit/log.ts'

const QUARTER_PAST_TEN_UTC_MS = Date.UTC(2026, 10, 21, 10, 15, 2, 123)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fostream-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function openLog(options: Partial<LogOptions> = {}) {
  const shown: string[] = []
  const log = createLog({
    role: 'backend',
    folder,
    level: 'info',
    terminal: { write: (text) => shown.push(text) },
    nowMs: () => QUARTER_PAST_TEN_UTC_MS,
    ...options,
  })
  return { log, shown }
}

function file(name = 'backend.log'): string {
  return readFileSync(join(folder, name), 'utf8')
}

describe('a role log', () => {
  it('writes JSON lines with UTC time, the text before the fields', () => {
    const { log } = openLog()
    log.info(
      { token: 256265 },
      'Received subscription event: subscription_created for token 256265',
    )
    log.close()
    expect(file()).toBe(
      '{"time":"2026-11-21 10:15:02.123Z","level":"info","role":"backend",' +
        '"msg":"Received subscription event: subscription_created for token 256265","token":256265}\n',
    )
  })

  it('shows readable lines in Indian time on a terminal', () => {
    const { log, shown } = openLog()
    log.child({ account: 'main desk' }).warn({ waitMs: 250 }, 'Socket closed')
    log.close()
    expect(shown).toEqual([
      '2026-11-21 15:45:02.123 WARN  backend: Socket closed account="main desk" waitMs=250\n',
    ])
  })

  it('writes nothing below its level', () => {
    const { log, shown } = openLog({ level: 'warn' })
    log.info('not wanted')
    log.error({ err: new Error('no route') }, 'Backfill failed')
    log.close()
    expect(file().split('\n')).toHaveLength(2)
    expect(JSON.parse(file())).toMatchObject({ level: 'error', err: { message: 'no route' } })
    expect(shown.join('')).toContain('Error: no route')
  })

  it('keeps a field from taking the place of the time or the text', () => {
    const { log } = openLog()
    log.info({ time: 'noon', msg: 'other', level: 3 }, 'Bar closed')
    log.close()
    expect(JSON.parse(file())).toEqual({
      time: '2026-11-21 10:15:02.123Z',
      level: 'info',
      role: 'backend',
      msg: 'Bar closed',
      time_: 'noon',
      msg_: 'other',
      level_: 3,
    })
  })

  it('is rotated by size and keeps a capped number of files', () => {
    const { log } = openLog({ maxBytes: 300, filesKept: 2 })
    for (let number = 1; number <= 12; number += 1) log.info({ number }, 'Line')
    log.close()
    const names = readdirSync(folder).sort()
    expect(names).toEqual(['backend.log', 'backend.log.1', 'backend.log.2'])
    for (const name of names) expect(file(name).length).toBeLessThanOrEqual(300)
    const kept = [...names].reverse().flatMap((name) => file(name).trim().split('\n'))
    const numbers = kept.map((line) => JSON.parse(line).number as number)
    expect(numbers).toEqual(numbers.map((_, index) => 12 - numbers.length + 1 + index))
    expect(numbers.length).toBeGreaterThan(3)
  })

  it('goes on in the same file after a restart, on a line of its own', () => {
    writeFileSync(join(folder, 'backend.log'), '{"time":"2026-11-2')
    const { log } = openLog()
    log.info('Started')
    log.close()
    const lines = file().trim().split('\n')
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ msg: 'Started' })
  })

  it('does not start where its file cannot be made', () => {
    writeFileSync(join(folder, 'taken'), '')
    expect(() => openLog({ folder: join(folder, 'taken') })).toThrow()
  })
})

describe('the log hides', () => {
  const secret = 'S3cretValue'

  it.each([
    ['a field', { access_token: secret }],
    ['a field at any depth', { account: { name: 'a', keys: [{ api_secret: secret }] } }],
    ['a header', { headers: { Authorization: `token kitekey:${secret}` } }],
    ['a query parameter', { url: `wss://ws.kite.trade/?api_key=k&access_token=${secret}` }],
    ['the password of a URL', { url: `postgresql://fostream:${secret}@db.local:5432/nifty` }],
    ['the password of a URL without a user', { url: `redis://:${secret}@127.0.0.1:6379` }],
    ['JSON inside of a string', { body: JSON.stringify({ request_token: secret }) }],
    ['an error message', { err: new Error(`login failed: password=${secret}`) }],
  ])('a secret in %s', (_where, fields) => {
    const { log, shown } = openLog()
    log.info(fields, 'Connecting')
    log.close()
    expect(file()).toContain('[redacted]')
    expect(file() + shown.join('')).not.toContain(secret)
  })

  it('no token number of an instrument', () => {
    const { log } = openLog()
    log.info({ instrument_token: 256265, token: '256265' }, 'Subscribed')
    log.close()
    expect(JSON.parse(file())).toMatchObject({ instrument_token: 256265, token: '256265' })
  })
})

describe('a log level', () => {
  it.each([
    ['trace', 'trace'],
    ['INFO', 'info'],
    ['warn', 'warn'],
    ['Warning', 'warn'],
    ['critical', 'fatal'],
    ['fatal', 'fatal'],
    ['silent', 'silent'],
    ['verbose', undefined],
    ['', undefined],
  ])('%j means %s', (text, level) => {
    expect(parseLogLevel(text)).toBe(level)
  })
})
