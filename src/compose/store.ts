/** Opens the store that the settings name, brings its schema up to date and stamps it with the feed. */
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { STORE_RETRY_MAX_MS } from '../limits.ts'
import { classify } from '../postgres/classify-error.ts'
import { openStore, type Store, type StoreTarget } from '../postgres/connection.ts'
import { openEmbedded } from '../postgres/embedded/open-embedded.ts'
import { migrate, stampFeed } from '../postgres/migrate.ts'

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
): Promise<OpenedStore> {
  const { target, isNew } = await openTarget(config, clock, log)
  const store = openStore(target, { applicationName: 'fostream', log })
  releasers.push('store', () => store.close())
  await prepareSchema(store, config, clock, log, aborted)
  return { store, isNew }
}

async function openTarget(
  { store, folders }: Config,
  clock: Clock,
  log: Log,
): Promise<{ target: StoreTarget; isNew: boolean }> {
  if (store.kind === 'postgres') return { target: { kind: 'url', url: store.url }, isNew: false }
  const embedded = await openEmbedded({
    dataDir: `${folders.feedData}/store`,
    ...(store.outsidePort === undefined ? {} : { tcpPort: store.outsidePort }),
    clock,
    log,
  })
  if (embedded.setAside !== undefined) {
    log.error(
      { ...embedded.setAside },
      'The embedded store could not be used and was set aside; it is rebuilt from the journal',
    )
  }
  return { target: { kind: 'embedded', store: embedded }, isNew: embedded.created }
}

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
      const client = await store.connect()
      try {
        await migrate(client)
        await stampFeed(client, feed)
        return
      } finally {
        await client.end()
      }
    } catch (error) {
      if (classify(error).kind !== 'connection' || aborted.aborted) throw error
      log.warn({ err: error, store: store.describe() }, 'Waiting for the database')
      if (!isSaid) process.stderr.write(`Waiting for the database: ${store.describe()}\n`)
      isSaid = true
      await new Promise<void>((resolve) => {
        clock.after(STORE_RETRY_MAX_MS, resolve)
      })
    }
  }
}
