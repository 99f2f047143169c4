/** What the controls of the simulated exchange and of a replay answer alike. */
import type { Clock } from '../kit/clock.ts'
import { formatIst } from '../market/ist.ts'
import type { Accounts } from './accounts.ts'

export function shownAccounts(accounts: Accounts) {
  return accounts.credentials().map((account) => ({
    name: account.name,
    api_key: account.apiKey,
    api_secret: account.apiSecret,
    access_token: account.accessToken,
  }))
}

export function shownTime(marketClock: { nowMs(): number; readonly speed: number }, clock: Clock) {
  const marketMs = marketClock.nowMs()
  return {
    market_time_ms: marketMs,
    market_time: formatIst(marketMs),
    wall_time_ms: clock.nowMs(),
    speed: marketClock.speed,
  }
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
