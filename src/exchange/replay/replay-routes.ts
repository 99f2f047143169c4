/**
 * The controls of a replay, for this machine only: accounts and time as the simulated exchange tells
 * them, how far it has come, and what to subscribe to. There are no faults to inject and no rate to
 * set: what is played is what was journalled.
 */
import type { FastifyInstance } from 'fastify'
import { errorBody } from '../../contract/api/error.ts'
import type { Clock } from '../../kit/clock.ts'
import { formatIst } from '../../market/ist.ts'
import type { TickMode } from '../../market/tick.ts'
import type { Accounts } from '../accounts.ts'
import { isLoopback, shownAccounts, shownTime } from '../control-answers.ts'
import type { ReplayClock } from './replay-clock.ts'
import type { ReplayFeed } from './replay-feed.ts'

export interface ReplayRoutesOptions {
  readonly accounts: Accounts
  readonly clock: Clock
  readonly feed: ReplayFeed
  readonly marketClock: ReplayClock
  /** By token. */
  readonly streamed: ReadonlyMap<number, TickMode>
  /** The window that was asked for, epoch ms. */
  readonly fromMs: number
  readonly toMs: number
}

/** Registers the routes, for a scope of their own under `/control`. */
export function replayRoutes({
  accounts,
  clock,
  feed,
  marketClock,
  streamed,
  fromMs,
  toMs,
}: ReplayRoutesOptions) {
  const time = () => ({ ...shownTime(marketClock, clock), replay: true })
  return (app: FastifyInstance, _: unknown, done: () => void): void => {
    app.addHook('onRequest', async (request, reply) => {
      if (isLoopback(request.ip)) return
      await reply.code(403).send(errorBody('forbidden', 'the controls are for this machine only'))
    })
    app.setNotFoundHandler((_request, reply) => {
      void reply.code(404).send(errorBody('not_found', 'a replay has no such control'))
    })
    app.get('/accounts', () => shownAccounts(accounts))
    // Whoever asks for the time is about to follow it.
    app.get('/clock', () => {
      marketClock.run()
      return time()
    })
    // The body of the ticker's `POST /subscriptions`.
    app.get('/subscriptions', () => ({
      instruments: [...streamed].map(([instrument_token, mode]) => ({ instrument_token, mode })),
    }))
    app.get('/status', () => ({
      ...time(),
      is_running: marketClock.isRunning,
      is_ended: !feed.isOpen,
      from: formatIst(fromMs),
      to: formatIst(toMs),
      lag_ms: feed.lagMs,
      packets: feed.packets,
      cuts: feed.cuts,
      connections: feed.connections.size,
    }))
    done()
  }
}
