/**
 * A journal that is played again, as an exchange: Kite's WebSocket and REST on one port, and the
 * controls of the simulated exchange as far as a replay has them.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { Releasers } from '../../kit/releasers.ts'
import { REPLAY_TAIL_MS } from '../../limits.ts'
import { Accounts } from '../accounts.ts'
import { Faults } from '../faults.ts'
import { buildApp, listen, urlOf } from '../http-server.ts'
import { kiteRoutes } from '../kite-routes.ts'
import { Ledger } from '../ledger.ts'
import { WebSocketEndpoint } from '../websocket-endpoint.ts'
import type { ReplayJournal } from './ports.ts'
import { ReplayClock } from './replay-clock.ts'
import { ReplayFeed } from './replay-feed.ts'
import { replayRoutes } from './replay-routes.ts'
import { ReplaySource } from './replay-source.ts'

export interface ReplayOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly journal: ReplayJournal
  /** The minutes in [fromMs, toMs) are to be whole, market time. */
  readonly fromMs: number
  readonly toMs: number
  /** Market seconds in one second. */
  readonly speed: number
  /** How long a client has to connect and subscribe before `fromMs`, in seconds of the wall clock. */
  readonly leadS: number
  readonly clock: Clock
  readonly log: Log
  readonly redirectUrl?: string
}

export interface Replay {
  readonly url: string
  /** Resolves at the end of the window, rejects where the journal cannot be read. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** @throws ExchangePortInUse */
export async function startReplay(options: ReplayOptions): Promise<Replay> {
  const { host, port, journal, fromMs, toMs, speed, leadS, clock, log, redirectUrl } = options
  const releasers = new Releasers()
  const startMs = fromMs - leadS * 1000 * speed
  const marketClock = new ReplayClock({ clock, startMs, speed })
  const accounts = new Accounts({
    // Its keys are none of the simulated exchange's.
    seed: createHash('sha256').update(`replay ${journal.firstMs}`).digest('hex'),
    nowMs: () => marketClock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
  })
  const endMs = toMs + REPLAY_TAIL_MS
  const feed = new ReplayFeed({ journal, marketClock, clock, endMs })
  const faults = new Faults(clock)
  const source = new ReplaySource(journal.instruments, feed.known)
  const context = { accounts, clock, faults, feed, ledger: new Ledger(), log, marketClock }
  const app = buildApp()
  await app.register(replayRoutes({ ...context, streamed: journal.streamed, fromMs, toMs }), {
    prefix: '/control',
  })
  await app.register(kiteRoutes({ ...context, source, redirectUrl }))
  const endpoint = new WebSocketEndpoint(context)
  app.server.on('upgrade', (request, socket, head) => endpoint.upgrade(request, socket, head))
  const url = urlOf(host, await listen(app, host, port, '--port or EXCHANGE_PORT'))
  releasers.push('http server', () => app.close())
  releasers.push('feed', () => feed.stop())
  log.info({ url, speed, from_ms: fromMs, to_ms: toMs }, 'Replay started')
  return { url, ended: feed.play(), stop: () => releasers.release() }
}
