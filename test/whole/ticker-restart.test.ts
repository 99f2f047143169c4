/**
 * The ticker of a split platform, killed with kill -9 and started again: its subscriptions, and what a
 * listener on Redis hears of them.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Subscription } from '../../src/contract/api/subscriptions.ts'
import { compareEventIds, type LifecycleEvent } from '../../src/contract/events.ts'
import { type Exchange, startExchange } from '../../src/exchange/serve.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { postgresUrl, redisUrl } from '../services.ts'
import { silentLog } from '../silent-log.ts'
import { until } from '../until.ts'

const database = await postgresUrl()
const redis = await redisUrl()

const folder = mkdtempSync(join(tmpdir(), 'fostream-restart-'))
const prefix = `test:${randomBytes(6).toString('hex')}`
const heard: LifecycleEvent[] = []
const WITHIN_MS = 90_000
const KILLS = 2

let exchange: Exchange
let listener: Redis
let port = 0
let ticker: ChildProcess | undefined

describe.skipIf(database === undefined || redis === undefined)('a ticker that is killed', () => {
  beforeAll(async () => {
    port = await freePort()
    exchange = await startExchange({
      host: '127.0.0.1',
      port: 0,
      seed: 7,
      speed: 1,
      ticksPerSecond: 500,
      stateDir: join(folder, 'exchange'),
      clock: systemClock,
      log: silentLog,
    })
    listener = new Redis(redis ?? '')
    listener.on('message', (_channel, text: string) => heard.push(JSON.parse(text)))
    await listener.subscribe(`${prefix}:events`)
  })

  afterAll(async () => {
    await kill()
    listener?.disconnect()
    await exchange?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  it('comes back with its subscriptions as they were, and its events go on where they were', async () => {
    await start()
    const symbols = await change()
    await until(async () => (await active()).length === symbols.length, WITHIN_MS)
    const before = await placement()
    expect(before.size).toBeGreaterThan(40)
    expect(new Set([...before.values()].map((row) => row.split(' ')[0]))).toContain('ltp')
    for (let i = 0; i < KILLS; i++) {
      await kill()
      await start()
      await until(async () => (await active()).length === before.size, WITHIN_MS)
      expect(await placement()).toEqual(before)
      await until(async () => isDeepStrictEqual(await stored(), before), WITHIN_MS)
      await until(() => restartGapsClosed() === i + 1, WITHIN_MS)
    }
    const ended = [...before.keys()].at(-1) ?? ''
    await request('DELETE', `/subscriptions/${tokenOf(await active(), ended)}?force=true`)
    await until(() => changesOf(ended).includes('subscription_removed'), WITHIN_MS)
    expectOneStory(before, ended)
  }, 240_000)
})

/** What a subscriber knows that drops repeated ids. */
function expectOneStory(before: ReadonlyMap<string, string>, ended: string): void {
  const told = distinct()
  const ids = told.map(({ event_id: id }) => id)
  expect(ids).toEqual(ids.toSorted(compareEventIds))
  const epochs = new Set(ids.map((id) => id.split('-')[0]))
  expect(epochs.size).toBe(KILLS + 1)
  for (const symbol of before.keys()) {
    const created = changesOf(symbol).filter((type) => type === 'subscription_created')
    expect([symbol, created.length]).toEqual([symbol, 1])
    const removals = changesOf(symbol).filter((type) => type === 'subscription_removed')
    expect([symbol, removals.length]).toEqual([symbol, symbol === ended ? 1 : 0])
  }
}

function restartGapsClosed(): number {
  const closed = distinct().filter(({ event_type: type }) => type === 'feed_gap_closed')
  return closed.filter(({ metadata }) => 'gap_id' in metadata && metadata.reason === 'restart')
    .length
}

/** By event id, the first time that each was heard. */
function distinct(): LifecycleEvent[] {
  const byId = new Map<string, LifecycleEvent>()
  for (const event of heard) if (!byId.has(event.event_id)) byId.set(event.event_id, event)
  return [...byId.values()]
}

function changesOf(symbol: string): string[] {
  return distinct().flatMap(({ event_type: type, metadata }) =>
    'tradingsymbol' in metadata && metadata.tradingsymbol === symbol ? [type] : [],
  )
}

/** Many in one mode, some in another, and one that is taken back. Who is subscribed then. */
async function change(): Promise<string[]> {
  const path = '/instruments?symbol=SENSEX&segment=BFO-OPT&limit=60'
  await until(async () => ((await request('GET', path)) as unknown[]).length === 60, WITHIN_MS)
  const listed = (await request('GET', path)) as { instrument_token: number }[]
  const instruments = listed.map(({ instrument_token }) => ({ instrument_token }))
  await request('POST', '/subscriptions', { instruments: instruments.slice(0, 50), mode: 'full' })
  await request('POST', '/subscriptions', { instruments: instruments.slice(50), mode: 'ltp' })
  await request('DELETE', `/subscriptions/${listed[0]?.instrument_token}?force=true`)
  const rows = (await request('GET', '/subscriptions')) as Subscription[]
  return rows.filter(({ status }) => status !== 'removed').map(({ tradingsymbol }) => tradingsymbol)
}

async function active(): Promise<Subscription[]> {
  return (await request('GET', '/subscriptions?status=active')) as Subscription[]
}

async function placement(): Promise<Map<string, string>> {
  return placementOf(await active())
}

async function stored(): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  try {
    const { rows } = await client.query(
      `SELECT tradingsymbol, mode, account, connection FROM instrument_subscriptions
       WHERE status = 'active'`,
    )
    return placementOf(rows as Subscription[])
  } finally {
    await client.end()
  }
}

function placementOf(rows: readonly Subscription[]): Map<string, string> {
  const entries = rows.map(({ tradingsymbol, mode, account, connection }) => {
    return [tradingsymbol, `${mode} on ${account} ${connection}`] as const
  })
  return new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function tokenOf(rows: readonly Subscription[], symbol: string): number | undefined {
  return rows.find(({ tradingsymbol }) => tradingsymbol === symbol)?.instrument_token
}

async function request(method: string, path: string, body?: unknown): Promise<unknown> {
  const init = { method, headers: { 'content-type': 'application/json' } }
  const sent = body === undefined ? { method } : { ...init, body: JSON.stringify(body) }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, sent)
  const text = await answer.text()
  if (!answer.ok) expect.fail(`${method} ${path}: ${answer.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

async function start(): Promise<void> {
  const child = spawn(process.execPath, [resolve('dist/main.js'), 'ticker'], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      FOSTREAM_DATA_DIR: folder,
      EXCHANGE_PORT: new URL(exchange.url).port,
      TICKER_PORT: String(port),
      DATABASE_URL: database,
      REDIS_URL: redis,
      REDIS_CHANNEL_PREFIX: prefix,
    },
  })
  ticker = child
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += String(chunk)
    })
  }
  await until(() => printed.includes('Ctrl-C') || child.exitCode !== null, WITHIN_MS)
  if (child.exitCode !== null) expect.fail(`ended with code ${child.exitCode}:\n${printed}`)
}

async function kill(): Promise<void> {
  const child = ticker
  ticker = undefined
  if (child === undefined || child.exitCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port: free } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return free
}
