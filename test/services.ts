/**
 * The outside services that tests run against: PostgreSQL and Redis, at the address that the
 * environment names or at their usual local one. Where a service is absent its tests are skipped and
 * a line says so; with `CI` set its absence is a failure.
 *
 * Call at the top level of a test file, so that the hook that cleans up can be registered:
 *
 *   const url = await postgresUrl()
 *   describe.skipIf(url === undefined)('…', () => { … })
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import pg from 'pg'
import { afterAll } from 'vitest'

const DEFAULT_POSTGRES = 'postgresql://postgres@127.0.0.1:5432/postgres'
const DEFAULT_REDIS = 'redis://127.0.0.1:6379'
const ANSWER_WITHIN_MS = 5_000
/** A database left behind by a run that was killed is dropped by a later one. */
const LEFT_BEHIND_AFTER_S = 3_600
const DATABASE_NAME = /^fostream_test_(\d+)_[0-9a-f]+$/

/**
 * The URL of a database made for this test file and dropped after it; undefined where no server
 * answers. `DATABASE_URL` names another server, whose user must be allowed to create databases.
 */
export async function postgresUrl(): Promise<string | undefined> {
  const serverUrl = setting('DATABASE_URL') ?? DEFAULT_POSTGRES
  const name = `fostream_test_${Math.floor(Date.now() / 1000)}_${randomBytes(4).toString('hex')}`
  const absence = await failureOf(() => createDatabase(serverUrl, name))
  if (absence !== undefined) return absent('PostgreSQL', 'DATABASE_URL', serverUrl, absence)
  afterAll(() => onServer(serverUrl, (client) => drop(client, name)))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/**
 * The URL of a Redis that answers; undefined where none does. Tests share it: each takes a channel
 * prefix of its own.
 */
export async function redisUrl(): Promise<string | undefined> {
  const url = setting('REDIS_URL') ?? DEFAULT_REDIS
  const absence = await failureOf(() => ping(new URL(url)))
  return absence === undefined ? url : absent('Redis', 'REDIS_URL', url, absence)
}

function setting(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

async function failureOf(attempt: () => Promise<void>): Promise<Error | undefined> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function absent(service: string, name: string, url: string, cause: Error): undefined {
  const { host } = new URL(url)
  const message = `${service} does not answer at ${host} (${cause.message}); set ${name}`
  if (setting('CI') !== undefined) throw new Error(message, { cause })
  process.stderr.write(`skipped: ${message}\n`)
  return undefined
}

async function createDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, async (client) => {
    await dropLeftBehind(client)
    await client.query(`CREATE DATABASE ${name}`)
  })
}

async function dropLeftBehind(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database')
  const oldestS = Date.now() / 1000 - LEFT_BEHIND_AFTER_S
  for (const { datname } of rows) {
    const createdAtS = Number(DATABASE_NAME.exec(datname)?.[1] ?? Number.NaN)
    if (createdAtS < oldestS) await drop(client, datname)
  }
}

async function drop(client: pg.Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}

async function onServer(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_WITHIN_MS,
  })
  await client.connect()
  try {
    await use(client)
  } finally {
    await client.end()
  }
}

/** Resolves when the server says PONG, or that it wants a password first, which a client will send. */
function ping(url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port || 6379), url.hostname, () => socket.write('PING\r\n'))
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      const answer = data.toString()
      if (/^(\+PONG|-NOAUTH)/.test(answer)) resolve()
      else reject(new Error(`unexpected answer ${JSON.stringify(answer.slice(0, 40))}`))
    })
  })
}
