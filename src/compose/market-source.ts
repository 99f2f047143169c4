/**
 * Where ticks come from: the broker, the simulated exchange of this process, or one (a replay, too)
 * that runs apart.
 */
import type { Config } from '../config.ts'
import { accountWithDefaults, type KiteAccount } from '../config-accounts.ts'
import { type Backoff, backoffDelayMs } from '../kit/backoff.ts'
import { systemClock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { pause } from '../kit/pause.ts'
import {
  EXCHANGE_FIND_RETRY_FIRST_MS,
  EXCHANGE_FIND_RETRY_MAX_MS,
  EXCHANGE_FIND_TIMEOUT_MS,
} from '../limits.ts'
import { type BrokerFactory, kiteBroker } from '../ticker/broker.ts'
import { answerMeanwhile } from './answer-meanwhile.ts'
import type { ExchangeThread, SimulatedAccount } from './exchange-thread.ts'

const FIND_AGAIN: Backoff = {
  firstMs: EXCHANGE_FIND_RETRY_FIRST_MS,
  capMs: EXCHANGE_FIND_RETRY_MAX_MS,
}

export interface MarketSource {
  readonly accounts: readonly KiteAccount[]
  readonly broker: BrokerFactory
  /** Market seconds in one second. */
  readonly speed: number
  /** What market time is by now, epoch ms: to open a store takes seconds, and minutes at 20 × speed. */
  readonly marketTimeMs: () => number
  /** For people. */
  readonly description: string
}

/** Kite Connect, or whatever speaks its protocol at the roots that the settings name. */
export function kiteMarket({ kite }: Config): MarketSource {
  const { accounts, webSocketRoot, restRoot, loginRoot } = kite
  return {
    accounts,
    broker: kiteBroker({ webSocketRoot, restRoot, loginRoot, clock: systemClock }),
    speed: 1,
    marketTimeMs: () => systemClock.nowMs(),
    description: `Kite Connect, ${accounts.length} account(s)`,
  }
}

export function simulatedMarket(
  { exchange: { seed, speed } }: Config,
  { url, accounts, marketTimeMs }: Pick<ExchangeThread, 'url' | 'accounts' | 'marketTimeMs'>,
): MarketSource {
  return marketOf({ url, accounts, marketTimeMs, speed }, `, seed ${seed}`)
}

interface FoundExchange {
  readonly url: string
  readonly accounts: readonly SimulatedAccount[]
  readonly marketTimeMs: number
  readonly speed: number
}

function marketOf({ url, accounts, marketTimeMs, speed }: FoundExchange, more = ''): MarketSource {
  const foundAtMs = systemClock.elapsedMs()
  return {
    accounts: accounts.map(accountWithDefaults),
    broker: kiteBroker({
      webSocketRoot: url.replace(/^http/, 'ws'),
      restRoot: url,
      loginRoot: url,
      clock: systemClock,
    }),
    speed,
    marketTimeMs: () => marketTimeMs + (systemClock.elapsedMs() - foundAtMs) * speed,
    description: `simulated exchange ${url}${more}, speed ${speed}`,
  }
}

/**
 * The market of a ticker that runs alone. A simulated exchange is waited for, and that is said: in
 * the log, on the terminal, and by what answers at the ticker's port meanwhile.
 */
export async function findMarket(
  config: Config,
  log: Log,
  stopping: AbortSignal,
): Promise<MarketSource> {
  if (config.feed === 'kite') return kiteMarket(config)
  const url = exchangeUrl(config)
  try {
    return marketOf(await askExchange(url, stopping))
  } catch (err) {
    if (stopping.aborted) throw err
    log.warn({ err, url }, 'Waiting for the simulated exchange')
    process.stderr.write(`Waiting for the simulated exchange: ${url}\n`)
  }
  const { bindHost, ticker } = config
  const message = `The simulated exchange does not answer at ${url}.`
  const waiting = await answerMeanwhile(bindHost, ticker.port, { name: 'exchange', message })
  try {
    return await untilFound(url, stopping)
  } finally {
    await waiting.close()
  }
}

async function untilFound(url: string, stopping: AbortSignal): Promise<MarketSource> {
  for (let attempt = 0; ; attempt++) {
    await pause(systemClock, backoffDelayMs(FIND_AGAIN, attempt, Math.random), stopping)
    stopping.throwIfAborted()
    try {
      return marketOf(await askExchange(url, stopping))
    } catch (error) {
      if (stopping.aborted) throw error
    }
  }
}

function exchangeUrl({ bindHost, exchange }: Config): string {
  const host = bindHost.includes(':') && !bindHost.startsWith('[') ? `[${bindHost}]` : bindHost
  return `http://${host}:${exchange.port}`
}

async function askExchange(url: string, stopping: AbortSignal): Promise<FoundExchange> {
  const accounts = (await askJson(`${url}/control/accounts`, stopping)) as AccountRow[]
  const time = (await askJson(`${url}/control/clock`, stopping)) as {
    readonly market_time_ms: number
    readonly speed: number
  }
  const { market_time_ms: marketTimeMs, speed } = time
  return { url, accounts: accounts.map(accountOf), marketTimeMs, speed }
}

/**
 * The replay at the exchange's port, where one answers there; its clock runs from here on. Whatever
 * else answers is none: the port is then found to be in use.
 */
export async function findReplay(
  config: Config,
  stopping: AbortSignal,
): Promise<MarketSource | undefined> {
  const url = exchangeUrl(config)
  try {
    const status = (await askJson(`${url}/control/status`, stopping)) as { replay?: unknown }
    return status.replay === true
      ? marketOf(await askExchange(url, stopping), ', replay')
      : undefined
  } catch (error) {
    if (stopping.aborted) throw error
    return undefined
  }
}

interface AccountRow {
  readonly name: string
  readonly api_key: string
  readonly api_secret: string
  readonly access_token: string
}

function accountOf(row: AccountRow): SimulatedAccount {
  const { name, api_key: apiKey, api_secret: apiSecret, access_token: accessToken } = row
  return { name, apiKey, apiSecret, accessToken }
}

/** Node 20 may collect a timeout that only `AbortSignal.any` holds, so the timer is our own. */
async function askJson(url: string, stopping: AbortSignal): Promise<unknown> {
  const giveUp = new AbortController()
  const stop = () => giveUp.abort(stopping.reason)
  stopping.addEventListener('abort', stop, { once: true })
  const cancel = systemClock.after(EXCHANGE_FIND_TIMEOUT_MS, () => {
    giveUp.abort(new Error(`${url} does not answer`))
  })
  try {
    stopping.throwIfAborted()
    const answer = await fetch(url, { signal: giveUp.signal })
    if (!answer.ok) throw new Error(`${url} is answered with status ${answer.status}`)
    return await answer.json()
  } finally {
    cancel()
    stopping.removeEventListener('abort', stop)
  }
}
