/**
 * All clients of `GET /stream`, on one beat: ten times a second every chain that somebody follows is
 * looked at once, its difference made once, and sent to those who have room. Without clients there is
 * no beat, and without subscriptions nothing is computed.
 *
 *   connect ─▶ subscribe ─▶ snapshot ─▶ delta, delta … ─┐
 *                              ▲                        │ unread bytes over the cap, resnapshot,
 *                              └────────────────────────┘ the nearest expiry rolls
 *   unread for too long, no pong, stop ─▶ dropped {reason} ─▶ closed
 */
import type {
  BackfillMessage,
  ClientMessage,
  DroppedMessage,
  HealthMessage,
  SubscribeChain,
} from '../../../contract/api/stream.ts'
import type { Clock } from '../../../kit/clock.ts'
import type { Log } from '../../../kit/log.ts'
import {
  STREAM_BEAT_MS,
  STREAM_CLIENTS,
  STREAM_CLOSE_MS,
  STREAM_HEALTH_PERIOD_MS,
  STREAM_PING_PERIOD_MS,
  STREAM_SUBSCRIPTIONS_PER_CLIENT,
} from '../../../limits.ts'
import type { PresentedChain } from '../../chain/present-chain.ts'
import { ApiError } from '../api-error.ts'
import { ChainGroup, type ChainOf, groupKey } from './chain-group.ts'
import { readClientMessage } from './client-message.ts'
import {
  type ChainSubscription,
  type DropReason,
  type StateSubscription,
  StreamClient,
  type StreamSocket,
} from './stream-client.ts'

/** What health says, without what the subscription adds. */
export type SaidHealth = Omit<HealthMessage, 'op' | 'id' | 'channel' | 'stream_epoch' | 'sequence'>

/** What backfill says, without what the subscription adds. */
export type SaidBackfill = Pick<BackfillMessage, 'queue' | 'backfills'>

export interface StreamSources {
  /** The chain now; the same object while nothing changed, undefined where it is not listed. */
  chain(of: ChainOf): PresentedChain | undefined
  ageMs(presented: PresentedChain): number | null
  /** The canonical symbol; throws ApiError. */
  requireSymbol(asked: string): string
  /** The expiry that is meant, null the nearest; throws ApiError. */
  requireExpiry(symbol: string, expiry: string | null): string
  health(): SaidHealth
  backfill(): SaidBackfill
}

/** What the socket tells of itself. */
export interface ConnectedClient {
  onMessage(data: string, isBinary: boolean): void
  onPong(): void
  onClose(): void
}

/** Health is looked at, and the nearest expiry resolved again, once in so many beats. */
const SLOW_BEAT = 10

const NORMAL_CLOSE = 1000
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const TRY_AGAIN_LATER = 1013

const CLOSE_CODES: Readonly<Record<DropReason, number>> = {
  slow_client: POLICY_VIOLATION,
  too_many_clients: TRY_AGAIN_LATER,
  shutting_down: GOING_AWAY,
  unauthorized: POLICY_VIOLATION,
}

export class StreamHub {
  readonly #from: StreamSources
  readonly #clock: Clock
  readonly #log: Pick<Log, 'info'>
  /** New at every start; a sequence has a meaning within it only. */
  readonly #epoch: string
  readonly #clients = new Set<StreamClient>()
  readonly #groups = new Map<string, ChainGroup<ChainSubscription>>()
  #beats = 0
  #stopBeat: (() => void) | undefined
  #isStopped = false

  constructor(from: StreamSources, clock: Clock, log: Pick<Log, 'info'>) {
    this.#from = from
    this.#clock = clock
    this.#log = log
    this.#epoch = String(Math.floor(clock.nowMs()))
  }

  get clients(): number {
    return this.#clients.size
  }

  connect(socket: StreamSocket): ConnectedClient {
    const client = new StreamClient(socket, this.#clock.elapsedMs())
    if (this.#isStopped || this.#clients.size >= STREAM_CLIENTS) {
      if (this.#isStopped) this.#drop(client, 'shutting_down', STOPPING)
      else this.#drop(client, 'too_many_clients', `There are ${STREAM_CLIENTS} clients already.`)
    } else {
      this.#clients.add(client)
      this.#stopBeat ??= this.#clock.every(STREAM_BEAT_MS, () => this.#beat())
    }
    return {
      onMessage: (data, isBinary) => this.#take(client, data, isBinary),
      onPong: () => {
        client.awaitsPong = false
      },
      onClose: () => this.#forget(client),
    }
  }

  /** Tells every client and closes. */
  stop(): void {
    this.#isStopped = true
    for (const client of [...this.#clients]) {
      this.#drop(client, 'shutting_down', STOPPING)
    }
  }

  // -------------------------------------------------------------- what clients ask

  #take(client: StreamClient, data: string, isBinary: boolean): void {
    if (client.isGone) return
    if (!client.mayAsk(this.#clock.elapsedMs())) {
      client.sendError(null, new ApiError(429, 'rate_limited', TOO_MUCH_SAID).body.error)
      return
    }
    const read = isBinary ? NOT_TEXT : readClientMessage(data)
    if (!read.ok) {
      client.sendError(read.id, read.error)
      return
    }
    try {
      this.#obey(client, read.message)
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause
      client.sendError(idOf(read.message), cause.body.error)
    }
  }

  #obey(client: StreamClient, message: ClientMessage): void {
    const id = idOf(message)
    if (message.op === 'unsubscribe') this.#end(client, id)
    else if (message.op === 'resnapshot') this.#resnapshot(client, id)
    else {
      this.#end(client, id)
      if (client.subscriptions.size >= STREAM_SUBSCRIPTIONS_PER_CLIENT) throw tooManySubscriptions()
      if (message.channel === 'chain') this.#follow(client, id, message)
      else this.#followState(client, id, message.channel)
    }
  }

  #follow(client: StreamClient, id: string, message: SubscribeChain): void {
    const symbol = this.#from.requireSymbol(message.symbol)
    const expiry = message.expiry ?? null
    const eachSide = message.strikes ?? null
    const resolved = this.#from.requireExpiry(symbol, expiry)
    const subscription: ChainSubscription = {
      kind: 'chain',
      id,
      client,
      symbol,
      expiry,
      eachSide,
      group: this.#group({ symbol, expiry: resolved, eachSide }),
      revision: 0,
      sequence: 0,
    }
    subscription.group.followers.add(subscription)
    client.subscriptions.set(id, subscription)
    this.#bringUpToDate(subscription)
  }

  #followState(client: StreamClient, id: string, kind: StateSubscription['kind']): void {
    const subscription: StateSubscription = {
      kind,
      id,
      sequence: 0,
      saidAtMs: Number.NEGATIVE_INFINITY,
      said: '',
    }
    client.subscriptions.set(id, subscription)
    this.#sayState(client, subscription, this.#stateOf(kind))
  }

  #resnapshot(client: StreamClient, id: string): void {
    const subscription = client.subscriptions.get(id)
    if (subscription === undefined) {
      throw new ApiError(404, 'not_found', `There is no subscription "${id}".`, {
        field: 'id',
        known: [...client.subscriptions.keys()],
      })
    }
    if (subscription.kind === 'chain') {
      subscription.revision = 0
      this.#bringUpToDate(subscription)
    } else {
      subscription.saidAtMs = Number.NEGATIVE_INFINITY
      this.#sayState(client, subscription, this.#stateOf(subscription.kind))
    }
  }

  #end(client: StreamClient, id: string): void {
    const subscription = client.subscriptions.get(id)
    if (subscription === undefined) return
    client.subscriptions.delete(id)
    if (subscription.kind === 'chain') this.#leave(subscription)
  }

  // -------------------------------------------------------------- groups

  /** Throws ApiError where the series is no longer listed. */
  #group(of: ChainOf): ChainGroup<ChainSubscription> {
    const known = this.#groups.get(groupKey(of))
    if (known !== undefined) return known
    const presented = this.#from.chain(of)
    if (presented === undefined) throw gone(of)
    const group = new ChainGroup<ChainSubscription>(of, presented)
    this.#groups.set(group.key, group)
    return group
  }

  #leave(subscription: ChainSubscription): void {
    const { group } = subscription
    group.followers.delete(subscription)
    if (group.followers.size === 0) this.#groups.delete(group.key)
  }

  // -------------------------------------------------------------- the beat

  #beat(): void {
    this.#beats++
    const nowMs = this.#clock.elapsedMs()
    for (const client of [...this.#clients]) this.#watch(client, nowMs)
    if (this.#beats % SLOW_BEAT === 0) this.#rollExpiries()
    for (const group of [...this.#groups.values()]) this.#advance(group)
    if (this.#beats % SLOW_BEAT === 0) this.#tellStates()
  }

  #watch(client: StreamClient, nowMs: number): void {
    if (client.isSlow(nowMs)) {
      this.#drop(client, 'slow_client', 'You read more slowly than the market moves.')
      return
    }
    if (nowMs - client.pingedAtMs < STREAM_PING_PERIOD_MS) return
    if (client.awaitsPong) {
      this.#drop(client, 'slow_client', 'A ping was not answered.')
      return
    }
    client.awaitsPong = true
    client.pingedAtMs = nowMs
    client.socket.ping()
  }

  #advance(group: ChainGroup<ChainSubscription>): void {
    const presented = this.#from.chain(group.of)
    if (presented === undefined) {
      this.#dissolve(group)
      return
    }
    group.update(presented)
    for (const subscription of group.followers) this.#bringUpToDate(subscription)
  }

  /** The series is not listed any more: its followers are told and may ask again. */
  #dissolve(group: ChainGroup<ChainSubscription>): void {
    const { error } = gone(group.of).body
    for (const subscription of [...group.followers]) {
      this.#end(subscription.client, subscription.id)
      subscription.client.sendError(subscription.id, error)
    }
  }

  #rollExpiries(): void {
    for (const group of [...this.#groups.values()]) {
      for (const subscription of [...group.followers]) {
        if (subscription.expiry === null) this.#rollExpiry(subscription)
      }
    }
  }

  #rollExpiry(subscription: ChainSubscription): void {
    const { symbol, eachSide, client, id } = subscription
    try {
      const nearest = this.#from.requireExpiry(symbol, null)
      if (nearest === subscription.group.of.expiry) return
      const group = this.#group({ symbol, expiry: nearest, eachSide })
      this.#leave(subscription)
      subscription.group = group
      subscription.revision = 0
      group.followers.add(subscription)
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause
      this.#end(client, id)
      client.sendError(id, cause.body.error)
    }
  }

  #bringUpToDate(subscription: ChainSubscription): void {
    const { group, client, id, revision } = subscription
    if (revision === group.revision || !client.hasRoom) return
    subscription.revision = group.revision
    subscription.sequence++
    const common = `"id":${JSON.stringify(id)},"channel":"chain","sequence":${subscription.sequence},"age_ms":${this.#from.ageMs(group.presented)}`
    const delta = group.deltaFrom(revision)
    client.send(
      delta === undefined
        ? `{"op":"snapshot","stream_epoch":"${this.#epoch}",${common},"chain":${group.snapshot()}}`
        : `{"op":"delta",${common},${delta.slice(1)}`,
    )
  }

  // -------------------------------------------------------------- health, backfill

  #tellStates(): void {
    const states = new Map<StateSubscription['kind'], State>()
    for (const client of this.#clients) {
      for (const subscription of client.subscriptions.values()) {
        const { kind } = subscription
        if (kind === 'chain') continue
        const state = states.get(kind) ?? this.#stateOf(kind)
        states.set(kind, state)
        this.#sayState(client, subscription, state)
      }
    }
  }

  #stateOf(kind: StateSubscription['kind']): State {
    if (kind === 'health') {
      const health = this.#from.health()
      return { body: health, essence: essenceOf(health) }
    }
    const backfill = this.#from.backfill()
    return { body: backfill, essence: JSON.stringify(backfill) }
  }

  /** Says it when something changed, or when it is due. */
  #sayState(client: StreamClient, subscription: StateSubscription, state: State): void {
    const nowMs = this.#clock.elapsedMs()
    const { kind, id } = subscription
    const isDue =
      nowMs - subscription.saidAtMs >= STREAM_HEALTH_PERIOD_MS - SLOW_BEAT * STREAM_BEAT_MS
    if ((state.essence === subscription.said && !isDue) || !client.hasRoom) return
    subscription.said = state.essence
    subscription.saidAtMs = nowMs
    subscription.sequence++
    const { sequence } = subscription
    const head = { op: kind, id, channel: kind, stream_epoch: this.#epoch, sequence }
    client.send(JSON.stringify({ ...head, ...state.body }))
  }

  // -------------------------------------------------------------- the end of a client

  #drop(client: StreamClient, reason: DropReason, message: string): void {
    const dropped: DroppedMessage = { op: 'dropped', reason, message }
    client.send(JSON.stringify(dropped))
    this.#log.info({ reason, clients: this.#clients.size }, 'Stream client dropped')
    this.#forget(client)
    client.socket.close(CLOSE_CODES[reason] ?? NORMAL_CLOSE, reason)
    this.#clock.after(STREAM_CLOSE_MS, () => client.socket.terminate())
  }

  #forget(client: StreamClient): void {
    client.isGone = true
    for (const id of [...client.subscriptions.keys()]) this.#end(client, id)
    this.#clients.delete(client)
    if (this.#clients.size > 0) return
    this.#stopBeat?.()
    this.#stopBeat = undefined
  }
}

interface State {
  readonly body: SaidHealth | SaidBackfill
  /** What counts as a change of it. */
  readonly essence: string
}

/** What counts as a change: all but the clocks. */
function essenceOf({ status, message, gaps_open, calendar, feed }: SaidHealth): string {
  return JSON.stringify([status, message, gaps_open, calendar.session, calendar.assumed, feed])
}

function idOf(message: ClientMessage): string {
  if (message.op === 'subscribe') return message.id ?? message.channel
  return message.id
}

const NOT_TEXT = {
  ok: false,
  id: null,
  error: new ApiError(400, 'bad_request', 'Messages are JSON text, not binary.').body.error,
} as const

const STOPPING = 'The server stops; it may be back soon.'
const TOO_MUCH_SAID = 'Too many messages in a second; this one was not read.'

function tooManySubscriptions(): ApiError {
  const limit = STREAM_SUBSCRIPTIONS_PER_CLIENT
  return new ApiError(429, 'capacity_exceeded', `One client has ${limit} subscriptions at most.`, {
    limit,
  })
}

function gone({ symbol, expiry }: ChainOf): ApiError {
  return new ApiError(404, 'unknown_expiry', `${symbol} ${expiry} is not listed.`, {
    field: 'expiry',
  })
}
