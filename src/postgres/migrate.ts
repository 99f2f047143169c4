/**
 * Brings a store's schema up to date from the numbered files in `sql/`, and ties the store to its feed.
 *
 * Files are append-only: what has been applied must not change, and a store that a newer version of
 * the program has migrated is refused. Each file is one transaction. They are plain SQL for every
 * store; what TimescaleDB makes of it is `timescale/adopt-timescale.ts`.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClientBase } from 'pg'
import type { Feed } from '../contract/journal-record.ts'
import { changeSchema, SCHEMA_LOCK } from './schema-lock.ts'
import { STORE_TIME_ZONE } from './time-zone.ts'

export type MigrationFault = 'changed' | 'missing' | 'newer' | 'misnamed'

/** The store's schema and the program's files do not fit; a person has to decide. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
  readonly code: MigrationFault
  readonly retryable = false

  constructor(code: MigrationFault, message: string) {
    super(message)
    this.code = code
  }
}

/** The store holds the data of the other feed. */
export class FeedMismatchError extends Error {
  override readonly name = 'FeedMismatchError'
  readonly code = 'feed_mismatch'
  readonly retryable = false
  readonly storedFeed: Feed
  readonly feed: Feed

  constructor(storedFeed: Feed, feed: Feed) {
    super(
      `the store holds ${storedFeed} data and this start would write ${feed} data into it; ` +
        'simulated and real data never share a store: give this start another FOSTREAM_DATA_DIR or DATABASE_URL',
    )
    this.storedFeed = storedFeed
    this.feed = feed
  }
}

export interface MigrateResult {
  /** The schema's version now. */
  readonly version: number
  /** Names of the files that this call applied. */
  readonly applied: readonly string[]
  /** Whether the database shows times in India's zone to everybody; false where that is not allowed. */
  readonly hasTimeZone: boolean
}

interface Migration {
  readonly version: number
  readonly name: string
  readonly checksum: string
  readonly sql: string
}

interface AppliedRow {
  readonly version: number
  readonly name: string
  readonly checksum: string
}

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/

/** Applies what is missing. Throws `MigrationError` where store and files do not fit. */
export async function migrate(
  client: ClientBase,
  directory: string = defaultDirectory(),
): Promise<MigrateResult> {
  const migrations = await readMigrations(directory)
  const applied: string[] = []
  for (let name = await applyNext(client, migrations); name !== undefined; ) {
    applied.push(name)
    name = await applyNext(client, migrations)
  }
  const version = migrations.at(-1)?.version ?? 0
  return { version, applied, hasTimeZone: await setTimeZone(client) }
}

/** Writes the feed at the first start; throws `FeedMismatchError` where the store has the other one. */
export async function stampFeed(client: ClientBase, feed: Feed): Promise<void> {
  await client.query('INSERT INTO feed_stamp (feed) VALUES ($1) ON CONFLICT DO NOTHING', [feed])
  const { rows } = await client.query<{ feed: Feed }>('SELECT feed FROM feed_stamp')
  const storedFeed = rows[0]?.feed
  if (storedFeed !== undefined && storedFeed !== feed) throw new FeedMismatchError(storedFeed, feed)
}

/** In `dist/sql` beside the compiled code; in the source tree at the root. */
function defaultDirectory(): string {
  const [besideCode, atRoot] = ['../sql/', '../../sql/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  ) as [string, string]
  return existsSync(besideCode) ? besideCode : atRoot
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(names.map((name, index) => readMigration(directory, name, index + 1)))
}

async function readMigration(
  directory: string,
  name: string,
  expectedVersion: number,
): Promise<Migration> {
  const version = Number(FILE_NAME.exec(name)?.[1])
  if (version !== expectedVersion) {
    throw new MigrationError('misnamed', `${name}: expected number ${expectedVersion} here`)
  }
  // Line ends may differ from checkout to checkout.
  const sql = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n')
  return { version, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
}

/** Applies the first file that is not applied yet, and returns its name; undefined when all are. */
async function applyNext(
  client: ClientBase,
  migrations: readonly Migration[],
): Promise<string | undefined> {
  return changeSchema(client, async () => {
    const next = await prepareNext(client, migrations)
    if (next !== undefined) await apply(client, next)
    return next?.name
  })
}

async function prepareNext(
  client: ClientBase,
  migrations: readonly Migration[],
): Promise<Migration | undefined> {
  await client.query(`
    CREATE TABLE IF NOT EXISTS schema_migrations (
      version    integer PRIMARY KEY,
      name       text NOT NULL,
      checksum   text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`)
  const { rows } = await client.query<AppliedRow>(
    'SELECT version, name, checksum FROM schema_migrations ORDER BY version',
  )
  requireFit(rows, migrations)
  return migrations[rows.length]
}

async function apply(
  client: ClientBase,
  { version, name, checksum, sql }: Migration,
): Promise<void> {
  try {
    await client.query(sql)
  } catch (cause) {
    throw new Error(`migration ${name} failed: ${String(cause)}`, { cause })
  }
  await client.query(
    'INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)',
    [version, name, checksum],
  )
}

function requireFit(applied: readonly AppliedRow[], migrations: readonly Migration[]): void {
  const newest = applied.at(-1)
  if (newest !== undefined && newest.version > migrations.length) {
    throw new MigrationError(
      'newer',
      `the store's schema is at version ${newest.version} (${newest.name}), this program knows ` +
        `${migrations.length}; start a newer version of the program`,
    )
  }
  applied.forEach((row, index) => {
    requireSame(row, migrations[index])
  })
}

function requireSame(row: AppliedRow, file: Migration | undefined): void {
  if (file === undefined || row.version !== file.version) {
    throw new MigrationError(
      'missing',
      `the store's list of migrations has a hole before ${row.name}`,
    )
  }
  if (row.checksum !== file.checksum) {
    throw new MigrationError(
      'changed',
      `${file.name} has changed since it was applied; restore it and add a new file instead`,
    )
  }
}

/** For people with psql; our own connections set the zone themselves. False where it is not allowed. */
async function setTimeZone(client: ClientBase): Promise<boolean> {
  await client.query(SET_TIME_ZONE)
  const { rows } = await client.query<{ found: boolean }>(`SELECT ${HAS_TIME_ZONE} AS found`)
  return rows[0]?.found === true
}

const HAS_TIME_ZONE = `
  EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database() AND s.setrole = 0
      AND 'TimeZone=${STORE_TIME_ZONE}' = ANY (s.setconfig)
  )`

/** Two that alter the same database at once would disturb each other, hence the lock. */
const SET_TIME_ZONE = `
  DO $$
  BEGIN
    PERFORM pg_advisory_xact_lock(${SCHEMA_LOCK.join(', ')});
    IF NOT ${HAS_TIME_ZONE} THEN
      EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), '${STORE_TIME_ZONE}');
    END IF;
  EXCEPTION
    WHEN insufficient_privilege THEN NULL;
  END
  $$`
