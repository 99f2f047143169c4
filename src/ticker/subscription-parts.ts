/** What is subscribed and how it is taken up at the start, as the ticker puts it together. */
import { join } from 'node:path'
import type { Pool } from './connection/pool.ts'
import type { Feed } from './feed/feed.ts'
import type { Instruments } from './instruments/instruments.ts'
import type { SessionRules } from './session-rules.ts'
import { Subscriptions, type SubscriptionsDeps } from './subscriptions/subscriptions.ts'
import { TakeUp } from './subscriptions/take-up.ts'
import type { TickerDeps } from './ticker-deps.ts'

const COPY_FILE = 'subscriptions.jsonl'

export interface BookParts extends Pick<SubscriptionsDeps, 'publish' | 'untold'> {
  readonly feed: Feed
  readonly pool: Pool
  readonly rules: SessionRules
  readonly instruments: Instruments
}

export function newBook(deps: TickerDeps, parts: BookParts): Subscriptions {
  const { config, clock, log, random, subscriptionStore } = deps
  const { feed, pool, rules, instruments, publish, untold } = parts
  return new Subscriptions({
    clock,
    log,
    random,
    coverage: feed.coverage,
    pool,
    master: () => instruments.master,
    today: () => rules.today,
    copyPath: join(config.dataDir, COPY_FILE),
    store: subscriptionStore,
    publish,
    untold,
  })
}

export interface TakeUpParts {
  readonly feed: Feed
  readonly instruments: Instruments
  readonly book: Subscriptions
}

export function newTakeUp(deps: TickerDeps, parts: TakeUpParts): TakeUp {
  const { clock, log, subscriptionStore } = deps
  const { feed, instruments, book } = parts
  return new TakeUp({
    clock,
    log,
    store: subscriptionStore,
    instruments,
    subscriptions: book,
    onRestored: () => {
      feed.coverage.dropUnclaimed()
      feed.scheduleFlush()
    },
  })
}
