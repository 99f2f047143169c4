/** An exchange on a free port with a state folder of its own, both gone after the test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import {
  type Exchange,
  type ExchangeAccount,
  type ExchangeOptions,
  startExchange,
} from '../../src/exchange/serve.ts'
import { silentLog } from '../silent-log.ts'
import { DrivenClock } from './driven-clock.ts'

export interface ExchangeUnderTest extends Exchange {
  readonly clock: DrivenClock
  readonly account: ExchangeAccount
  /** A request with the first account's session. */
  get(path: string, account?: ExchangeAccount): Promise<Response>
  control(path: string, body?: unknown, method?: string): Promise<Response>
}

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export function afterTest(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'exchange-test-'))
  afterTest(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Stands still until its clock is driven; `clock` is of no use where another one is given. */
export async function startTestExchange(
  options: Partial<ExchangeOptions> = {},
): Promise<ExchangeUnderTest> {
  const clock = new DrivenClock()
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 42,
    speed: 1,
    ticksPerSecond: undefined,
    stateDir: temporaryFolder(),
    clock,
    log: silentLog,
    ...options,
  })
  afterTest(() => exchange.stop())
  const { url } = exchange
  const [account] = exchange.accounts
  if (account === undefined) throw new Error('an exchange without accounts')
  return {
    ...exchange,
    clock,
    account,
    get: (path, { apiKey, accessToken } = account) =>
      fetch(`${url}${path}`, { headers: { authorization: `token ${apiKey}:${accessToken}` } }),
    control: (path, body, method = body === undefined ? 'GET' : 'POST') =>
      fetch(`${url}/control${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      }),
  }
}

export async function json(answer: Response | Promise<Response>) {
  return JSON.parse(await (await answer).text())
}
