/** The bus that the settings name. */
import type { Config } from '../config.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { openRedisBus, type RedisBus } from '../redis/redis-bus.ts'

/** Undefined where no Redis is configured. It need not be there. */
export function openConfiguredBus(
  { redis }: Config,
  clock: Clock,
  log: Log,
  releasers: Releasers,
): RedisBus | undefined {
  if (redis.url === undefined) return undefined
  const bus = openRedisBus({ url: redis.url, clock, log, random: Math.random })
  releasers.push('bus', () => bus.close())
  return bus
}

/** For people; without user and password. */
export function describeBus({ redis }: Config): string {
  if (redis.url === undefined) return 'in process'
  return `Redis ${new URL(redis.url).host}, channels ${redis.channelPrefix}:…`
}
