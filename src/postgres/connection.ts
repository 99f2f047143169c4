/**
 * The store as its users see it: single connections for writers, a pool for readers, and the same
 * driver, session settings and value types whether a server or the embedded engine answers. Statements
 * that run often are named on both: on the embedded engine, too, that saves a fifth of a commit.
 *
 * A server that hangs, or a connection that only this side still holds, says nothing: every statement
 * is given up after a time, as a lost connection whose outcome is unknown. The embedded engine is
 * watched where it runs (`engine-thread.ts`), so there statements may wait for each other.
 */
import pg from 'pg'
import type { Log } from '../kit/log.ts'
import {
  STORE_CONNECT_TIMEOUT_MS,
  STORE_KEEPALIVE_MS,
  STORE_READ_CONNECTIONS,
  STORE_STATEMENT_TIMEOUT_MS,
  STORE_UPKEEP_TIMEOUT_MS,
} from '../limits.ts'
import type { EmbeddedStore } from './embedded/open-embedded.ts'
import { vacuumNewMinutes, vacuumTables } from './maintain.ts'
import { STORE_TIME_ZONE } from './time-zone.ts'
import { valueTypes } from './value-types.ts'

export type StoreTarget =
  /** `postgresql://user:password@host:port/database?sslmode=…`; TLS options stand in the URL. */
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'embedded'; readonly store: EmbeddedStore }

export interface StoreOptions {
  /** What `pg_stat_activity` shows: `fostream backend`. */
  readonly applicationName: string
  /** Connections of the pool; by default `STORE_READ_CONNECTIONS`. */
  readonly poolSize?: number
  /** By default `STORE_STATEMENT_TIMEOUT_MS`. */
  readonly statementTimeoutMs?: number
  readonly log: Pick<Log, 'warn'>
}

export interface Store {
  readonly kind: 'postgresql' | 'embedded'
  /** Why the embedded store could not be used and was begun anew at this start; null where it was not. */
  readonly rebuiltBecause: string | null
  /** For reads. Connects when it is used, again after losses. */
  readonly pool: pg.Pool
  /**
   * A new connection of the caller's own, open. When it is lost, its statements reject with what
   * `classify` calls `connection` and it is of no further use; nothing else is thrown.
   */
  connect(): Promise<pg.Client>
  /**
   * The same for one that may be asked before it has answered: statements are sent at once and run in the
   * order in which they were asked for, each in a transaction of its own.
   */
  connectPipelined(): Promise<pg.Client>
  /** The same for work that may take hours: its statements are waited for so long. */
  connectForUpkeep(): Promise<pg.Client>
  /** For statements of upkeep, one at a time. */
  readonly upkeep: pg.Pool
  /** Where the store is, for people; no password. */
  describe(): string
  /** The most statements that one connection ever had waiting in the embedded engine; undefined on a server. */
  jobsHighWater(): number | undefined
  /**
   * Vacuums and analyses every table of the embedded store, which nobody else does; it may keep the
   * engine for seconds at a time. Once a day, after the close. On a server nothing is to be done.
   */
  maintain(): Promise<void>
  /**
   * Vacuums what the embedded store's tables of minutes have got since the last time: some 10 ms of the
   * engine a table when done every minute. On a server nothing is to be done.
   */
  maintainNewest(): Promise<void>
  /** Closes the pool and the embedded engine; connections from `connect` are their users' to end. */
  close(): Promise<void>
}

/** Does not connect yet. Throws TypeError on a malformed URL. */
export function openStore(target: StoreTarget, options: StoreOptions): Store {
  const { poolSize = STORE_READ_CONNECTIONS, statementTimeoutMs = STORE_STATEMENT_TIMEOUT_MS } =
    options
  const config = clientConfig(target, options, statementTimeoutMs)
  const upkeepConfig = clientConfig(target, options, STORE_UPKEEP_TIMEOUT_MS)
  const pool = openPool(config, poolSize, options)
  const upkeep = openPool(upkeepConfig, 1, options)
  return {
    kind: target.kind === 'url' ? 'postgresql' : 'embedded',
    rebuiltBecause: target.kind === 'url' ? null : (target.store.setAside?.reason ?? null),
    pool,
    upkeep,
    connect: () => connect(config, options),
    connectPipelined: () => connect({ ...config, pipeline: true }, options),
    connectForUpkeep: () => connect(upkeepConfig, options),
    describe: () => describe(target),
    jobsHighWater: () => (target.kind === 'embedded' ? target.store.jobsHighWater : undefined),
    maintain: async () => {
      if (target.kind === 'embedded') await vacuumTables(upkeep)
    },
    maintainNewest: async () => {
      if (target.kind === 'embedded') await vacuumNewMinutes(upkeep)
    },
    close: async () => {
      await Promise.all([pool.end(), upkeep.end()])
      if (target.kind === 'embedded') await target.store.close()
    },
  }
}

function openPool(config: pg.ClientConfig, max: number, { log }: StoreOptions): pg.Pool {
  const pool = new pg.Pool({ ...config, max, allowExitOnIdle: false })
  pool.on('error', (err) => log.warn({ err }, 'Database connection lost'))
  return pool
}

async function connect(config: pg.ClientConfig, { log }: StoreOptions): Promise<pg.Client> {
  const client = new pg.Client(config)
  // A loss may be told twice, by the server's last words and by the socket; once is enough.
  let isLost = false
  client.on('error', (err) => {
    if (!isLost) log.warn({ err }, 'Database connection lost')
    isLost = true
  })
  await client.connect()
  return client
}

function clientConfig(
  target: StoreTarget,
  { applicationName }: StoreOptions,
  statementTimeoutMs: number,
): pg.ClientConfig {
  const common = {
    types: valueTypes,
    application_name: applicationName,
    connectionTimeoutMillis: STORE_CONNECT_TIMEOUT_MS,
  }
  if (target.kind === 'embedded') {
    // The engine has the zone already, and one session for everybody.
    return { ...common, stream: () => target.store.connectStream(), ssl: false }
  }
  return {
    ...common,
    connectionString: withSessionSettings(target.url),
    query_timeout: statementTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: STORE_KEEPALIVE_MS,
  }
}

/** The zone travels in the startup packet: no round trip, and right from the first statement on. */
function withSessionSettings(url: string): string {
  const settled = new URL(url)
  const given = settled.searchParams.get('options')
  const zone = `-c timezone=${STORE_TIME_ZONE}`
  settled.searchParams.set('options', given === null ? zone : `${given} ${zone}`)
  return settled.href
}

function describe(target: StoreTarget): string {
  if (target.kind === 'embedded') return `embedded PostgreSQL in ${target.store.dataDir}`
  const { host, port, database, user } = new pg.Client({ connectionString: target.url })
  return `PostgreSQL ${user ?? ''}@${host}:${port}/${database ?? ''}`
}
