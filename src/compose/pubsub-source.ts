/** `TICK_SOURCE=pubsub`: the ticks of another ticker service, from Redis channels. */
import type { LiveChains } from '../backend/chain/live-chains.ts'
import type { LogSet } from '../backend/ingest/log-set.ts'
import { PubsubLog } from '../backend/pubsub/pubsub-log.ts'
import type { Config } from '../config.ts'
import { channelsOf } from '../contract/channels.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { Releasers } from '../kit/releasers.ts'
import { PUBSUB_MASTER_PERIOD_MS } from '../limits.ts'
import { InstrumentMaster } from '../market/instrument-master.ts'
import { ChannelSubscriber } from '../redis/channel-subscriber.ts'
import { StartError } from './start-error.ts'

export interface PubsubParts {
  readonly config: Config
  readonly chains: LiveChains
  readonly logs: LogSet
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  readonly releasers: Releasers
}

export function startPubsub(parts: PubsubParts): void {
  const { config, chains, logs, metrics, clock, log, releasers } = parts
  const { url, channelPrefix } = config.redis
  if (url === undefined) throw new StartError('TICK_SOURCE=pubsub reads Redis; set REDIS_URL.')
  const ticks = new PubsubLog({
    channels: channelsOf(channelPrefix),
    feed: config.feed,
    partitions: config.journal.partitions,
    master: () => chains.master,
    clock,
    log,
  })
  metrics.gauge(
    'fostream_pubsub_high_water_bytes',
    'Most bytes that ever waited for their commit, of the fullest partition.',
    () => ticks.highWaterBytes,
  )
  const stopListing = clock.every(PUBSUB_MASTER_PERIOD_MS, () => listTold(ticks, chains))
  logs.add(ticks)
  const subscriber = new ChannelSubscriber({
    url,
    channels: ticks.channels,
    clock,
    log,
    random: Math.random,
    onMessage: (channel, text) => ticks.onMessage(channel, text),
    onUp: () => ticks.onUp(),
    onDown: () => ticks.onDown(),
  })
  releasers.push('ticks from pub/sub', () => {
    subscriber.close()
    stopListing()
    ticks.stop()
  })
}

/** A chain shows what is listed: with no ticker beside the store that is what messages have named. */
function listTold(ticks: PubsubLog, chains: LiveChains): void {
  const { master } = chains
  const told = ticks.instruments.filter(({ exchange, tradingsymbol }) => {
    return master.byKey(exchange, tradingsymbol) === undefined
  })
  if (told.length > 0) chains.replaceMaster(new InstrumentMaster([...master.instruments, ...told]))
}
