/** Where the backend hears lifecycle events: on Redis where one is configured, else from the ticker in this process. */
import type { BusStatus } from '../backend/api/status.ts'
import type { EventSource, EventSourceListener } from '../backend/lifecycle/ports.ts'
import type { Config } from '../config.ts'
import { channelsOf } from '../contract/channels.ts'
import type { LifecycleEvent } from '../contract/events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { ChannelSubscriber } from '../redis/channel-subscriber.ts'

/** Tells every event of the ticker in this process; returns how to stop. */
export type OnEvent = (listener: (event: LifecycleEvent) => void) => () => void

/** Undefined where nobody publishes: no Redis, and the ticker is another process. */
export function openEventSource(
  { redis }: Config,
  inProcess: OnEvent | undefined,
  clock: Clock,
  log: Log,
  releasers: Releasers,
): EventSource | undefined {
  const channel = channelsOf(redis.channelPrefix).events
  if (redis.url === undefined) return inProcess && eventsInProcess(channel, inProcess)
  let listener: EventSourceListener | undefined
  const subscriber = new ChannelSubscriber({
    url: redis.url,
    channels: [channel],
    isPaused: true,
    clock,
    log,
    random: Math.random,
    onMessage: (_channel, text) => listener?.onMessage(text),
    onUp: () => listener?.onUp(),
    onDown: () => listener?.onDown(),
  })
  releasers.push('lifecycle events', () => subscriber.close())
  return {
    kind: 'redis',
    channel,
    get error() {
      return subscriber.error
    },
    listen: (heard) => {
      listener = heard
      subscriber.resume()
      return () => {
        listener = undefined
        subscriber.pause()
      }
    },
  }
}

/** Redis as the source of events finds it. */
export function busStatusOf(source: EventSource | undefined): BusStatus {
  if (source?.kind !== 'redis') return { kind: 'none', status: 'up', error: null }
  const { error } = source
  return { kind: 'redis', status: error === null ? 'up' : 'down', error }
}

/** The same messages as on the bus. */
function eventsInProcess(channel: string, onEvent: OnEvent): EventSource {
  return {
    kind: 'in_process',
    channel,
    error: null,
    listen: (listener) => {
      const stop = onEvent((event) => listener.onMessage(JSON.stringify(event)))
      listener.onUp()
      return stop
    },
  }
}
