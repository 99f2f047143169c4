/**
 * `fostream ticker`: the ticker alone. Readers take its journal over HTTP. With a database its
 * subscriptions are in `instrument_subscriptions`; without one they are in its own copy alone.
 */
import type { Config } from '../config.ts'
import { systemClock } from '../kit/clock.ts'
import { Metrics } from '../kit/metrics.ts'
import type { Releasers } from '../kit/releasers.ts'
import { describeBus } from './bus.ts'
import { lastRunLines } from './last-run.ts'
import { configuredCalendar } from './market-calendar.ts'
import { findMarket } from './market-source.ts'
import { refuseUnsafe } from './not-yet.ts'
import { announce, type Fail, roleLog } from './role-parts.ts'
import { openOutsideStore } from './store.ts'
import { openRoleJournal, startTickerRole } from './ticker-role.ts'

export async function runTicker(
  config: Config,
  releasers: Releasers,
  stopping: AbortSignal,
  fail: Fail,
): Promise<void> {
  refuseUnsafe(config)
  const clock = systemClock
  const log = roleLog(config, 'ticker')
  releasers.push('log', () => log.close())
  const journal = await openRoleJournal(config, clock, log, releasers)
  const outside = openOutsideStore(config, 'ticker', clock, log, releasers, stopping)
  const store = outside?.store
  // Until the database is there the ticker has its own copies.
  outside?.ready.catch((error) => {
    if (!stopping.aborted) fail(error)
  })
  const market = await findMarket(config, log, stopping)
  const ticker = await startTickerRole({
    config,
    market,
    journal,
    store,
    calendar: configuredCalendar(config, log),
    metrics: new Metrics({ processDefaults: true }),
    clock,
    log,
    releasers,
    fail,
  })
  announce([
    ['Ticker', `${ticker.url}/docs`],
    ['Market', market.description],
    ['Store', store?.describe() ?? 'none, subscriptions are kept beside the journal'],
    ['Bus', describeBus(config)],
    ['Data', config.folders.feedData],
    ['Logs', config.folders.logs],
    ...lastRunLines(journal.recovered.values(), ticker.missingFromMs),
  ])
}
