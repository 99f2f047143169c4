/** Folders and databases that exist for one measurement, and are gone after it. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

const DEFAULT_SERVER = 'postgresql://postgres@127.0.0.1:5432/postgres'
const CONNECT_WITHIN_MS = 2_000

/** Runs `use` with an empty folder. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fostream-bench-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** The server that `DATABASE_URL` names, else the usual local one; undefined where none answers. */
export async function serverUrl(): Promise<string | undefined> {
  const url = process.env['DATABASE_URL'] || DEFAULT_SERVER
  const reason = await onServer(url, (client) => client.query('SELECT 1')).then(
    () => undefined,
    (error: unknown) => String(error),
  )
  if (reason === undefined) return url
  process.stderr.write(`left out: PostgreSQL does not answer (${reason}); set DATABASE_URL\n`)
  return undefined
}

/** Runs `use` with the address of an empty database on the server. */
export async function withDatabase<T>(
  server: string,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const name = `fostream_bench_${randomBytes(4).toString('hex')}`
  await onServer(server, (client) => client.query(`CREATE DATABASE ${name}`))
  try {
    const url = new URL(server)
    url.pathname = `/${name}`
    return await use(url.href)
  } finally {
    await onServer(server, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`))
  }
}

async function onServer<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
  })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
