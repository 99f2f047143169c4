/** The backend: the writers of bars and the API, wherever the logs come from. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { autoSubscriptionRoutes } from '../backend/api/auto-subscription-routes.ts'
import { backfillRoutes } from '../backend/api/backfill-routes.ts'
import type { MarketView } from '../backend/api/series-lookup.ts'
import { type BackendApi, startBackendApi } from '../backend/api/server.ts'
import { viewRoutes } from '../backend/api/view-routes.ts'
import type { BackfillManager } from '../backend/backfill/backfill-manager.ts'
import type { LogSet } from '../backend/ingest/log-set.ts'
import { CONSUMER, type Ingest, startIngest } from '../backend/ingest/start-ingest.ts'
import type { Config } from '../config.ts'
import type { Position } from '../contract/journal-record.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { InstrumentMaster } from '../market/instrument-master.ts'
import { barStore } from '../postgres/bar-writer.ts'
import type { Store } from '../postgres/connection.ts'
import { storeReads } from '../postgres/read-store.ts'
import { verifyRoutes } from '../verify/serve-store.ts'
import { askPool } from './ask-pool.ts'
import type { Listener, Shared } from './lifecycle-role.ts'
import { type Fail, isOwnSymbol, ownPartitions, version } from './role-parts.ts'
import type { Subscribers } from './subscription-role.ts'

const PAGE_FOLDER = fileURLToPath(new URL('../web', import.meta.url))

export interface IngestParts {
  readonly config: Config
  readonly logs: LogSet
  readonly store: Store
  /** What is known at the start; `chains.replaceMaster` tells of newer ones. */
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
  readonly fail: Fail
}

/** Starts the writers of this process's partitions. */
export function startIngestRole(parts: IngestParts): Ingest {
  const { config, logs, store, master, calendar, clock, log, releasers, fail } = parts
  const ingest = startIngest({
    logs,
    stores: barStore(store, CONSUMER),
    master,
    calendar,
    riskFreeRate: config.riskFreeRate,
    partitions: config.journal.partitions,
    ownPartitions: ownPartitions(config),
    clock,
    log,
  })
  ingest.ended.catch((err) => {
    log.error({ err }, 'Bars are no longer written here')
    fail(err)
  })
  releasers.push('ingest', () => ingest.stop())
  return ingest
}

export interface ApiParts {
  readonly config: Config
  readonly ingest: Ingest
  readonly store: Store
  readonly calendar: MarketCalendar
  readonly shared: Pick<Shared, 'flags' | 'accesses' | 'metrics'>
  readonly backfill: BackfillManager
  readonly listener: Listener
  /** Undefined where there is no ticker to ask. */
  readonly subscribers: Subscribers | undefined
  readonly logHead?: (producer: string, partition: number) => Position | undefined
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export async function startApiRole(parts: ApiParts): Promise<BackendApi> {
  const { config, ingest, store, calendar, shared, listener, logHead, clock, log, releasers } =
    parts
  shared.metrics.gauge(
    'fostream_store_jobs_high_water',
    'Most statements that one connection ever had waiting in the embedded store.',
    () => store.jobsHighWater(),
  )
  const api = await startBackendApi({
    host: config.bindHost,
    port: config.backend.port,
    chains: ingest.chains,
    reads: storeReads(store),
    ingest,
    ownPartitions: ownPartitions(config),
    ...(logHead === undefined ? {} : { logHead }),
    tickers: shared.accesses,
    flags: shared.flags,
    bus: () => listener.bus(),
    events: () => listener.status(),
    feed: config.feed,
    tickSource: config.backend.tickSource,
    calendar,
    calendarMode: config.sessionCalendar,
    defaultSymbol: config.backend.monitorDefaultSymbol,
    version: version(),
    ...(existsSync(PAGE_FOLDER) ? { pageFolder: PAGE_FOLDER } : {}),
    corsOrigins: config.access.corsOrigins,
    metrics: shared.metrics,
    backfill: () => parts.backfill.progress(),
    addRoutes: (app) => {
      verifyRoutes(askPool(store.pool))(app)
      const market = marketView(parts)
      const isMine = (symbol: string) => isOwnSymbol(symbol, config)
      void app.register(backfillRoutes({ market, backfill: parts.backfill, isMine }))
      void app.register(autoSubscriptionRoutes(parts.subscribers?.auto))
      void app.register(viewRoutes({ market, views: parts.subscribers?.views, isMine }))
    },
    clock,
    log,
  })
  releasers.push('backend API', () => api.stop())
  return api
}

function marketView({ config, ingest, calendar, clock }: ApiParts): MarketView {
  return {
    chains: ingest.chains,
    clock,
    feed: config.feed,
    calendar,
    calendarMode: config.sessionCalendar,
  }
}
