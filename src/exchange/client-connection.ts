/**
 * One client's WebSocket: what it has subscribed, the frame that is being filled for it, and what is
 * made to go wrong with it. What is sent is entered in the ledger as it leaves.
 *
 *   open ──▶ frames flow ──▶ the client is too slow: newest state only ──▶ flows again
 *                                    └──▶ too slow for too long: closed
 */
import { WebSocket } from 'ws'
import type { Clock } from '../kit/clock.ts'
import { FrameWriter, HEARTBEAT } from '../kite/frame-writer.ts'
import { formatTextMessage } from '../kite/text-message.ts'
import {
  EXCHANGE_DELAYED_FRAMES_MAX_BYTES,
  EXCHANGE_SEND_BUFFER_CONFLATE_BYTES,
  EXCHANGE_SEND_BUFFER_MAX_BYTES,
  EXCHANGE_SLOW_CLIENT_MS,
  EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION,
} from '../limits.ts'
import type { TickMode } from '../market/tick.ts'
import type { AccountIdentity } from './accounts.ts'
import type { ActiveFault, ConnectionFault } from './faults.ts'
import type { ConnectionLedger, TokenCount } from './ledger.ts'
import type { Subscription } from './subscription.ts'

export const TOO_MANY_INSTRUMENTS = `Can't subscribe to more than ${EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION} instruments.`

/** Close codes of RFC 6455. */
const GOING_AWAY = 1001
const HEARTBEAT_AFTER_MS = 900
const LONGEST_HOLD_MS = 2_500
/** The frame's packet count, a packet's length field. */
const FRAME_HEAD_BYTES = 2
const LENGTH_BYTES = 2

interface Frame {
  readonly bytes: Buffer
  /** Whose packets it holds, in order. */
  readonly counts: readonly TokenCount[]
}

interface DelayedFrame extends Frame {
  readonly dueElapsedMs: number
}

export interface ClientConnectionOptions {
  readonly socket: WebSocket
  readonly account: AccountIdentity
  readonly ledger: ConnectionLedger
  readonly clock: Clock
  /** Market time, for the ledger. */
  readonly marketNowMs: () => number
}

export class ClientConnection {
  readonly account: AccountIdentity
  readonly ledger: ConnectionLedger
  readonly subscriptions = new Map<number, Subscription>()
  private readonly socket: WebSocket
  private readonly clock: Clock
  private readonly marketNowMs: () => number
  private readonly writer = new FrameWriter()
  private counts: TokenCount[] = []
  private readonly faults = new Map<ConnectionFault, ActiveFault>()
  /** Instruments that are muted alone, and until when. */
  private readonly muted = new Map<number, number>()
  private held: Frame | undefined
  private heldSinceElapsedMs = 0
  private delayed: DelayedFrame[] = []
  private delayedBytes = 0
  private lastSentElapsedMs: number
  private slowSinceElapsedMs: number | undefined

  constructor({ socket, account, ledger, clock, marketNowMs }: ClientConnectionOptions) {
    this.socket = socket
    this.account = account
    this.ledger = ledger
    this.clock = clock
    this.marketNowMs = marketNowMs
    this.lastSentElapsedMs = clock.elapsedMs()
  }

  get id(): number {
    return this.ledger.connection
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount + this.delayedBytes
  }

  /**
   * The subscription of a token, in `mode` from now on; without one a new subscription is in `quote`
   * and a known one keeps its own. Undefined beyond the limit.
   */
  subscribe(token: number, mode: TickMode | undefined): Subscription | undefined {
    const known = this.subscriptions.get(token)
    if (known !== undefined) {
      if (mode !== undefined) known.mode = mode
      return known
    }
    if (this.subscriptions.size >= EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION) return undefined
    const subscription: Subscription = {
      token,
      mode: mode ?? 'quote',
      connection: this,
      count: this.ledger.countOf(token),
      instrument: undefined,
      lastPriceSent: -1,
      isStale: false,
    }
    this.subscriptions.set(token, subscription)
    return subscription
  }

  /** An instrument that was muted alone is healed by this, as a socket is by being opened anew. */
  unsubscribe(token: number): void {
    this.subscriptions.delete(token)
    this.muted.delete(token)
  }

  // -------------------------------------------------------------- sending

  /** Puts a packet into the next frame; false where it is left out, since the client is too slow. */
  append(subscription: Subscription, packet: Buffer): boolean {
    if (this.slowSinceElapsedMs !== undefined) {
      subscription.isStale = true
      this.ledger.conflated++
      return false
    }
    if (this.isWithheld(subscription.token)) {
      this.ledger.keptBack(this.marketNowMs())
      return true
    }
    if (!this.writer.hasRoom) this.endFrame()
    this.writer.packet(packet)
    this.counts.push(subscription.count)
    return true
  }

  /** Sends what has been put together, and what is due of delayed frames. */
  flush(): void {
    if (this.writer.packetCount > 0) this.endFrame()
    this.sendDue()
  }

  /**
   * Looks at how much is waiting to be taken by the client. Answers true when a slow client has
   * caught up and is to be given the newest state of what it missed.
   */
  checkPace(): boolean {
    const buffered = this.bufferedBytes
    if (buffered > EXCHANGE_SEND_BUFFER_MAX_BYTES) this.terminate()
    else if (this.slowSinceElapsedMs === undefined) {
      if (buffered > EXCHANGE_SEND_BUFFER_CONFLATE_BYTES) {
        this.slowSinceElapsedMs = this.clock.elapsedMs()
      }
    } else if (buffered < EXCHANGE_SEND_BUFFER_CONFLATE_BYTES / 4) {
      this.slowSinceElapsedMs = undefined
      return true
    } else if (this.clock.elapsedMs() - this.slowSinceElapsedMs > EXCHANGE_SLOW_CLIENT_MS) {
      this.terminate()
    }
    return false
  }

  /** One byte, where nothing else has been sent lately. */
  heartbeat(): void {
    this.releaseHeld()
    const quietMs = this.clock.elapsedMs() - this.lastSentElapsedMs
    const isOpen = this.socket.readyState === WebSocket.OPEN
    if (!isOpen || quietMs < HEARTBEAT_AFTER_MS || this.isFaulty('half_open')) return
    this.ledger.heartbeats++
    this.transmit(HEARTBEAT)
  }

  sayError(message: string): void {
    if (!this.isFaulty('half_open')) this.transmit(formatTextMessage('error', message))
  }

  close(code = GOING_AWAY, reason = ''): void {
    // A paused socket would never see the client's answer.
    this.socket.resume()
    this.socket.close(code, reason)
  }

  /** The exchange ends: a last word, and no waiting for an answer. */
  shutDown(): void {
    this.close(GOING_AWAY, 'the exchange is stopping')
    this.terminate()
  }

  private terminate(): void {
    this.socket.terminate()
  }

  /** A frame that is held back goes after the next one. */
  private endFrame(): void {
    const frame = { bytes: this.writer.take(), counts: this.counts }
    const before = this.held
    this.counts = []
    this.held = undefined
    if (this.socket.readyState !== WebSocket.OPEN) return
    if (before !== undefined) {
      this.pass(frame)
      this.pass(before)
    } else if (this.take('out_of_order')) {
      this.held = frame
      this.heldSinceElapsedMs = this.clock.elapsedMs()
    } else this.pass(frame)
  }

  /** Where no other frame comes, one is not held back for ever. */
  private releaseHeld(): void {
    const frame = this.held
    const heldMs = this.clock.elapsedMs() - this.heldSinceElapsedMs
    if (frame === undefined || heldMs < LONGEST_HOLD_MS) return
    this.held = undefined
    this.pass(frame)
  }

  private pass(frame: Frame): void {
    const slow = this.active('slow')
    if (slow !== undefined || this.delayed.length > 0) this.delay(frame, slow?.delayMs ?? 0)
    else this.send(frame)
  }

  private delay(frame: Frame, delayMs: number): void {
    if (this.delayedBytes + frame.bytes.byteLength > EXCHANGE_DELAYED_FRAMES_MAX_BYTES) {
      this.ledger.conflated += frame.counts.length
      return
    }
    this.delayed.push({ ...frame, dueElapsedMs: this.clock.elapsedMs() + delayMs })
    this.delayedBytes += frame.bytes.byteLength
  }

  private sendDue(): void {
    const nowMs = this.clock.elapsedMs()
    for (let next = this.delayed[0]; next !== undefined; next = this.delayed[0]) {
      if (next.dueElapsedMs > nowMs) return
      this.delayed.shift()
      this.delayedBytes -= next.bytes.byteLength
      this.send(next)
    }
  }

  private send(frame: Frame): void {
    if (this.isFaulty('half_open')) return
    if (this.take('malformed')) this.sendMalformed(frame)
    else if (this.take('truncated')) this.sendTruncated(frame)
    else {
      this.sendWhole(frame)
      if (this.take('duplicate')) this.sendWhole(frame)
    }
  }

  private sendWhole({ bytes, counts }: Frame): void {
    const timeMs = this.marketNowMs()
    for (const count of counts) this.ledger.sent(count, timeMs)
    this.ledger.frames++
    this.transmit(bytes)
  }

  /** The first packet loses its last byte, its length says so, and no kind of packet is that long. */
  private sendMalformed({ bytes, counts }: Frame): void {
    const [broken, ...whole] = counts
    if (broken === undefined) return
    const length = bytes.readUInt16BE(FRAME_HEAD_BYTES)
    const end = FRAME_HEAD_BYTES + LENGTH_BYTES + length
    const shortened = Buffer.concat([bytes.subarray(0, end - 1), bytes.subarray(end)])
    shortened.writeUInt16BE(length - 1, FRAME_HEAD_BYTES)
    const timeMs = this.marketNowMs()
    this.ledger.sentBroken(broken, 'malformed', timeMs)
    for (const count of whole) this.ledger.sent(count, timeMs)
    this.ledger.frames++
    this.transmit(shortened)
  }

  /** The frame ends within its last packet. */
  private sendTruncated({ bytes, counts }: Frame): void {
    const broken = counts.at(-1)
    if (broken === undefined) return
    const timeMs = this.marketNowMs()
    for (const count of counts.slice(0, -1)) this.ledger.sent(count, timeMs)
    this.ledger.sentBroken(broken, 'truncated', timeMs)
    this.ledger.frames++
    this.transmit(bytes.subarray(0, bytes.byteLength - 3))
  }

  private transmit(data: Buffer | string): void {
    this.ledger.bytes += data.length
    this.lastSentElapsedMs = this.clock.elapsedMs()
    this.socket.send(data, { binary: typeof data !== 'string' })
  }

  // -------------------------------------------------------------- faults

  inject(kind: ConnectionFault, fault: ActiveFault): void {
    if (fault.tokens !== undefined) {
      for (const token of fault.tokens) this.muted.set(token, fault.untilElapsedMs)
      return
    }
    this.faults.set(kind, fault)
    if (kind === 'half_open') this.socket.pause()
  }

  clearFaults(): void {
    this.faults.clear()
    this.muted.clear()
    this.socket.resume()
  }

  isFaulty(kind: ConnectionFault): boolean {
    return this.faults.size > 0 && this.active(kind) !== undefined
  }

  private isWithheld(token: number): boolean {
    if (this.isFaulty('mute') || this.isFaulty('half_open')) return true
    const untilElapsedMs = this.muted.size === 0 ? undefined : this.muted.get(token)
    if (untilElapsedMs === undefined) return false
    if (this.clock.elapsedMs() < untilElapsedMs) return true
    this.muted.delete(token)
    return false
  }

  private active(kind: ConnectionFault): ActiveFault | undefined {
    const fault = this.faults.get(kind)
    if (fault === undefined || this.clock.elapsedMs() < fault.untilElapsedMs) return fault
    this.faults.delete(kind)
    if (kind === 'half_open') this.socket.resume()
    return undefined
  }

  /** Whether a fault strikes this frame; one without a duration strikes once. */
  private take(kind: ConnectionFault): boolean {
    if (this.faults.size === 0) return false
    const fault = this.faults.get(kind)
    if (fault === undefined) return false
    if (fault.durationMs === undefined || fault.durationMs === 0) {
      this.faults.delete(kind)
      return true
    }
    return this.active(kind) !== undefined
  }
}
