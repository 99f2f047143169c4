import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { isLive } from './live-chain.ts'
import { type Platform, platform } from './platform.ts'

const serverUrl = await postgresUrl()

/** What `npm start` runs: Node.js keeps the words behind its `--` from being read as its own. */
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
const [, ...START] = String(scripts.start).split(' ')
const WORDS = [...START.slice(0, -1), resolve(START.at(-1) ?? '')]

/** Runs the program until it ends by itself. */
async function run(env: Record<string, string>, args: readonly string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'fostream-start-'))
  try {
    const child = spawn(process.execPath, [...WORDS, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], FOSTREAM_DATA_DIR: folder, ...env },
    })
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
    })
    child.stderr.on('data', (chunk) => {
      text += chunk
    })
    const code = await new Promise((done) => child.once('exit', done))
    return { code, text }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('a start that cannot be', () => {
  it('names every wrong setting at once and leaves no stack trace', async () => {
    const { code, text } = await run({
      TICKER_PORT: 'eighty',
      EXCHANGE_SPEED: '-3',
      LOG_LEVEL: 'x',
    })
    expect(code).toBe(1)
    for (const name of ['TICKER_PORT', 'EXCHANGE_SPEED', 'LOG_LEVEL']) expect(text).toContain(name)
    expect(text).not.toMatch(/\n\s+at /)
  })

  it('refuses an address that others reach, and says how to reach it instead', async () => {
    const { code, text } = await run({ BIND_HOST: '0.0.0.0' })
    expect(code).toBe(1)
    expect(text).toMatch(/BIND_HOST.*SSH tunnel/)
  })

  it('refuses an address that others reach also with a key, as it does not check keys yet', async () => {
    const { code, text } = await run({
      BIND_HOST: '0.0.0.0',
      API_KEYS: 'desk:read:0123456789abcdef0123',
    })
    expect(code).toBe(1)
    expect(text).toMatch(/BIND_HOST/)
    expect(text).not.toMatch(/\n\s+at /)
  })

  it('says which commands there are when it does not know one', async () => {
    const { code, text } = await run({}, ['fly'])
    expect(code).toBe(2)
    expect(text).toMatch(/Unknown command: fly[\s\S]*up/)
  })

  it.each([
    [['replay', '--from', 'x'], '--from x is no instant; give a date and time as '],
    [['replay', '--to', 'x'], '--to x is no instant; give a date and time as '],
    [['replay', '--speed', 'x'], '--speed x: give a number from 1 to '],
    [['replay', '--port', 'x'], '--port x: give a whole number from 0 to '],
    [['replay', '--lead', 'x'], '--lead x: give a number from 0 to '],
    [['verify', '--date', 'x'], '--date x is no date; give YYYY-MM-DD'],
    [['backfill', 'NIFTY', '--days', 'x'], '--days x: give a whole number from 1 to '],
    [['backfill', 'NIFTY', '--expiry', 'x'], '--expiry x is no date; give YYYY-MM-DD or nearest'],
    [['subscribe', '--env-file', 'x'], '--env-file x: there is no such file; name one that exists'],
    [['up', '--env-file', '/'], '--env-file /: there is no such file; name one that exists'],
  ])('refuses %j as a wrong word of the command line', async (words, message) => {
    const { code, text } = await run({}, words)
    expect({ code, isSaid: text.includes(message) }, text).toEqual({ code: 2, isSaid: true })
    expect(text).not.toMatch(/\n\s+at /)
  })
})

describe('a running platform', () => {
  let first: Platform
  const others: Platform[] = []

  beforeAll(async () => {
    first = await platform()
    await first.start()
  })
  afterEach(async () => {
    for (const other of others.splice(0)) await other.dispose()
  })
  afterAll(async () => {
    await first?.dispose()
  })

  it('prints the page, the seed, the store and the bus', () => {
    const text = first.output()
    expect(text).toContain(`${first.backendUrl}/`)
    expect(text).toMatch(/seed 1/)
    expect(text).toMatch(/Store +embedded/)
    expect(text).toMatch(/Bus +in process/)
  })

  it.each([
    ['EXCHANGE_PORT', 'exchange'],
    ['TICKER_PORT', 'ticker'],
    ['BACKEND_PORT', 'backend'],
    ['EMBEDDED_DB_PORT', 'embedded store'],
  ] as const)(
    'keeps its port: another start is told about %s in one clear message',
    async (name, role) => {
      // It reads and never answers, and sees when the other side gives up.
      const taken = createServer((socket) => socket.resume())
      await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening))
      const address = taken.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      // Where the store does not matter a server spares the making of an embedded one.
      const isServerUsed = serverUrl !== undefined && name !== 'EMBEDDED_DB_PORT'
      const store = isServerUsed ? { DATABASE_URL: serverUrl } : {}
      const other = await platform({ [name]: String(port), ...store })
      others.push(other)
      await expect(other.start()).rejects.toThrow(new RegExp(`ended with code 1:[^]*${name}`))
      expect(other.output()).not.toMatch(/\n\s+at /)
      expect(role).toBeTruthy()
      await new Promise((closed) => taken.close(closed))
    },
  )

  it('keeps its data folder: another start is told who has it', async () => {
    const other = await platform({ FOSTREAM_DATA_DIR: first.dataDir })
    others.push(other)
    await expect(other.start()).rejects.toThrow(/FOSTREAM_DATA_DIR/)
  })

  it('stops within five seconds on Ctrl-C and goes on with what it stored', async () => {
    await until(() => isLive(first), 90_000)
    const startedMs = performance.now()
    expect(await first.stop()).toBe(0)
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    expect(first.output()).toContain('Stopping …')
    await first.start()
    await until(() => isLive(first), 90_000)
    const answer = await fetch(`${first.backendUrl}/fo/expiry-metrics?symbol=NIFTY`)
    const { points } = (await answer.json()) as { points: unknown[] }
    expect(points.length).toBeGreaterThan(0)
  })

  it.each([
    ['symbol=XYZ', 404, 'symbol'],
    ['symbol=NIFTY&expiry=not-a-date', 400, 'expiry'],
    ['symbol=NIFTY&strikes=-1', 400, 'strikes'],
    ['symbol=NIFTY&at=banana', 400, 'at'],
  ])('answers %s with a clear error', async (query, status, field) => {
    const answer = await fetch(`${first.backendUrl}/fo/strike-distribution?${query}`)
    expect(answer.status).toBe(status)
    const body = (await answer.json()) as { error: { code: string; message: string } }
    expect(JSON.stringify(body.error)).toContain(field)
  })

  it('answers a body that is no JSON, and a token that nobody lists, with a clear error', async () => {
    const post = (body: string) =>
      fetch(`${first.tickerUrl}/subscriptions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
    const broken = await post('{"instrument_token":')
    expect(broken.status).toBe(400)
    expect(await broken.json()).toMatchObject({ error: { code: expect.any(String) } })
    const unknown = await post('{"instrument_token":4242}')
    expect(unknown.status).toBeGreaterThanOrEqual(400)
    expect(unknown.status).toBeLessThan(500)
    expect(JSON.stringify(await unknown.json())).toContain('4242')
  })
})
