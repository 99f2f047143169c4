/** What the ticker tells over the bus, as it puts it together; nothing where there is no bus. */
import type { Metrics } from '../kit/metrics.ts'
import { TickChannels } from './channels/tick-channels.ts'
import type { Feed } from './feed/feed.ts'
import type { Instruments } from './instruments/instruments.ts'
import { TickerBus } from './ticker-bus.ts'
import type { TickerDeps } from './ticker-deps.ts'

export function newTickerBus(deps: TickerDeps): TickerBus | undefined {
  const { bus, config, clock, log, random } = deps
  if (bus === undefined) return undefined
  const { redisChannelPrefix: channelPrefix, dataDir: folder } = config
  return new TickerBus({ bus, channelPrefix, folder, clock, log, random })
}

export interface ChannelParts {
  readonly tickerBus: TickerBus | undefined
  readonly metrics: Metrics
  readonly feed: Feed
  readonly instruments: Instruments
}

export function newTickChannels(deps: TickerDeps, parts: ChannelParts): TickChannels | undefined {
  const { bus, config, clock, log, calendar } = deps
  const { tickChannels, redisChannelPrefix: prefix } = config
  const { tickerBus, metrics, feed, instruments } = parts
  if (bus === undefined || tickerBus === undefined || tickChannels === undefined) return undefined
  return new TickChannels({
    bus,
    listeners: tickerBus.listeners,
    prefix,
    intervalMs: tickChannels.intervalMs,
    rate: tickChannels.riskFreeRate,
    clock,
    log,
    metrics,
    master: () => instruments.master,
    calendar,
    instrumentOf: (token) => feed.coverage.streams.get(token)?.instrument,
  })
}
