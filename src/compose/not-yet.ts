/**
 * Settings that this version reads but does not act on yet: what would be unsafe to ignore stops the
 * start.
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
