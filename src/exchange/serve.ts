/**
 * The simulated exchange as a running service: Kite's WebSocket and REST on one port, and the
 * controls beside them. It may run in a worker thread or as a process of its own.
 */
import { mkdirSync } from 'node:fs'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { Releasers } from '../kit/releasers.ts'
import { EXCHANGE_SPEED_MAX } from '../limits.ts'
import { Accounts } from './accounts.ts'
import { controlRoutes } from './control-routes.ts'
import { Faults } from './faults.ts'
import { Feed } from './feed.ts'
import { buildApp, listen, urlOf } from './http-server.ts'
import { kiteRoutes } from './kite-routes.ts'
import { Ledger } from './ledger.ts'
import { Market } from './market/market.ts'
import { MarketClock } from './market-clock.ts'
import { SimulatedSource } from './simulated-source.ts'
import { WebSocketEndpoint } from './websocket-endpoint.ts'

export interface ExchangeOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** The whole market, the accounts and their keys follow from it. */
  readonly seed: number
  /** Market seconds in one second of the wall clock, 1 … 600. */
  readonly speed: number
  /** Packets a second over all subscriptions; undefined where the market sets the pace. */
  readonly ticksPerSecond: number | undefined
  /** Where market time is kept over restarts; made where it is absent. */
  readonly stateDir: string
  readonly clock: Clock
  readonly log: Log
  /** Where `/connect/login` sends the browser; without it the page shows the request token. */
  readonly redirectUrl?: string
}

/** What a program needs to use an account. */
export interface ExchangeAccount {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string
  /** Needs no login and does not end at 6 AM. */
  readonly accessToken: string
}

export interface Exchange {
  /** `http://host:port`; the WebSocket is the same with `ws:`. */
  readonly url: string
  readonly port: number
  readonly accounts: readonly ExchangeAccount[]
  /** The market's clock, epoch milliseconds. */
  marketTimeMs(): number
  /** Closes all connections. Stopping twice is fine. */
  stop(): Promise<void>
}

/** @throws ExchangePortInUse (`http-server.ts`), RangeError where the speed is none */
export async function startExchange(options: ExchangeOptions): Promise<Exchange> {
  const { clock, log, seed, speed, stateDir } = options
  if (!(speed >= 1 && speed <= EXCHANGE_SPEED_MAX)) {
    throw new RangeError(`EXCHANGE_SPEED must be 1 to ${EXCHANGE_SPEED_MAX}, not ${speed}`)
  }
  mkdirSync(stateDir, { recursive: true })
  const releasers = new Releasers()
  const marketClock = new MarketClock({ clock, speed, stateDir, log })
  const market = new Market(String(seed))
  const accounts = new Accounts({
    seed: String(seed),
    nowMs: () => marketClock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
  })
  const faults = new Faults(clock)
  const ledger = new Ledger()
  const { ticksPerSecond, redirectUrl } = options
  const feed = new Feed({ market, marketClock, clock, ticksPerSecond })
  const app = buildApp()
  const context = { accounts, clock, faults, feed, ledger, log, market, marketClock, seed }
  await app.register(controlRoutes(context), { prefix: '/control' })
  const source = new SimulatedSource({ market, marketClock, clock })
  await app.register(kiteRoutes({ ...context, source, redirectUrl }))
  const endpoint = new WebSocketEndpoint(context)
  app.server.on('upgrade', (request, socket, head) => endpoint.upgrade(request, socket, head))

  const port = await listen(app, options.host, options.port, 'EXCHANGE_PORT')
  releasers.push('http server', () => app.close())
  marketClock.start()
  releasers.push('market clock', () => marketClock.stop())
  feed.start()
  releasers.push('feed', () => {
    feed.stop()
    for (const connection of [...feed.connections]) connection.shutDown()
  })
  const url = urlOf(options.host, port)
  log.info({ url, seed, speed, ticks_per_second: ticksPerSecond ?? null }, 'Exchange started')
  return {
    url,
    port,
    accounts: accounts.identities.map(({ name, apiKey, apiSecret, firstAccessToken }) => ({
      name,
      apiKey,
      apiSecret,
      accessToken: firstAccessToken,
    })),
    marketTimeMs: () => marketClock.nowMs(),
    stop: () => releasers.release(),
  }
}
