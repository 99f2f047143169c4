/** Snapshots of listed strikes that are not streamed, of the partitions that this process writes. */
import type { Ingest } from '../backend/ingest/start-ingest.ts'
import { ChainSnapshot } from '../backend/snapshot/chain-snapshot.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { Shared } from './lifecycle-role.ts'
import { isOwnSymbol } from './role-parts.ts'

export interface SnapshotRoleParts {
  readonly config: Config
  readonly ingest: Ingest
  readonly calendar: MarketCalendar
  readonly shared: Pick<Shared, 'tickers'>
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export function startSnapshots(parts: SnapshotRoleParts): void {
  const { config, ingest, calendar, shared, clock, log, releasers } = parts
  const periodMs = config.chainSnapshotPeriodMs
  // Behind another ticker service there may be nobody to ask.
  if (periodMs === undefined || config.backend.tickSource === 'pubsub') return
  const snapshot = new ChainSnapshot({
    chains: ingest.chains,
    calendar,
    tickers: shared.tickers,
    writer: ingest.snapshots,
    isMine: (symbol) => isOwnSymbol(symbol, config),
    periodMs,
    clock,
    log,
  })
  snapshot.start()
  releasers.push('chain snapshots', () => snapshot.stop())
}
