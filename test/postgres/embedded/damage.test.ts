import { existsSync } from 'node:fs'
import { cp, open as openFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { EMBEDDED_SET_ASIDE_KEPT } from '../../../src/limits.ts'
import type { EmbeddedStore } from '../../../src/postgres/embedded/open-embedded.ts'
import { isLong } from '../../faults/extent.ts'
import { type Compiled, compiledEmbedded } from './compiled.ts'

const compiled = await compiledEmbedded()

async function withClient<T>(store: EmbeddedStore, use: (client: pg.Client) => Promise<T>) {
  const client = new pg.Client({ stream: () => store.connectStream() })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** Turns `bytes` bytes of a file round. */
async function flip(path: string, at: number, bytes = 16): Promise<void> {
  const file = await openFile(path, 'r+')
  try {
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, at)
    await file.write(
      buffer.map((byte) => byte ^ 0xff),
      0,
      bytes,
      at,
    )
  } finally {
    await file.close()
  }
}

/** A table that is cut behind whole pages looks shorter, but not to its index. */
const READ_BY_INDEX =
  'SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT t FROM kept ORDER BY n'

async function firstOf(folder: string): Promise<string> {
  const [name] = (await readdir(folder)).filter((entry) => /^[0-9A-F]{24}$/.test(entry)).sort()
  return join(folder, name ?? '')
}

describe.skipIf(compiled === undefined)('a damaged store', () => {
  const { open, newFolder } = (compiled ?? {}) as Compiled

  /** Made once, copied for each fault; with the path of a table's file in it. */
  let original: { readonly dataDir: string; readonly table: string }
  beforeAll(async () => {
    const dataDir = await newFolder()
    const { store } = await open({ dataDir })
    const table = await withClient(store, async (client) => {
      await client.query('CREATE TABLE kept (n int PRIMARY KEY, t text)')
      await client.query("INSERT INTO kept SELECT n, 'x' FROM generate_series(1, 5000) n")
      await client.query('CREATE TABLE other (n int)')
      const { rows } = await client.query("SELECT pg_relation_filepath('kept') AS path")
      return rows[0].path as string
    })
    await store.close()
    original = { dataDir, table }
  })

  async function copy(): Promise<{ dataDir: string; cluster: string; table: string }> {
    const { dataDir: from, table } = original
    const dataDir = await newFolder()
    await cp(from, dataDir, { recursive: true })
    const cluster = join(dataDir, 'cluster')
    return { dataDir, cluster, table: join(cluster, table) }
  }

  const unreadable: [string, (cluster: string) => Promise<void>][] = [
    ['a control file that is cut', (c) => truncate(join(c, 'global/pg_control'), 100)],
    ['a control file with turned bytes', (c) => flip(join(c, 'global/pg_control'), 40)],
    ['no control file', (c) => rm(join(c, 'global/pg_control'))],
    ['no version', (c) => rm(join(c, 'PG_VERSION'))],
    ['another version', (c) => writeFile(join(c, 'PG_VERSION'), '17\n')],
    ['no shared catalog', (c) => rm(join(c, 'global'), { recursive: true })],
    ['no database', (c) => rm(join(c, 'base'), { recursive: true })],
    ['no map of the catalog', (c) => rm(join(c, 'global/pg_filenode.map'))],
    ['no log', (c) => rm(join(c, 'pg_wal'), { recursive: true })],
    ['a log that is cut', async (c) => truncate(await firstOf(join(c, 'pg_wal')), 0)],
    ['no list of transactions', (c) => rm(join(c, 'pg_xact'), { recursive: true })],
  ]
  // Each takes seconds: a few kinds in the suite, all of them with FAULTS=long.
  const tried = unreadable.filter((_, i) => isLong || i % 3 === 1)
  it.each(tried)(
    'with %s is set aside, kept, and begun anew',
    { timeout: 240_000 },
    async (_, damage) => {
      const { dataDir, cluster } = await copy()
      await damage(cluster)
      const { store, lines } = await open({ dataDir })
      expect(store.created).toBe(true)
      expect(store.setAside?.reason).toMatch(/^the store /)
      expect(existsSync(store.setAside?.path ?? '')).toBe(true)
      expect(lines).toMatchObject([
        { level: 'error', message: 'Embedded store set aside, a new one is begun' },
      ])
      await withClient(store, (client) => client.query('CREATE TABLE anew AS SELECT 1'))
      await store.close()
      const { store: next } = await open({ dataDir })
      expect(next).toMatchObject({ created: false, setAside: undefined })
      await next.close()
    },
  )

  it.each<[string, (cluster: string) => Promise<void>]>([
    ['a lock file that was left', (c) => writeFile(join(c, 'postmaster.pid'), '42\n/data\n')],
    ['a cache that is cut', (c) => truncate(join(c, 'base/5/pg_internal.init'), 10)],
    ['a half-made copy beside it', (c) => cp(c, `${c}.partial`, { recursive: true })],
  ])('is not what one with %s is: it opens', { timeout: 240_000 }, async (_, change) => {
    const { dataDir, cluster } = await copy()
    await change(cluster).catch(() => undefined)
    const { store } = await open({ dataDir })
    expect(store).toMatchObject({ created: false, setAside: undefined })
    await withClient(store, async (client) => {
      const { rows } = await client.query('SELECT count(*)::int AS n FROM kept')
      expect(rows).toEqual([{ n: 5000 }])
    })
    await store.close()
  })

  it.each<[string, (table: string) => Promise<void>]>([
    ['turned bytes in a table', (table) => flip(table, 8192 + 4000)],
    ['a table that is cut', (table) => truncate(table, 8192 + 100)],
    ['no file of a table', (table) => rm(table)],
  ])(
    'with %s says so when that is read, and is begun anew',
    { timeout: 240_000 },
    async (_, damage) => {
      const { dataDir, table } = await copy()
      await damage(table)
      const { store, lines } = await open({ dataDir })
      expect(store.setAside).toBeUndefined()
      const reading = withClient(store, (client) => client.query(READ_BY_INDEX))
      await expect(reading).rejects.toThrow()
      await expect(store.lost).resolves.toMatchObject({ code: 'store_lost', retryable: true })
      expect(lines.map(({ message }) => message)).toContain('Embedded store is damaged')
      await store.close()

      const { store: next } = await open({ dataDir })
      expect(next.created).toBe(true)
      expect(next.setAside?.reason).toMatch(/^the store is damaged: /)
      await next.close()
    },
  )

  it('whose log is damaged behind later changes of its tables is not read on', {
    timeout: 240_000,
  }, async () => {
    const { dataDir, cluster } = await copy()
    const { store } = await open({ dataDir })
    const used = join(await newFolder(), 'used')
    await withClient(store, async (client) => {
      for (let n = 0; n < 50; n++) await client.query('INSERT INTO other VALUES ($1)', [n])
      // As `kill -9` leaves it: the log is ahead of the tables.
      await cp(dataDir, used, { recursive: true, filter: (path) => !path.includes('.lock') })
    })
    await store.close()
    expect(cluster).toBeTruthy()
    const log = await firstOf(join(used, 'cluster/pg_wal'))
    const text = await readFile(log)
    let end = text.length
    while (end > 0 && text[end - 1] === 0) end--
    await flip(log, end - 1500)
    const { store: next } = await open({ dataDir: used })
    expect(next.created).toBe(true)
    expect(next.setAside?.reason).toMatch(/does not open: .* at /)
    await next.close()
  })

  it('whose engine dies and does not open again is lost, not tried for ever', {
    timeout: 240_000,
  }, async () => {
    const { dataDir, cluster } = await copy()
    const { store } = await open({ dataDir })
    await truncate(join(cluster, 'global/pg_control'), 100)
    const deadly = `DO $$BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''true'''; END$$`
    await expect(withClient(store, (client) => client.query(deadly))).rejects.toThrow()
    await expect(store.lost).resolves.toMatchObject({
      message: expect.stringMatching(/pg_control/),
    })
    await store.close()
    const { store: next } = await open({ dataDir })
    expect(next.created).toBe(true)
    await next.close()
  })

  it('is kept beside one earlier one, not beside every one', { timeout: 240_000 }, async () => {
    const { dataDir, cluster } = await copy()
    const paths: string[] = []
    for (let time = 0; time <= EMBEDDED_SET_ASIDE_KEPT; time++) {
      await truncate(join(cluster, 'global/pg_control'), 100)
      const { store } = await open({ dataDir })
      paths.push(store.setAside?.path ?? '')
      await store.close()
    }
    await vi.waitFor(() =>
      expect(paths.map((path) => existsSync(path))).toEqual([false, true, true]),
    )
  })
})
