import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLong } from '../faults/extent.ts'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'

const serverUrl = await postgresUrl()

const EMBEDDED = { name: 'the embedded store', database: undefined }
const SERVER = { name: 'PostgreSQL', database: serverUrl }
/** Every start and every look costs the embedded engine seconds of its own, so one store unless there is time. */
const STORES = serverUrl === undefined ? [EMBEDDED] : isLong ? [EMBEDDED, SERVER] : [SERVER]

/** What `--json` says, as far as it is asked here. */
interface Said {
  readonly ok: boolean
  readonly books: readonly { readonly received: number; readonly folded: number }[]
  readonly coverage: readonly { readonly rows: number; readonly complete: number }[]
  readonly differences: readonly object[]
  readonly missing: readonly { readonly records: number | null }[]
  readonly rowsCompared: number
  readonly broker: { readonly bars: number; readonly unexplained: readonly object[] } | null
}

describe.each(STORES)('verify with $name', ({ database }) => {
  let running: Platform
  beforeAll(async () => {
    running = await platform({
      ...FEED_ALONE,
      EXCHANGE_SPEED: '20',
      ...(database === undefined ? {} : { DATABASE_URL: database }),
    })
    await running.start()
    await until(async () => (await rows('complete')) > 60, 90_000)
  }, 240_000)
  afterAll(() => running.dispose())

  async function sql<Row extends object>(statement: string): Promise<Row[]> {
    const url = database ?? `postgres://postgres@127.0.0.1:${running.ports.database}/postgres`
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query<Row>(statement)).rows
    } finally {
      await client.end()
    }
  }

  async function rows(condition: string): Promise<number> {
    const counted = await sql<{ n: number }>(
      `SELECT count(*)::int AS n FROM fo_option_strike_bars WHERE ${condition}`,
    )
    return counted[0]?.n ?? 0
  }

  /** A bar of the first minute, which nothing writes any more. */
  const FIRST_BAR = `(SELECT tradingsymbol, bucket_time FROM fo_option_strike_bars
    WHERE complete ORDER BY bucket_time, tradingsymbol LIMIT 1)`
  const changed = (column: string, by: string) =>
    sql<{ name: string }>(`UPDATE fo_option_strike_bars SET ${column} = ${column} ${by}
      WHERE (tradingsymbol, bucket_time) = ${FIRST_BAR} RETURNING tradingsymbol AS name`)

  it('finds nothing while the platform runs, and says what it compared', {
    timeout: 240_000,
  }, async () => {
    const { code, stdout, stderr } = await running.command('verify', '--json')
    expect(stderr).toBe('')
    const said = JSON.parse(stdout) as Said
    expect(said).toMatchObject({ ok: true, differences: [], missing: [] })
    expect(code).toBe(0)
    expect(said.books[0]?.received).toBeGreaterThan(1_000)
    expect(said.rowsCompared).toBeGreaterThan(100)
    expect(Math.max(...said.coverage.map(({ complete }) => complete))).toBeGreaterThan(0)
  })

  it('names what was changed by hand: of a row table, instrument, minute, column and both values, of the books that they are out of balance', {
    timeout: 240_000,
  }, async () => {
    const first = 'WHERE minute = (SELECT min(minute) FROM delivery_ledger WHERE folded > 100)'
    const [row] = await changed('high', '+ 0.05')
    await sql(`UPDATE delivery_ledger SET folded = folded - 7 ${first}`)
    const { code, stdout } = await running.command('verify')
    await changed('high', '- 0.05')
    await sql(`UPDATE delivery_ledger SET folded = folded + 7 ${first}`)
    expect(code).toBe(1)
    expect(stdout.split('\n')[0]).toContain('NOT AS IT MUST BE: ')
    const bar = `fo_option_strike_bars ${row?.name} `
    const line = stdout.split('\n').find((text) => text.includes(bar))
    expect(line).toMatch(
      / \d{4}-\d\d-\d\dT\d\d:\d\d:00\+05:30: high is [\d.]+ in the store, [\d.]+ in/,
    )
    expect(stdout).toContain('fo_option_strike_bars.high: 1')
    expect(stdout).toMatch(/t1, partition 0, epoch \d+, \S+: journaled (\d+) is not \d+ folded/)
    expect(stdout).toMatch(/delivery_ledger .*: folded is \d+ in the store, \d+ in the reference/)
  })

  it("finds nothing unexplained between complete bars and the broker's candles", {
    timeout: 240_000,
  }, async () => {
    const { code, stdout } = await running.command('verify', '--against-broker', '--json')
    const { broker, differences } = JSON.parse(stdout) as Said
    expect(broker?.bars).toBeGreaterThan(60)
    expect(broker?.unexplained).toEqual([])
    expect(differences).toEqual([])
    expect(code).toBe(0)
  })

  it('finds nothing after a stop either, and a journal segment that was deleted by hand', {
    timeout: 240_000,
  }, async () => {
    expect(await running.stop()).toBe(0)
    for (let epoch = 2; epoch <= 3; epoch++) {
      await running.start()
      expect(await running.stop()).toBe(0)
    }
    const restarted = JSON.parse((await running.command('verify', '--json')).stdout)
    expect(restarted).toMatchObject({ ok: true, bookFaults: [], differences: [], missing: [] })
    const folder = join(running.dataDir, 'simulated', 'journal', 't1', 'p0')
    const segments = (await readdir(folder)).filter((name) => name.endsWith('.seg')).sort()
    const epochs = [...new Set(segments.map((name) => name.split('-')[0]))]
    for (const name of segments) {
      if (name.startsWith(epochs[1] ?? '')) await rm(join(folder, name))
    }
    const { code, stdout } = await running.command('verify')
    expect(code).toBe(1)
    expect(stdout).toMatch(/t1, partition 0: .*records lost between \d+-\d+ and \d+-1\b/)
  })
})

describe('verify', () => {
  let idle: Platform
  beforeAll(async () => {
    idle = await platform()
  })
  afterAll(() => idle.dispose())

  it('says that it could not look where nothing is stored', async () => {
    const { code, stderr } = await idle.command('verify')
    expect(code).toBe(3)
    expect(stderr).toMatch(/^Could not verify: there is no store in /)
  })

  it('finds nothing where the platform was stopped right after its very first start', {
    timeout: 240_000,
  }, async () => {
    const first = await platform()
    try {
      await first.start()
      expect(await first.stop()).toBe(0)
      const { code, stderr } = await first.command('verify')
      expect(code, stderr).toBe(0)
    } finally {
      await first.dispose()
    }
  })

  it('refuses a date that is none, and options of it elsewhere', async () => {
    const wrong = await idle.command('verify', '--date', '2026-02-30')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain('2026-02-30 is no date')
    const elsewhere = await idle.command('ticker', '--against-broker')
    expect(elsewhere).toMatchObject({ code: 2, stdout: '' })
    expect(elsewhere.stderr).toContain('--against-broker is an option of verify, not of ticker')
    const misspelt = await idle.command('verify', '--broker')
    expect(misspelt).toMatchObject({ code: 2, stdout: '' })
    const alone = await idle.command('verify', '--after', 'NIFTY 50')
    expect(alone).toMatchObject({ code: 2, stdout: '' })
  })
})
