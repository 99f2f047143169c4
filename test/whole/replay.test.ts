/**
 * The platform's own journal, played again as an exchange into a second platform: the rows of every
 * minute that was played whole are those of the first, also after its sockets were cut on the way.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'
import { openBuiltStore } from './built-store.ts'
import { isLive } from './live-chain.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const SPEED = 30
const MINUTE_MS = 60_000
/** Whole minutes that are played, and the one in which the second platform's sockets are cut. */
const MINUTES = 5
const CUT_MINUTE = 2
const CUT_MS = 10_000
/** The replay's clock runs while the second platform starts: it has so many times what the first took. */
const START_TIMES = 3

/** What tells arrival apart, not the market; and what is known only from the days before. */
const OF_ITS_OWN = ['open_key', 'close_key', 'quote_key', 'updated_at']
const TABLES = {
  minute_bars: 'time',
  futures_bars: 'time',
  fo_option_strike_bars: 'bucket_time',
  fo_expiry_metrics: 'bucket_time',
  fo_strike_distribution: 'bucket_time',
} as const
type Table = keyof typeof TABLES
type Row = Readonly<Record<string, unknown>>

interface Stored {
  readonly rows: Readonly<Record<Table, readonly Row[]>>
  readonly gaps: readonly StoredGap[]
}

/** Epoch ms. */
interface StoredGap {
  readonly reason: string
  readonly status: string
  readonly from: number
  readonly to: number | null
  readonly instruments: number
}

interface ReplayStatus {
  readonly is_ended: boolean
  readonly market_time_ms: number
}

describe('a journal played again', () => {
  let first: Platform
  let second: Platform | undefined
  let replay: ChildProcess | undefined
  let proxy: TcpProxy | undefined
  /** What the replay has said. */
  let printed = ''
  /** Seconds that the second platform has to begin streaming. */
  let leadSeconds = 0

  beforeAll(async () => {
    first = await platform({ ...FEED_ALONE, EXCHANGE_SPEED: String(SPEED) })
  })
  afterAll(async () => {
    replay?.kill('SIGKILL')
    await proxy?.stop()
    await second?.dispose()
    await first?.dispose()
  })

  it('gives a second instance the same rows but in the gap of a cut', {
    timeout: 240_000,
  }, async () => {
    const { fromMs, toMs } = await record(first)
    const replayUrl = await play(fromMs, toMs)
    proxy = await TcpProxy.start(replayUrl)
    second = await platform({ ...FEED_ALONE, EXCHANGE_PORT: String(proxy.port) })
    await second.start()
    expect(second.output()).toContain('replay')
    await subscribe(replayUrl, second)
    const status = () => askJson<ReplayStatus>(`${replayUrl}/control/status`)
    const dueMs = fromMs + CUT_MINUTE * MINUTE_MS + CUT_MS
    await until(async () => (await status()).market_time_ms > dueMs, 90_000)
    const cutMs = (await status()).market_time_ms
    proxy.cut()
    await until(async () => (await status()).is_ended, 90_000)
    // The last minute closes some seconds after its end, by the second instance's own market time.
    const closedMs = toMs + 2 * MINUTE_MS
    await until(async () => (await status()).market_time_ms > closedMs, 90_000)
    expect(await second.stop()).toBe(0)

    const [recorded, replayed] = [
      await stored(first, fromMs, toMs),
      await stored(second, fromMs, toMs),
    ]
    const cut = replayed.gaps.filter(({ to }) => to !== null)
    expect(cut.reduce((sum, { instruments }) => sum + instruments, 0)).toBeGreaterThan(40)
    for (const { reason, from, to } of cut) {
      expect(reason).toBe('disconnect')
      expect(from).toBeLessThanOrEqual(cutMs)
      expect(to).toBeGreaterThanOrEqual(cutMs)
    }
    const isTouched = (minuteMs: number) =>
      cut.some(({ from, to }) => from < minuteMs + MINUTE_MS && (to ?? 0) > minuteMs)
    const minutes = Array.from({ length: MINUTES }, (_, i) => fromMs + i * MINUTE_MS)
    const untouched = minutes.filter((minuteMs) => !isTouched(minuteMs))
    // Some before the cut and some after it.
    expect(untouched.slice(0, CUT_MINUTE)).toEqual(minutes.slice(0, CUT_MINUTE))
    expect(untouched.length).toBeGreaterThan(CUT_MINUTE)
    for (const table of Object.keys(TABLES) as Table[]) {
      expect(recorded.rows[table]?.length, table).toBeGreaterThanOrEqual(MINUTES)
      expect(within(table, replayed, untouched), table).toEqual(within(table, recorded, untouched))
    }
    const options = recorded.rows.fo_option_strike_bars
    expect(options.some((row) => row['iv'] !== null)).toBe(true)
    expect(options.every((row) => row['complete'] === true)).toBe(true)
    const cutMinute = fromMs + CUT_MINUTE * MINUTE_MS
    const disturbed = within('fo_option_strike_bars', replayed, [cutMinute])
    expect(disturbed.length).toBeGreaterThan(0)
    expect(disturbed.every((row) => row['complete'] === false)).toBe(true)

    // What follows the end is not known: it touches no minute that was played.
    const ended = replayed.gaps.filter(({ to }) => to === null)
    expect(ended.length).toBeGreaterThan(0)
    for (const { reason, status, from } of ended) {
      expect([reason, status]).toEqual(['disconnect', 'open'])
      expect(from).toBeGreaterThanOrEqual(toMs)
    }
    expect(printed).toContain('Replay ended')
    expect(printed).toContain('disconnect')
  })

  /** Runs the platform until there are whole minutes behind it, and one more for what follows them. */
  async function record(running: Platform): Promise<{ fromMs: number; toMs: number }> {
    const beganMs = performance.now()
    await running.start()
    await until(() => isLive(running), 90_000)
    leadSeconds = Math.ceil((START_TIMES * (performance.now() - beganMs)) / 1000)
    const marketMs = async () =>
      (await askJson<ReplayStatus>(`${running.exchangeUrl}/control/clock`)).market_time_ms
    const fromMs = Math.ceil((await marketMs()) / MINUTE_MS + 1) * MINUTE_MS
    const toMs = fromMs + MINUTES * MINUTE_MS
    await until(async () => (await marketMs()) > toMs + 1.5 * MINUTE_MS, 90_000)
    expect(await running.stop()).toBe(0)
    return { fromMs, toMs }
  }

  function play(fromMs: number, toMs: number): Promise<string> {
    const seconds = (ms: number) => String(ms / 1000)
    const args = ['replay', '--from', seconds(fromMs), '--to', seconds(toMs), '--port', '0']
    const child = spawn(
      process.execPath,
      [PROGRAM, ...args, '--speed', String(SPEED), '--lead', String(leadSeconds)],
      {
        cwd: first.dataDir,
        env: { PATH: process.env['PATH'], FOSTREAM_DATA_DIR: first.dataDir },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    replay = child
    return new Promise((resolve, reject) => {
      const take = (chunk: Buffer) => {
        printed += String(chunk)
        const url = /at (http:\S+)/.exec(printed)?.[1]
        if (url !== undefined) resolve(url)
      }
      child.stdout.on('data', take)
      child.stderr.on('data', take)
      child.once('exit', (code) => reject(new Error(`ended with code ${code}:\n${printed}`)))
    })
  }

  /** What was streaming when the window came near, in the mode in which it was. */
  async function subscribe(replayUrl: string, { tickerUrl }: Platform): Promise<void> {
    const url = `${replayUrl}/control/subscriptions`
    const wanted = await askJson<{ instruments: readonly unknown[] }>(url)
    expect(wanted.instruments.length).toBeGreaterThan(40)
    const answer = await fetch(`${tickerUrl}/subscriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wanted),
    })
    expect(answer.ok).toBe(true)
  }
})

async function askJson<T>(url: string): Promise<T> {
  const answer = await fetch(url)
  return (await answer.json()) as T
}

/** Every row of the minutes in [fromMs, toMs), by table, as JSON; and every gap. */
async function stored({ dataDir }: Platform, fromMs: number, toMs: number): Promise<Stored> {
  const store = await openBuiltStore(`${dataDir}/simulated/store`)
  try {
    const tables: Partial<Record<Table, readonly Row[]>> = {}
    for (const [table, time] of Object.entries(TABLES) as [Table, string][]) {
      const { rows } = await store.client.query<{ row: Record<string, unknown> }>(
        `SELECT to_jsonb(t) - $1::text[] AS row FROM ${table} t
         WHERE ${time} >= to_timestamp($2) AND ${time} < to_timestamp($3)
         ORDER BY (to_jsonb(t) - $1::text[])::text`,
        [OF_ITS_OWN, fromMs / 1000, toMs / 1000],
      )
      tables[table] = rows.map(({ row }) => row)
    }
    const { rows: gaps } = await store.client.query<StoredGap>(
      `SELECT reason, status, jsonb_array_length(instruments) AS instruments,
         (extract(epoch FROM "from") * 1000)::float8 AS "from",
         (extract(epoch FROM "to") * 1000)::float8 AS "to"
       FROM feed_gaps ORDER BY "from"`,
    )
    return { rows: tables as Stored['rows'], gaps }
  } finally {
    await store.close()
  }
}

function within(table: Table, { rows }: Stored, minutes: readonly number[]): Row[] {
  return rows[table].filter((row) => minutes.includes(Date.parse(String(row[TABLES[table]]))))
}
