import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import pg from 'pg'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  EMBEDDED_OUTSIDE_HOLD_MS,
  EMBEDDED_OUTSIDE_LINGER_MS,
  EMBEDDED_OUTSIDE_UNREAD_WAIT_MS,
  EMBEDDED_TCP_CLIENTS,
} from '../../../src/limits.ts'
import type { EmbeddedStore } from '../../../src/postgres/embedded/open-embedded.ts'
import { queryMessage, startupPacket } from '../../../src/postgres/embedded/wire.ts'
import { until } from '../../until.ts'
import { type Compiled, compiledEmbedded, type LogLine } from './compiled.ts'

const compiled = await compiledEmbedded()

/** What a statement of ours may wait for others: one of theirs, its cancelling, and two busy cores. */
const WAIT_MS = EMBEDDED_OUTSIDE_HOLD_MS + 5_000

describe.skipIf(compiled === undefined)('a program outside the platform', () => {
  const { open } = (compiled ?? {}) as Compiled
  let store: EmbeddedStore
  let lines: LogLine[]
  const clients: pg.Client[] = []
  const sockets: Socket[] = []

  beforeAll(async () => {
    ;({ store, lines } = await open({ tcpPort: 0 }))
    const own = await ours()
    await own.query('CREATE TABLE bars (n int PRIMARY KEY)')
    await own.query('INSERT INTO bars SELECT generate_series(1, 10)')
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)))
  })

  function track(client: pg.Client): Promise<pg.Client> {
    client.on('error', () => undefined)
    clients.push(client)
    return client.connect().then(() => client)
  }

  const ours = () => track(new pg.Client({ stream: () => store.connectStream() }))
  const theirs = () =>
    track(
      new pg.Client({
        host: '127.0.0.1',
        port: store.tcpPort ?? 0,
        user: 'postgres',
        database: 'x',
      }),
    )

  async function rawSocket(): Promise<Socket> {
    const socket = connectSocket(store.tcpPort ?? 0, '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  /** How long a statement of ours takes meanwhile, ms. */
  async function answerMs(own: pg.Client): Promise<number> {
    const startedMs = performance.now()
    await own.query({ name: 'own', text: 'SELECT count(*) FROM bars' })
    return performance.now() - startedMs
  }

  it.each([
    'SELECT count(*) FROM generate_series(1, 1000000000)',
    'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r',
    "SELECT repeat('x', 1000) FROM generate_series(1, 1000000000)",
  ])('has a statement cancelled that does not end: %s', { timeout: 240_000 }, async (sql) => {
    const [own, other] = [await ours(), await theirs()]
    const refused = expect(other.query(sql)).rejects.toMatchObject({ code: '57014' })
    expect(await answerMs(own)).toBeLessThan(WAIT_MS)
    await refused
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect(lines).toEqual([])
  })

  it('holds a transaction open no longer than a statement, however busy it is', {
    timeout: 240_000,
  }, async () => {
    const [own, other] = [await ours(), await theirs()]
    await other.query('BEGIN')
    const waiting = answerMs(own)
    const busy = (async () => {
      for (;;) await other.query('SELECT pg_sleep(0.2)')
    })()
    await expect(busy).rejects.toThrow()
    expect(await waiting).toBeLessThan(WAIT_MS)
  })

  it('that sends a hundred statements ahead does not make ours wait for them', {
    timeout: 240_000,
  }, async () => {
    const [own, other] = [await ours(), await theirs()]
    const sent = Array.from({ length: 100 }, () => other.query('SELECT pg_sleep(0.1)'))
    await sent[0]
    expect(await answerMs(own)).toBeLessThan(2_000)
    await other.end()
    await Promise.allSettled(sent)
  })

  it('leaves nothing behind that would mislead our statements', async () => {
    const [own, other] = [await ours(), await theirs()]
    await own.query({ name: 'own', text: 'SELECT count(*) FROM bars' })
    await other.query('CREATE TEMP TABLE bars (n int)')
    await other.query("SET timezone = 'UTC'; SET search_path = pg_catalog; SET work_mem = '64kB'")
    await other.query({ name: 'own', text: "SELECT 'theirs'" })
    await other.query('DECLARE c CURSOR WITH HOLD FOR SELECT 1')
    const { rows } = await own.query({ name: 'own', text: 'SELECT count(*) FROM bars' })
    expect(rows).toEqual([{ count: '10' }])
    for (const [name, value] of [
      ['TimeZone', 'Asia/Kolkata'],
      ['search_path', 'public'],
      ['work_mem', '4MB'],
    ]) {
      expect((await own.query(`SHOW ${name}`)).rows[0]).toEqual({ [String(name)]: value })
    }
    expect((await own.query('SELECT session_user AS who')).rows).toEqual([{ who: 'postgres' }])
    expect((await own.query('SELECT count(*)::int AS n FROM pg_cursors')).rows).toEqual([{ n: 0 }])
  })

  it('reads and writes our rows, makes tables of its own, and cannot drop or alter ours', async () => {
    const other = await theirs()
    await other.query('UPDATE bars SET n = n WHERE n = 1')
    await other.query('CREATE TABLE notes (text text)')
    await other.query('DROP TABLE notes')
    for (const sql of ['DROP TABLE bars', 'ALTER TABLE bars ADD COLUMN x int', 'TRUNCATE bars']) {
      await expect(other.query(sql)).rejects.toMatchObject({ code: '42501' })
    }
    for (const sql of ["ALTER SYSTEM SET work_mem = '1GB'", "COPY bars TO '/tmp/bars'"]) {
      await expect(other.query(sql)).rejects.toMatchObject({ code: '42501' })
    }
    await expect(other.query('LISTEN news')).rejects.toMatchObject({ code: '0A000' })
    await expect(other.query('COPY bars FROM STDIN')).rejects.toMatchObject({ code: '0A000' })
  })

  it('beyond the number that is let in is told so, and one of them leaving makes room', async () => {
    const inside = await Promise.all(Array.from({ length: EMBEDDED_TCP_CLIENTS }, theirs))
    const more = await Promise.allSettled(Array.from({ length: 5 }, theirs))
    for (const { status, ...rest } of more) {
      expect(status).toBe('rejected')
      expect(rest).toMatchObject({
        reason: { message: expect.stringContaining('programs at once') },
      })
    }
    await inside[0]?.end()
    await until(async () => {
      const client = await theirs().catch(() => undefined)
      return client !== undefined
    }, 90_000)
  })

  it('that talks nonsense is cut off, and nobody else notices', async () => {
    const own = await ours()
    for (const bytes of [Buffer.alloc(64, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = await rawSocket()
      const ended = once(socket, 'close')
      socket.resume()
      socket.write(bytes)
      await ended
    }
    const halfway = await rawSocket()
    halfway.write(startupPacket('postgres', 'postgres').subarray(0, 10))
    expect(await answerMs(own)).toBeLessThan(2_000)
  })

  it('that asks for a GB and does not read is cut off, and no more of it is kept', {
    timeout: 240_000,
  }, async () => {
    const own = await ours()
    const socket = await rawSocket()
    const closed = once(socket, 'close')
    socket.write(startupPacket('postgres', 'postgres'))
    const before = process.memoryUsage().rss
    const sql = "SELECT repeat('x', 1000000) FROM generate_series(1, 1000)"
    socket.write(queryMessage(sql))
    const patienceMs = EMBEDDED_OUTSIDE_UNREAD_WAIT_MS + EMBEDDED_OUTSIDE_LINGER_MS + 1_000
    const askedMs = performance.now()
    await until(async () => {
      expect(await answerMs(own)).toBeLessThan(WAIT_MS)
      expect(process.memoryUsage().rss - before).toBeLessThan(80 * 1024 * 1024)
      return performance.now() - askedMs > patienceMs
    }, 2 * patienceMs)
    // Nobody hears of the end of a connection before what came of it is read.
    socket.resume()
    await closed
  })

  it('that reads 100 MB gets them', { timeout: 240_000 }, async () => {
    const other = await theirs()
    const { rows } = await other.query(
      "SELECT repeat('x', 1000000) AS x FROM generate_series(1, 100)",
    )
    expect(rows.filter(({ x }) => x.length === 1_000_000)).toHaveLength(100)
  })

  // The last one: nobody is let in for a while afterwards.
  it('whose statement cannot be cancelled costs one start of the engine', {
    timeout: 240_000,
  }, async () => {
    const other = await theirs()
    await expect(other.query('SELECT pg_sleep(60)')).rejects.toThrow()
    await until(
      () =>
        ours()
          .then(answerMs)
          .then(
            () => true,
            () => false,
          ),
      30_000,
    )
    expect(lines).toMatchObject([
      { level: 'error', fields: { err: { code: 'STATEMENT_OVERRUN' } } },
      { level: 'info', message: 'Embedded store engine started again' },
    ])
    await expect(theirs()).rejects.toThrow(/took too long/)
    expect((await (await ours()).query('SELECT count(*)::int AS n FROM bars')).rows).toEqual([
      { n: 10 },
    ])
  })
})
