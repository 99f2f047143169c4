import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { EmbeddedStore } from '../../../src/postgres/embedded/open-embedded.ts'
import { type Compiled, compiledEmbedded, type LogLine } from './compiled.ts'

const compiled = await compiledEmbedded()

async function connect(store: EmbeddedStore): Promise<pg.Client> {
  const client = new pg.Client({ stream: () => store.connectStream() })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function connectTcp(store: EmbeddedStore): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port: store.tcpPort ?? 0, user: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const only = async (client: pg.Client, sql: string) => {
  const { rows } = await client.query({ text: sql, rowMode: 'array' })
  return rows[0]?.[0]
}

describe.skipIf(compiled === undefined)('the embedded store', () => {
  const { open, newFolder, path, seed } = (compiled ?? {}) as Compiled
  let store: EmbeddedStore
  let lines: LogLine[]

  beforeAll(async () => {
    const opened = await open({ tcpPort: 0 })
    store = opened.store
    lines = opened.lines
  })

  it('serves many clients at once, each only its own answers', async () => {
    const clients = await Promise.all([
      ...Array.from({ length: 5 }, () => connect(store)),
      ...Array.from({ length: 3 }, () => connectTcp(store)),
    ])
    const setUp = clients[0] as pg.Client
    await setUp.query('CREATE TABLE note (client int, n int, PRIMARY KEY (client, n))')
    await Promise.all(
      clients.map(async (client, own) => {
        // The same statement name everywhere, with another text for each client.
        const echo = { name: 'echo', text: `SELECT $1::int AS n, ${own} AS own` }
        for (let n = 0; n < 25; n++) {
          const { rows } = await client.query({ ...echo, values: [n] })
          expect(rows).toEqual([{ n, own }])
          await client.query('BEGIN')
          await client.query({
            name: 'add',
            text: 'INSERT INTO note VALUES ($1, $2)',
            values: [own, n],
          })
          const mine = await client.query('SELECT count(*)::int AS n FROM note WHERE client = $1', [
            own,
          ])
          expect(mine.rows).toEqual([{ n: n - Math.floor(n / 5) + 1 }])
          await client.query(n % 5 === 4 ? 'ROLLBACK' : 'COMMIT')
          await expect(client.query(`SELECT ${own}/0`)).rejects.toMatchObject({ code: '22012' })
        }
      }),
    )
    expect(await only(setUp, 'SELECT count(*)::int FROM note')).toBe(8 * 20)
    await Promise.all(clients.map((client) => client.end()))
  })

  it('carries large parameters and large answers', async () => {
    const client = await connect(store)
    const long = '₹'.repeat(1_500_000)
    const { rows } = await client.query('SELECT $1::text AS long FROM generate_series(1, 3)', [
      long,
    ])
    expect(rows.map((row) => row.long === long)).toEqual([true, true, true])
    await client.end()
  })

  it('hands out rows portion by portion', async () => {
    const [client, other] = [await connect(store), await connect(store)]
    const text = 'SELECT n FROM generate_series(1, 25) n'
    const portions = { text, rows: 10 } as pg.QueryConfig
    const [all, one] = await Promise.all([client.query(portions), other.query('SELECT 1 AS one')])
    expect(all.rows.map(({ n }) => n)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1))
    expect(one.rows).toEqual([{ one: 1 }])
    await Promise.all([client.end(), other.end()])
  })

  it('refuses COPY … FROM STDIN with a reason, and goes on', async () => {
    for (const client of [await connect(store), await connectTcp(store)]) {
      await client.query('CREATE TABLE IF NOT EXISTS t (a int)')
      await expect(client.query('COPY t FROM STDIN')).rejects.toMatchObject({
        code: '0A000',
        message: expect.stringContaining('use INSERT'),
      })
      await client.query('BEGIN')
      await expect(client.query('COPY t FROM STDIN')).rejects.toMatchObject({ code: '0A000' })
      await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' })
      await client.query('ROLLBACK')
      expect(await only(client, 'SELECT count(*)::int FROM t')).toBe(0)
      await client.end()
    }
    expect(lines).toEqual([])
  })

  it('ends a TCP client whose transaction is idle for a second, and lets the others on', async () => {
    const [outside, ours] = [await connectTcp(store), await connect(store)]
    await outside.query('BEGIN')
    await outside.query('CREATE TABLE half_done (a int)')
    const ended = new Promise<void>((resolve) => outside.on('end', () => resolve()))
    const startedAt = performance.now()
    expect(await only(ours, "SELECT to_regclass('half_done')::text")).toBeNull()
    expect(performance.now() - startedAt).toBeGreaterThan(700)
    await ended
    await ours.end()
  })

  it('shows times in India’s zone to everybody, whatever a TCP client sets', async () => {
    const [outside, ours] = [await connectTcp(store), await connect(store)]
    await outside.query("SET timezone = 'UTC'; SET search_path = pg_catalog")
    expect(await only(ours, 'SHOW timezone')).toBe('Asia/Kolkata')
    expect(await only(ours, 'SHOW search_path')).toBe('public')
    await Promise.all([outside.end(), ours.end()])
  })

  it('keeps its data over an orderly close', async () => {
    const dataDir = await newFolder()
    const first = await open({ dataDir })
    expect(first.store).toMatchObject({ unclean: 'no', created: true, setAside: undefined })
    const client = await connect(first.store)
    await client.query('CREATE TABLE kept AS SELECT 42 AS answer')
    await client.end()
    await first.store.close()
    await first.store.close()

    const second = await open({ dataDir })
    expect(second.store).toMatchObject({ unclean: 'no', created: false, setAside: undefined })
    const again = await connect(second.store)
    expect(await only(again, 'SELECT answer FROM kept')).toBe(42)
    await again.end()
  })

  it('keeps what was committed when its process is killed', async () => {
    const dataDir = await newFolder()
    const script = fileURLToPath(new URL('./crash-victim.mjs', import.meta.url))
    const module = path('postgres/embedded/open-embedded.js')
    const child = spawn(process.execPath, [script, module, dataDir, seed], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += String(chunk)
    })
    await vi.waitFor(() => expect(said.split('\n').length).toBeGreaterThan(200), {
      timeout: 15_000,
    })
    child.kill('SIGKILL')
    await once(child, 'close')
    const acknowledged = said.split('\n').filter(Boolean).length

    const { store } = await open({ dataDir })
    expect(store).toMatchObject({ unclean: 'process', created: false, setAside: undefined })
    const client = await connect(store)
    const rows = (await client.query('SELECT n FROM written ORDER BY n')).rows.map(({ n }) => n)
    expect(rows).toEqual(Array.from({ length: rows.length }, (_, i) => i + 1))
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged)
    expect(rows.length).toBeLessThanOrEqual(acknowledged + 1)
    await client.end()
  })

  it('sets a store aside that the machine’s crash left open, and begins a new one', async () => {
    const dataDir = await newFolder()
    const { store: before } = await open({ dataDir })
    await before.close()
    const state = join(dataDir, 'state.json')
    const { boot } = JSON.parse(await readFile(state, 'utf8'))
    await writeFile(state, JSON.stringify({ state: 'open', boot: `not ${boot}` }))

    const { store, lines } = await open({ dataDir })
    expect(store).toMatchObject({ unclean: 'machine', created: true })
    expect(store.setAside?.reason).toMatch(/machine went down/)
    expect(existsSync(join(store.setAside?.path ?? '', 'PG_VERSION'))).toBe(true)
    expect(lines).toMatchObject([{ level: 'error', message: expect.stringContaining('set aside') }])
  })

  it('sets a store aside that does not open, and begins a new one', async () => {
    const dataDir = await newFolder()
    const { store: before } = await open({ dataDir })
    await before.close()
    await truncate(join(dataDir, 'cluster/global/pg_control'), 100)

    const { store } = await open({ dataDir })
    expect(store).toMatchObject({ unclean: 'no', created: true })
    expect(store.setAside?.reason).toMatch(/does not open: could not read file.*pg_control/)
    const client = await connect(store)
    expect(await only(client, 'SELECT 1')).toBe(1)
    await client.end()
  })

  it('starts a dead engine again; clients see a lost connection', async () => {
    const { store, lines } = await open()
    const client = await connect(store)
    await client.query('CREATE TABLE kept AS SELECT 42 AS answer')
    const deadly = `DO $$BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''true'''; END$$`
    await expect(client.query(deadly)).rejects.toThrow(/connection/i)
    await vi.waitFor(
      async () => {
        const again = await connect(store)
        expect(await only(again, 'SELECT answer FROM kept')).toBe(42)
        await again.end()
      },
      { timeout: 60_000, interval: 50 },
    )
    expect(lines).toMatchObject([
      { level: 'error', fields: { err: { name: 'EngineDeadError' } } },
      { level: 'info', message: 'Embedded store engine started again' },
    ])
  })

  it('belongs to one holder at a time', async () => {
    await expect(open({ dataDir: store.dataDir })).rejects.toMatchObject({ code: 'folder_locked' })
  })

  it('does not open on a TCP port that is taken, and lets its folder go', async () => {
    const dataDir = await newFolder()
    const tcpPort = store.tcpPort ?? 0
    await expect(open({ dataDir, tcpPort })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const { store: next } = await open({ dataDir })
    expect(next).toMatchObject({ unclean: 'no', created: false })
  })

  it('makes its first cluster itself where there is no seed', async () => {
    const { store, lines } = await open({ seed: join(await newFolder(), 'none') })
    expect(store.created).toBe(true)
    expect(lines).toMatchObject([{ level: 'info', message: expect.stringContaining('Creating') }])
    const client = await connect(store)
    expect(await only(client, 'SHOW timezone')).toBe('Asia/Kolkata')
    await client.end()
  })
})
