/** What the backend's background work shares, and the listener that sets it going. */

import type { BusStatus } from '../backend/api/status.ts'
import type { LiveChains } from '../backend/chain/live-chains.ts'
import { LiveFlags } from '../backend/flags/live-flags.ts'
import type { InstrumentHistory } from '../backend/lifecycle/ports.ts'
import { SubscriptionEventListener } from '../backend/lifecycle/subscription-event-listener.ts'
import type { TickerAccess } from '../backend/tickers/call-ticker.ts'
import { TickerClient } from '../backend/tickers/ticker-client.ts'
import type { Config } from '../config.ts'
import type { EventsStatus } from '../contract/api/backend-status.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import type { Releasers } from '../kit/releasers.ts'
import type { Store } from '../postgres/connection.ts'
import { SystemConfig } from '../postgres/system-config.ts'
import { busStatusOf, type OnEvent, openEventSource } from './event-source.ts'

export interface Shared {
  /** The environment's until `start`, which reads `system_config`. */
  readonly flags: LiveFlags
  readonly accesses: readonly TickerAccess[]
  readonly tickers: TickerClient
  /** The backend's page. */
  readonly metrics: Metrics
}

export function openShared(
  config: Config,
  store: Store,
  tickerUrls: readonly string[],
  clock: Clock,
  log: Log,
  releasers: Releasers,
): Shared {
  const { tickerTimeoutMs: timeoutMs, tickerApiKey: apiKey } = config.backend
  const accesses = tickerUrls.map((url) => ({
    url,
    timeoutMs,
    ...(apiKey === undefined ? {} : { apiKey }),
  }))
  const settings = new SystemConfig(store.pool)
  const flags = new LiveFlags({ environment: config.flags, store: settings, clock, log })
  releasers.push('flags', () => flags.stop())
  const metrics = new Metrics({ processDefaults: true })
  return { flags, accesses, tickers: new TickerClient(accesses, clock), metrics }
}

export interface ListenerParts {
  readonly config: Config
  readonly shared: Pick<Shared, 'flags' | 'tickers' | 'metrics'>
  readonly chains: LiveChains
  readonly history: InstrumentHistory
  /** Events of a ticker in this process; undefined where it is another one. */
  readonly onEvent: OnEvent | undefined
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export interface Listener {
  start(): void
  status(): EventsStatus
  bus(): BusStatus
}

/** Not started yet. */
export function openListener(parts: ListenerParts): Listener {
  const { config, shared, chains, history, onEvent, clock, log, releasers } = parts
  const source = openEventSource(config, onEvent, clock, log, releasers)
  if (source?.kind === 'redis') {
    const isUp = () => Number(source.error === null)
    shared.metrics.gauge('fostream_redis_up', '1 while Redis answers.', isUp)
  }
  const listener = new SubscriptionEventListener({
    ...shared,
    source,
    history,
    shown: chains,
    instruments: () => chains.master,
    clock,
    log,
    random: Math.random,
  })
  releasers.push('event listener', () => listener.stop())
  return {
    start: () => listener.start(),
    status: () => listener.status(),
    bus: () => busStatusOf(source),
  }
}
