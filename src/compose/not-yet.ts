/**
 * Settings that this version reads but does not act on yet. What would be unsafe to ignore stops the
 * start; the rest is said, so that nobody relies on it.
 */
import type { Config } from '../config.ts'
import { StartError } from './start-error.ts'

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|\[::1\]|localhost)$/

/** Throws StartError where going on would open the data to others. */
export function refuseUnsafe({ bindHost, access }: Config): void {
  if (!LOOPBACK.test(bindHost)) {
    throw new StartError(
      `BIND_HOST=${bindHost}: this version answers on this machine only, since it does not check keys yet. Leave BIND_HOST out, and reach it through an SSH tunnel or a proxy that asks for a password.`,
    )
  }
  if (access.apiKeys.length > 0 || access.basicUser !== undefined) {
    throw new StartError(
      'API_KEYS and BASIC_AUTH are not checked by this version yet. Leave them out; it answers on this machine only.',
    )
  }
}

/** One sentence for each setting that has no effect. */
export function ineffective({ redis, backend, feed, smartSubscription, flags }: Config): string[] {
  const notes: string[] = []
  if (redis.url !== undefined) {
    notes.push('REDIS_URL has no effect yet: events and ticks stay in this process.')
  }
  if (backend.tickSource === 'pubsub') {
    notes.push('TICK_SOURCE=pubsub has no effect yet: ticks come from the journal.')
  }
  if (backend.retentionDays !== undefined) {
    notes.push('RETENTION_DAYS has no effect yet: bars are kept for ever.')
  }
  const isAsked = feed === 'kite' && flags.smartSubscriptionEnabled
  const { expiries, strikesEachSide, underlyings } = smartSubscription
  if (isAsked || expiries !== 3 || strikesEachSide !== 10 || underlyings.length !== 3) {
    notes.push(
      'SMART_SUBSCRIPTION_… has no effect yet: the first start subscribes NIFTY around the money, the rest is yours to subscribe.',
    )
  }
  return notes
}
