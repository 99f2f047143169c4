/**
 * The feed of a replay: the journal's ticks in the journal's order, each when market time has come to
 * it, to whoever has subscribed. Nothing is conflated: a client that does not keep up makes the replay
 * fall behind its clock, and it catches up as fast as the client takes it.
 *
 *   before the start (only noted) ──▶ played ──▶ ended: everybody is disconnected, nobody let in
 *
 * Where the journal knows nothing more of an instrument (a gap, the end of its streaming) every
 * socket that carries it is closed, since a closed socket is the one way in which Kite's protocol
 * says that ticks may be missing. After its reconnect the client gets nothing of it until it streams
 * again.
 */
import type { Clock } from '../../kit/clock.ts'
import {
  EXCHANGE_HEARTBEAT_PERIOD_MS,
  EXCHANGE_SEND_BUFFER_CONFLATE_BYTES,
  EXCHANGE_SLOT_MS,
  EXCHANGE_SLOW_CLIENT_MS,
  REPLAY_RECORDS_PER_TURN,
} from '../../limits.ts'
import type { JournalledTick, TickMode } from '../../market/tick.ts'
import type { ClientConnection } from '../client-connection.ts'
import type { ClientFeed } from '../client-feed.ts'
import type { Subscription } from '../subscription.ts'
import { KnownTicks } from './known-ticks.ts'
import { packetOfTick } from './packet-of-tick.ts'
import type { ReplayJournal, ReplayRecord } from './ports.ts'
import type { ReplayClock } from './replay-clock.ts'

export interface ReplayFeedOptions {
  readonly journal: ReplayJournal
  readonly marketClock: ReplayClock
  readonly clock: Clock
  /** Nothing after this market time is played. */
  readonly endMs: number
}

export class ReplayFeed implements ClientFeed {
  readonly connections = new Set<ClientConnection>()
  isOpen = true
  /** Packets sent, by all connections. */
  packets = 0
  /** Sockets closed because the journal knows no more of an instrument that they carry. */
  cuts = 0
  readonly known: KnownTicks
  private readonly options: ReplayFeedOptions
  private readonly subscriptions = new Map<number, Set<Subscription>>()
  private readonly stopping = new AbortController()
  private readonly cancelHeartbeat: () => void
  private slowSinceElapsedMs: number | undefined
  private sinceTurn = 0

  constructor(options: ReplayFeedOptions) {
    this.options = options
    this.known = new KnownTicks(options.journal.gaps)
    this.cancelHeartbeat = options.clock.every(EXCHANGE_HEARTBEAT_PERIOD_MS, () => {
      for (const connection of this.connections) connection.heartbeat()
    })
  }

  /** How far what is sent lags behind market time; 0 while it keeps up. */
  lagMs = 0

  stop(): void {
    this.stopping.abort()
    this.cancelHeartbeat()
    for (const connection of [...this.connections]) connection.shutDown()
  }

  // -------------------------------------------------------------- subscriptions

  subscribe(connection: ClientConnection, tokens: readonly number[], mode?: TickMode): number {
    let refused = 0
    for (const token of tokens) {
      const subscription = connection.subscribe(token, mode)
      if (subscription === undefined) {
        refused++
        continue
      }
      this.listenersOf(token).add(subscription)
      const newest = this.known.newest(token)
      if (newest !== undefined) this.send(subscription, newest)
    }
    connection.flush()
    return refused
  }

  unsubscribe(connection: ClientConnection, tokens: readonly number[]): void {
    for (const token of tokens) {
      const subscription = connection.subscriptions.get(token)
      if (subscription === undefined) continue
      connection.unsubscribe(token)
      this.subscriptions.get(token)?.delete(subscription)
    }
  }

  drop(connection: ClientConnection): void {
    this.connections.delete(connection)
    this.unsubscribe(connection, [...connection.subscriptions.keys()])
  }

  private listenersOf(token: number): Set<Subscription> {
    const known = this.subscriptions.get(token)
    if (known !== undefined) return known
    const listeners = new Set<Subscription>()
    this.subscriptions.set(token, listeners)
    return listeners
  }

  // -------------------------------------------------------------- playing

  /** Plays to the end, or until it is stopped; rejects where the journal cannot be read. */
  async play(): Promise<void> {
    const { endMs, journal } = this.options
    for await (const records of journal.batches()) {
      for (const record of records) {
        if (record.timeMs > endMs) return this.end()
        await this.whenDue(record.timeMs)
        if (this.stopping.signal.aborted) return
        this.take(record)
      }
    }
    this.end()
  }

  private take(record: ReplayRecord): void {
    const { tick, ended } = this.known.take(record)
    if (ended.length > 0) this.cut(ended)
    if (tick === undefined) return
    for (const subscription of this.subscriptions.get(tick.token) ?? []) {
      this.send(subscription, tick)
    }
  }

  private send(subscription: Subscription, tick: JournalledTick): void {
    this.packets++
    subscription.connection.append(subscription, packetOfTick(tick, subscription.mode))
  }

  /** Waits for market time, for clients that do not keep up, and lets others have the processor. */
  private async whenDue(timeMs: number): Promise<void> {
    const { marketClock } = this.options
    while (!this.stopping.signal.aborted) {
      const isDue = timeMs <= marketClock.nowMs()
      if (isDue && this.sinceTurn < REPLAY_RECORDS_PER_TURN) {
        this.sinceTurn++
        return
      }
      this.lagMs = Math.max(0, marketClock.nowMs() - timeMs)
      this.flush()
      const isHeldUp = this.isHeldUp()
      await this.pause(isDue && !isHeldUp ? 0 : EXCHANGE_SLOT_MS)
      if (!isHeldUp) this.sinceTurn = 0
    }
  }

  private flush(): void {
    for (const connection of this.connections) connection.flush()
  }

  /** Whether a client must first take what it was sent; one that takes nothing for long is closed. */
  private isHeldUp(): boolean {
    const slow = [...this.connections].filter(
      ({ bufferedBytes }) => bufferedBytes > EXCHANGE_SEND_BUFFER_CONFLATE_BYTES,
    )
    const nowMs = this.options.clock.elapsedMs()
    if (slow.length === 0) {
      this.slowSinceElapsedMs = undefined
      return false
    }
    this.slowSinceElapsedMs ??= nowMs
    if (nowMs - this.slowSinceElapsedMs < EXCHANGE_SLOW_CLIENT_MS) return true
    for (const connection of slow) {
      this.drop(connection)
      connection.shutDown()
    }
    this.slowSinceElapsedMs = undefined
    return false
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.options.clock.after(delayMs, resolve)
    })
  }

  private cut(tokens: readonly number[]): void {
    const carriers = [...this.connections].filter(({ subscriptions }) =>
      tokens.some((token) => subscriptions.has(token)),
    )
    for (const connection of carriers) this.close(connection)
    this.cuts += carriers.length
  }

  /** What follows is not known, so nothing may look like it is. */
  private end(): void {
    this.isOpen = false
    for (const connection of [...this.connections]) this.close(connection)
  }

  private close(connection: ClientConnection): void {
    connection.flush()
    this.drop(connection)
    connection.close()
  }
}
