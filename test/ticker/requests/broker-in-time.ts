/**
 * A broker that answers in the test's own time and counts by the simulated exchange's limits, so
 * that rates and turns are judged without waiting for them.
 */
import { RateLimits } from '../../../src/exchange/rate-limits.ts'
import type { Clock } from '../../../src/kit/clock.ts'
import { KiteError } from '../../../src/kite/kite-error.ts'
import type { HistoryQuery } from '../../../src/kite/rest.ts'
import type { KiteCandle } from '../../../src/kite/rest-answers.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import type { BrokerAccess } from '../../../src/ticker/broker.ts'
import { AccountBudget } from '../../../src/ticker/requests/account-budget.ts'
import { History } from '../../../src/ticker/requests/history.ts'
import type { Lane } from '../../../src/ticker/requests/lanes.ts'
import { pacedClock } from '../../../src/ticker/requests/paced-clock.ts'
import { keptLog } from '../support/silent-log.ts'
import { TestClock } from '../support/test-clock.ts'

export interface Departure {
  readonly account: string
  readonly token: number
  readonly fromMs: number
  readonly toMs: number
  /** Of the test's clock. */
  readonly atMs: number
}

export interface BrokerInTime {
  readonly clock: TestClock
  readonly history: History
  readonly departures: Departure[]
  /** Requests that the exchange's limits would have refused. */
  readonly refused: Departure[]
  /** Why an account may not ask; absent while it may. */
  readonly down: Map<string, string>
  /** The login of each account, and those that the broker does not take. */
  readonly logins: Map<string, string>
  readonly deadLogins: Set<string>
  /** Lets so much time pass, with everything that becomes due in it and its answers. */
  pass(ms: number): Promise<void>
}

/** An answer takes so long; timers are late by so much. */
const ANSWER_MS = 40
const LATE_MS = 25
const STEP_MS = 10

export function brokerInTime(accounts: readonly string[]): BrokerInTime {
  const clock = new TestClock()
  const late: Clock = {
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    after: (delayMs, task) => clock.after(delayMs + LATE_MS, task),
    every: (periodMs, task) => clock.every(periodMs, task),
  }
  const paced = pacedClock(late, 1)
  const limits = new RateLimits()
  const departures: Departure[] = []
  const refused: Departure[] = []
  const down = new Map<string, string>()
  const logins = new Map(accounts.map((account) => [account, 'first']))
  const deadLogins = new Set<string>()
  const ask = async (account: string, { token, fromMs, toMs }: HistoryQuery) => {
    const departure = { account, token, fromMs, toMs, atMs: clock.elapsedMs() }
    const login = `${account} ${logins.get(account)}`
    departures.push(departure)
    const isAllowed = limits.take(account, 'historical', clock.elapsedMs())
    if (!isAllowed) refused.push(departure)
    await new Promise<void>((resolve) => clock.after(ANSWER_MS, resolve))
    if (!isAllowed) throw new KiteError('too_many_requests', 'too many requests')
    if (deadLogins.has(login)) throw new KiteError('token_expired', 'the token has ended')
    return minutesOf(fromMs, toMs)
  }
  const lanes = accounts.map((name): Lane => {
    const ratesPerSecond = { history: 3, quote: 1, other: 10 }
    const budget = new AccountBudget({ clock: paced, ratesPerSecond })
    const history: BrokerAccess['rest']['history'] = (query) =>
      budget.run('history', () => ask(name, query), query.signal)
    return {
      name,
      budget,
      login: () => `${logins.get(name)}`,
      whyDown: () => down.get(name),
      rest: { ...NOTHING_ELSE, history },
    }
  })
  const history = new History({
    clock: late,
    paced,
    log: keptLog(),
    lanes,
    calendar: alwaysOpenCalendar(),
    marketTimeMs: () => clock.nowMs(),
    segmentOf: () => 'NFO-OPT',
  })
  const pass = async (ms: number) => {
    const endMs = clock.elapsedMs() + ms
    while (clock.elapsedMs() < endMs) {
      clock.advance(Math.min(STEP_MS, endMs - clock.elapsedMs()))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { clock, history, departures, refused, down, logins, deadLogins, pass }
}

function minutesOf(fromMs: number, toMs: number): KiteCandle[] {
  const minutes = Math.floor((toMs - fromMs) / MINUTE_MS) + 1
  const prices = { open: 1, high: 1, low: 1, close: 1, volume: 0, openInterest: 0 }
  return Array.from({ length: minutes }, (_, i) => ({ timeMs: fromMs + i * MINUTE_MS, ...prices }))
}

const never = () => Promise.reject(new KiteError('bad_request', 'not asked for here'))
const NOTHING_ELSE = { instrumentsCsv: never, ltp: never, profile: never, quotes: never }
