/** Backfill of the partitions that this process writes. */

import { BackfillManager } from '../backend/backfill/backfill-manager.ts'
import { backfillMetrics } from '../backend/backfill/backfill-metrics.ts'
import type { Ingest } from '../backend/ingest/start-ingest.ts'
import { marketInstant } from '../backend/market-instant.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import { createBackfillStore } from '../postgres/backfill-store.ts'
import { classify } from '../postgres/classify-error.ts'
import type { Store } from '../postgres/connection.ts'
import type { Shared } from './lifecycle-role.ts'
import { isOwnSymbol, ownPartitions } from './role-parts.ts'

export interface BackfillRoleParts {
  readonly config: Config
  readonly ingest: Ingest
  readonly store: Store
  readonly calendar: MarketCalendar
  readonly shared: Pick<Shared, 'flags' | 'tickers' | 'metrics'>
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

/** Not started yet. */
export function openBackfill(parts: BackfillRoleParts): BackfillManager {
  const { config, ingest, store, calendar, shared, clock, log, releasers } = parts
  const { chains, candles } = ingest
  const manager = new BackfillManager({
    tickers: shared.tickers,
    writer: candles,
    store: createBackfillStore(store.pool),
    flags: shared.flags,
    metrics: backfillMetrics(shared.metrics),
    master: () => chains.master,
    partitions: ownPartitions(config),
    isMine: (symbol) => isOwnSymbol(symbol, config),
    priceOf: (symbol) => chains.spot(symbol)?.lastPrice ?? undefined,
    isStoreAway: (error) => classify(error).retryable,
    calendar,
    logTimeMs: () => chains.marketTimeMs,
    marketNowMs: () => marketInstant(config.feed, chains.marketTimeMs, clock.nowMs()),
    intervalMs: config.backfill.intervalMs,
    lookbackMinutes: config.backfill.lookbackMinutes,
    clock,
    random: Math.random,
    log,
  })
  releasers.push('backfill', () => manager.stop())
  return manager
}
