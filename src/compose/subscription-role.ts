/** What the backend has the tickers stream: around the money as `auto`, what is looked at as `view`. */
import type { BackfillManager } from '../backend/backfill/backfill-manager.ts'
import type { LiveChains } from '../backend/chain/live-chains.ts'
import { AutoSubscriber } from '../backend/subscriptions/auto-subscriber.ts'
import { Turns } from '../backend/subscriptions/turns.ts'
import { ViewSubscriber } from '../backend/subscriptions/view-subscriber.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { Shared } from './lifecycle-role.ts'
import { isOwnSymbol } from './role-parts.ts'

export interface SubscriptionParts {
  readonly config: Config
  readonly shared: Pick<Shared, 'flags' | 'tickers'>
  readonly chains: LiveChains
  readonly backfill: BackfillManager
  readonly calendar: MarketCalendar
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export interface Subscribers {
  readonly auto: AutoSubscriber
  readonly views: ViewSubscriber
  start(): void
}

/** Not started yet. */
export function openSubscribers(parts: SubscriptionParts): Subscribers {
  const { config, shared, chains, backfill, calendar, clock, log, releasers } = parts
  const { tickers, flags } = shared
  const { feed, riskFreeRate, smartSubscription: settings } = config
  const common = { tickers, chains, calendar, feed, riskFreeRate, turns: new Turns(), clock, log }
  const auto = new AutoSubscriber({ ...common, settings, flags, random: Math.random })
  const views = new ViewSubscriber({
    ...common,
    strikesEachSide: settings.strikesEachSide,
    history: backfill,
    isMine: (symbol) => isOwnSymbol(symbol, config),
  })
  releasers.push('subscriptions', async () => {
    await Promise.all([auto.stop(), views.stop()])
  })
  return {
    auto,
    views,
    start: () => {
      auto.start()
      views.start()
    },
  }
}
