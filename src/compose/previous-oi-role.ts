/** The open interest of the session before, of the partitions that this process writes. */
import type { BackfillManager } from '../backend/backfill/backfill-manager.ts'
import type { Ingest } from '../backend/ingest/start-ingest.ts'
import { PreviousOiKeeper } from '../backend/previous-oi/previous-oi.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { Shared } from './lifecycle-role.ts'

export interface PreviousOiRoleParts {
  readonly config: Config
  readonly ingest: Ingest
  readonly backfill: Pick<BackfillManager, 'isUrgent'>
  readonly calendar: MarketCalendar
  readonly shared: Pick<Shared, 'flags' | 'tickers'>
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export function startPreviousOi(parts: PreviousOiRoleParts): void {
  const { config, ingest, backfill, calendar, shared, clock, log, releasers } = parts
  // Behind another ticker service there may be nobody to ask.
  const canAsk = config.backend.tickSource === 'log'
  const keeper = new PreviousOiKeeper({
    books: () => ingest.writers.flatMap(({ books }) => books ?? []),
    writer: ingest.previousOi,
    tickers: shared.tickers,
    // Every day candle takes a turn from the histories, also where it stands behind them in the line.
    isAsking: () => canAsk && shared.flags.isOn('backfill_enabled') && !backfill.isUrgent,
    priceOf: (symbol) => ingest.chains.spot(symbol)?.lastPrice ?? undefined,
    calendar,
    clock,
    random: Math.random,
    log,
  })
  keeper.start()
  releasers.push('open interest of the day before', () => keeper.stop())
}
