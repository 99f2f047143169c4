/** Opens the store that the settings name, brings its schema up to date and stamps it with the feed. */
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import {
  STORE_RETRY_MAX_MS,
  STORE_UPKEEP_PERIOD_MS,
  STORE_VACUUM_FIRST_MS,
  STORE_VACUUM_NEWEST_MS,
} from '../limits.ts'
import { DAY_MS } from '../market/ist.ts'
import { classify } from '../postgres/classify-error.ts'
import { openStore, type Store, type StoreTarget } from '../postgres/connection.ts'
import { openEmbedded, type SetAside } from '../postgres/embedded/open-embedded.ts'
import { migrate, stampFeed } from '../postgres/migrate.ts'
import { adoptTimescale } from '../postgres/timescale/adopt-timescale.ts'
import { BarUpkeep } from '../postgres/upkeep.ts'
import { type Fail, namingThePort, type Role } from './role-parts.ts'
import { StartError } from './start-error.ts'

export interface OpenedStore {
  readonly store: Store
  /** True where nothing was stored before: the log is folded from its start. */
  readonly isNew: boolean
}

export async function openConfiguredStore(
  config: Config,
  clock: Clock,
  log: Log,
  releasers: Releasers,
  aborted: AbortSignal,
  fail: Fail,
): Promise<OpenedStore> {
  const { target, isNew } = await openTarget(config, clock, log, fail)
  const store = openStore(target, { applicationName: 'fostream', log })
  releasers.push('store', () => store.close())
  await prepareSchema(store, config, clock, log, aborted)
  return { store, isNew }
}

export interface OutsideStore {
  readonly store: Store
  /** Resolves when it is there with its schema up to date; rejects where it refuses us. */
  readonly ready: Promise<void>
}

/** The database of a role that runs apart; undefined where none is set. It may be away. */
export function openOutsideStore(
  config: Config,
  role: Role,
  clock: Clock,
  log: Log,
  releasers: Releasers,
  aborted: AbortSignal,
): OutsideStore | undefined {
  if (config.store.kind !== 'postgres') return undefined
  const target: StoreTarget = { kind: 'url', url: config.store.url }
  const store = openStore(target, { applicationName: `fostream ${role}`, log })
  releasers.push('store', () => store.close())
  return { store, ready: prepareSchema(store, config, clock, log, aborted) }
}

/**
 * Looks after the store from time to time: old bars go, TimescaleDB's aggregates are refreshed and its
 * settled days compressed; the embedded engine, which has nobody else for it, is vacuumed once a day,
 * and of its newest minutes all the time.
 * Returns how to stop.
 */
export function keepStore(store: Store, { backend }: Config, clock: Clock, log: Log): () => void {
  const upkeep = new BarUpkeep(store.upkeep, { retentionDays: backend.retentionDays, log })
  const failed = (err: unknown) => log.error({ err }, 'Store upkeep failed')
  const endBars = clock.every(
    STORE_UPKEEP_PERIOD_MS,
    oneAtATime(() => upkeep.run(clock.nowMs()).catch(failed)),
  )
  const endNewest = clock.every(
    STORE_VACUUM_NEWEST_MS,
    oneAtATime(() => store.maintainNewest().catch(failed)),
  )
  const vacuum = () => void store.maintain().catch(failed)
  // Also where it never runs for a whole day: what has not changed since the last time costs nothing.
  const endFirst = clock.after(STORE_VACUUM_FIRST_MS, vacuum)
  const endVacuum = clock.every(DAY_MS, vacuum)
  return () => {
    endBars()
    endNewest()
    endFirst()
    endVacuum()
  }
}

/** Leaves a call out while the one before still runs. */
function oneAtATime(run: () => Promise<void>): () => void {
  let isRunning = false
  return () => {
    if (isRunning) return
    isRunning = true
    void run().finally(() => {
      isRunning = false
    })
  }
}

async function openTarget(
  { store, folders }: Config,
  clock: Clock,
  log: Log,
  fail: Fail,
): Promise<{ target: StoreTarget; isNew: boolean }> {
  if (store.kind === 'postgres') return { target: { kind: 'url', url: store.url }, isNew: false }
  const { outsidePort } = store
  const options = { dataDir: `${folders.feedData}/store`, clock, log }
  const embedded =
    outsidePort === undefined
      ? await openEmbedded(options)
      : await namingThePort('127.0.0.1', outsidePort, 'EMBEDDED_DB_PORT', () =>
          openEmbedded({ ...options, tcpPort: outsidePort }),
        )
  if (embedded.setAside !== undefined) sayRebuilt(embedded.setAside)
  void embedded.lost.then(fail)
  return { target: { kind: 'embedded', store: embedded }, isNew: embedded.created }
}

/** The log has been told by the store itself. */
function sayRebuilt({ path, reason }: SetAside): void {
  process.stderr.write(
    `The embedded store could not be used (${reason}).\nIt is kept as ${path}. ` +
      'A new one is filled from the journal; minutes that the journal no longer has are missing.\n',
  )
}

/** SQLSTATE of a server that has no database of that name. */
const NO_SUCH_DATABASE = '3D000'

/** A database that is not there yet is waited for; one that refuses us stops the start. */
async function prepareSchema(
  store: Store,
  { feed }: Config,
  clock: Clock,
  log: Log,
  aborted: AbortSignal,
): Promise<void> {
  let isSaid = false
  for (;;) {
    try {
      const client = await store.connectForUpkeep()
      try {
        await migrate(client)
        await stampFeed(client, feed)
      } finally {
        await client.end()
      }
      await adoptTimescale(store, log)
      return
    } catch (error) {
      const { kind, code, message } = classify(error)
      if (code === NO_SUCH_DATABASE) throw new StartError(`${message}; create it with createdb.`)
      if (kind !== 'connection' || aborted.aborted) throw error
      log.warn({ err: error, store: store.describe() }, 'Waiting for the database')
      if (!isSaid) process.stderr.write(`Waiting for the database: ${store.describe()}\n`)
      isSaid = true
      await new Promise<void>((resolve) => {
        clock.after(STORE_RETRY_MAX_MS, resolve)
      })
    }
  }
}
