/**
 * One socket of the stream: its subscriptions and whether it reads. A client that does not read is
 * sent nothing new (it gets a snapshot once it has read), and after a while it is dropped.
 */
import type { ErrorDetail } from '../../../contract/api/error.ts'
import type { DROP_REASONS } from '../../../contract/api/stream.ts'
import {
  STREAM_MESSAGES_PER_SECOND,
  STREAM_SLOW_CLIENT_MS,
  STREAM_UNREAD_MAX_BYTES,
} from '../../../limits.ts'
import type { ChainGroup } from './chain-group.ts'

/** The part of a WebSocket that is used. */
export interface StreamSocket {
  /** Bytes handed over and not yet taken by the network. */
  readonly bufferedAmount: number
  send(text: string): void
  ping(): void
  close(code: number, reason: string): void
  terminate(): void
}

export type DropReason = (typeof DROP_REASONS)[number]

export interface ChainSubscription {
  readonly kind: 'chain'
  readonly id: string
  readonly client: StreamClient
  readonly symbol: string
  /** null = the nearest one, whichever that is. */
  readonly expiry: string | null
  readonly eachSide: number | null
  group: ChainGroup<ChainSubscription>
  /** Of the group's, what the client has; 0 = nothing, a snapshot is due. */
  revision: number
  sequence: number
}

/** Of something that is said whole: on each change, and from time to time. */
export interface StateSubscription {
  readonly kind: 'health' | 'backfill'
  readonly id: string
  sequence: number
  saidAtMs: number
  /** What was said last, without what changes by itself. */
  said: string
}

export type Subscription = ChainSubscription | StateSubscription

export class StreamClient {
  readonly socket: StreamSocket
  readonly subscriptions = new Map<string, Subscription>()
  isGone = false
  /** A ping was sent and not answered. */
  awaitsPong = false
  pingedAtMs: number
  #unreadSinceMs: number | undefined
  #secondBeganAtMs = Number.NEGATIVE_INFINITY
  #messagesInSecond = 0

  constructor(socket: StreamSocket, nowMs: number) {
    this.socket = socket
    this.pingedAtMs = nowMs
  }

  /** Whether it may be sent more; otherwise it has too much that it did not read. */
  get hasRoom(): boolean {
    return this.socket.bufferedAmount <= STREAM_UNREAD_MAX_BYTES
  }

  /** Whether it has not read for so long that it is given up. */
  isSlow(nowMs: number): boolean {
    if (this.hasRoom) {
      this.#unreadSinceMs = undefined
      return false
    }
    this.#unreadSinceMs ??= nowMs
    return nowMs - this.#unreadSinceMs >= STREAM_SLOW_CLIENT_MS
  }

  /** Counts a message of the client; false where it says too much. */
  mayAsk(nowMs: number): boolean {
    if (nowMs - this.#secondBeganAtMs >= 1_000) {
      this.#secondBeganAtMs = nowMs
      this.#messagesInSecond = 0
    }
    this.#messagesInSecond++
    return this.#messagesInSecond <= STREAM_MESSAGES_PER_SECOND
  }

  send(text: string): void {
    if (!this.isGone) this.socket.send(text)
  }

  /** A client that does not read is told no errors: they would fill memory. */
  sendError(id: string | null, error: ErrorDetail): void {
    if (this.hasRoom) this.send(JSON.stringify({ op: 'error', id, error }))
  }
}
