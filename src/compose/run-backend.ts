/**
 * `fostream backend`: writers of bars and API, apart from the tickers, whose journals are read over
 * HTTP. What is not there yet (database, ticker) is waited for; the API answers meanwhile.
 */

import type { LiveChains } from '../backend/chain/live-chains.ts'
import { LogSet } from '../backend/ingest/log-set.ts'
import type { Config } from '../config.ts'
import { findRemoteJournal, type RemoteJournal } from '../journal/remote-journal.ts'
import { type Clock, systemClock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { pause } from '../kit/pause.ts'
import type { Releasers } from '../kit/releasers.ts'
import { FIRST_MASTER_LOOK_MS, FIRST_MASTER_WAIT_MS, MASTER_REFRESH_PERIOD_MS } from '../limits.ts'
import { InstrumentMaster } from '../market/instrument-master.ts'
import {
  createInstrumentStore,
  type VersionedInstrumentStore,
} from '../postgres/instrument-store.ts'
import { startApiRole, startIngestRole } from './backend-role.ts'
import { openBackfill } from './backfill-role.ts'
import { describeBus } from './bus.ts'
import { openListener, openShared } from './lifecycle-role.ts'
import { configuredCalendar } from './market-calendar.ts'
import { refuseUnsafe } from './not-yet.ts'
import { startPreviousOi } from './previous-oi-role.ts'
import { startPubsub } from './pubsub-source.ts'
import { announce, type Fail, roleLog } from './role-parts.ts'
import { startSnapshots } from './snapshot-role.ts'
import { StartError } from './start-error.ts'
import { keepStore, openOutsideStore } from './store.ts'
import { openSubscribers } from './subscription-role.ts'

export async function runBackend(
  config: Config,
  releasers: Releasers,
  stopping: AbortSignal,
  fail: Fail,
): Promise<void> {
  refuseUnsafe(config)
  const clock = systemClock
  const log = roleLog(config, 'backend')
  releasers.push('log', () => log.close())
  const { store, ready } =
    openOutsideStore(config, 'backend', clock, log, releasers, stopping) ?? refuseEmbedded()
  const calendar = configuredCalendar(config, log)
  const logs = new LogSet()
  const shared = { config, store, calendar, clock, log, releasers, fail }
  const ingest = startIngestRole({ ...shared, logs, master: new InstrumentMaster([]) })
  const { tickerUrls } = config.backend
  const common = openShared(config, store, tickerUrls, clock, log, releasers)
  const backfill = openBackfill({ ...shared, ingest, shared: common })
  const listener = openListener({
    ...shared,
    shared: common,
    chains: ingest.chains,
    history: backfill,
    onEvent: undefined,
  })
  // Behind another ticker's channels there is nobody to ask.
  const isAsking = config.backend.tickSource === 'log'
  const subscribers = isAsking
    ? openSubscribers({ ...shared, shared: common, chains: ingest.chains, backfill })
    : undefined
  // Nothing is read before there is a store to go on from; the API tells meanwhile what is awaited.
  const begin = async () => {
    await ready
    await common.flags.start()
    releasers.push('store upkeep', keepStore(store, config, clock, log))
    const lookForMaster = followMaster(
      createInstrumentStore(store.pool),
      ingest.chains,
      clock,
      log,
      releasers,
    )
    await lookForMaster()
    backfill.start()
    startSnapshots({ ...shared, ingest, shared: common })
    startPreviousOi({ ...shared, ingest, backfill, shared: common })
    listener.start()
    subscribers?.start()
    if (config.backend.tickSource === 'pubsub') {
      const { chains } = ingest
      startPubsub({ config, chains, logs, metrics: common.metrics, clock, log, releasers })
      return
    }
    await firstMaster(lookForMaster, ingest.chains, clock, stopping)
    await Promise.all(tickerUrls.map((url) => join(url, config, logs, clock, log, stopping)))
  }
  begin().catch((error) => {
    if (!stopping.aborted) fail(error)
  })
  const api = await startApiRole({
    ...shared,
    ingest,
    shared: common,
    backfill,
    listener,
    subscribers,
  })
  announce([
    ['Monitor', `${api.url}/`],
    ['Ticks', ticksFrom(config)],
    ['Store', store.describe()],
    ['Logs', config.folders.logs],
  ])
}

function ticksFrom(config: Config): string {
  const { tickSource, tickerUrls } = config.backend
  return tickSource === 'pubsub' ? describeBus(config) : `the journal of ${tickerUrls.join(', ')}`
}

function refuseEmbedded(): never {
  throw new StartError(
    'A backend that runs apart needs a database of its own: set DATABASE_URL (or DB_HOST, DB_NAME, …). The embedded store is for `fostream up`.',
  )
}

/** Takes the journal of the ticker at `url` in as soon as somebody answers there. */
async function join(
  url: string,
  config: Config,
  logs: LogSet,
  clock: Clock,
  log: Log,
  stopping: AbortSignal,
): Promise<void> {
  const { tickerApiKey } = config.backend
  const headers = tickerApiKey === undefined ? {} : { 'x-api-key': tickerApiKey }
  const parts = { url, headers, clock, log, random: Math.random }
  const journal = await findRemoteJournal(parts, stopping, () => {
    process.stderr.write(`Waiting for the ticker: ${url}\n`)
  })
  refuseMismatch(url, config, journal)
  logs.add(journal)
}

function refuseMismatch(url: string, { feed, journal }: Config, found: RemoteJournal): void {
  if (found.feed !== feed) {
    throw new StartError(
      `The ticker at ${url} streams the feed ${found.feed}, this backend is set up for ${feed}: simulated and real data never meet.`,
    )
  }
  if (found.partitions.length === journal.partitions) return
  throw new StartError(
    `The ticker at ${url} has ${found.partitions.length} partition(s), PARTITIONS here is ${journal.partitions}; give both the same.`,
  )
}

/**
 * Minutes that close before anything is known to be listed would be final without their chain. At the
 * very first start the ticker is about to store its first dump; one without a store never does.
 */
async function firstMaster(
  lookForMaster: () => Promise<boolean>,
  chains: LiveChains,
  clock: Clock,
  stopping: AbortSignal,
): Promise<void> {
  const deadlineMs = clock.elapsedMs() + FIRST_MASTER_WAIT_MS
  let isWhole = chains.master.size > 0
  while (!isWhole && clock.elapsedMs() < deadlineMs && !stopping.aborted) {
    await pause(clock, FIRST_MASTER_LOOK_MS, stopping)
    const isNewer = await lookForMaster()
    // A dump is stored in parts.
    isWhole = chains.master.size > 0 && !isNewer
  }
}

/**
 * The instrument master is the store's: a new dump comes into it from the ticker. Returns how to look
 * for one at once, which tells whether there was a newer one; a look that fails is made up for later.
 */
function followMaster(
  instruments: VersionedInstrumentStore,
  chains: LiveChains,
  clock: Clock,
  log: Log,
  releasers: Releasers,
): () => Promise<boolean> {
  let known: string | undefined
  const look = async () => {
    const version = await instruments.version()
    if (version === known) return false
    chains.replaceMaster(new InstrumentMaster(await instruments.loadCurrent()))
    known = version
    return true
  }
  const lookAgain = () =>
    look().catch((err) => {
      log.warn({ err }, 'Instrument master could not be read again')
      return false
    })
  const stop = clock.every(MASTER_REFRESH_PERIOD_MS, () => {
    void lookAgain()
  })
  releasers.push('instrument master', stop)
  return lookAgain
}
