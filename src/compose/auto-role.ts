/** What the backend streams by itself around the money, held as `auto` at the tickers. */
import type { LiveChains } from '../backend/chain/live-chains.ts'
import { AutoSubscriber } from '../backend/subscriptions/auto-subscriber.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { Shared } from './lifecycle-role.ts'

export interface AutoParts {
  readonly config: Config
  readonly shared: Pick<Shared, 'flags' | 'tickers'>
  readonly chains: LiveChains
  readonly calendar: MarketCalendar
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

/** Not started yet. */
export function openAuto(parts: AutoParts): AutoSubscriber {
  const { config, shared, chains, calendar, clock, log, releasers } = parts
  const auto = new AutoSubscriber({
    settings: config.smartSubscription,
    flags: shared.flags,
    tickers: shared.tickers,
    chains,
    calendar,
    feed: config.feed,
    riskFreeRate: config.riskFreeRate,
    clock,
    random: Math.random,
    log,
  })
  releasers.push('auto-subscribe', () => auto.stop())
  return auto
}
