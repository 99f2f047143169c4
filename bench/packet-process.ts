/**
 * A broker that sends packets at a set rate and costs little itself, for measuring the program at rates
 * that the simulated exchange has no breath for: 4,500 instruments and more, in turn over all sockets,
 * in slots of 5 ms. After a pause of its own it makes up for all of it, and a packet's time is the one
 * when it was due.
 *
 * Beside Kite's protocol: `GET /control/rate?per_second=` (packets of all sockets together), and
 * `GET /control/sent` (packets since the start, the longest pause of its own since it was asked last,
 * and what its sockets still hold).
 */
import type { WebSocket } from 'ws'
import type { Contract } from '../src/exchange/market/contract.ts'
import { Market } from '../src/exchange/market/market.ts'
import { parseClientMessage } from '../src/kite/client-message.ts'
import { startLightBroker } from './load/light-broker.ts'
import type { PacketOrder, SentPackets } from './load/packet-order.ts'
import { PacketStream } from './load/packet-stream.ts'
import { Random } from './load/random.ts'

const SLOT_MS = 5
/** What a socket may hold unsent: a reader that is so far behind has lost the race. */
const UNSENT_MAX_BYTES = 1024 ** 3

const order = JSON.parse(process.argv[2] ?? '') as PacketOrder
const market = new Market(String(order.seed))
const startMs = Date.now()
const { contracts } = market.listing(startMs)
const byToken = new Map(contracts.map((contract) => [contract.instrument.token, contract]))
const random = new Random(order.seed)
const connections = new Set<Peer>()
let sentBefore = 0
let packetsPerSlot = 0
let owed = 0
let slots = 0
let latestMs = performance.now()
let longestPauseMs = 0

class Peer {
  readonly socket: WebSocket
  readonly #subscribed = new Map<number, Contract>()
  #stream: PacketStream | undefined

  constructor(socket: WebSocket) {
    this.socket = socket
  }

  get sent(): number {
    return this.#stream?.sent ?? 0
  }

  get instruments(): number {
    return this.#subscribed.size
  }

  /** Of what is subscribed now; made when it is needed, since subscriptions come in many messages. */
  get stream(): PacketStream {
    this.#stream ??= new PacketStream(market, [...this.#subscribed.values()], startMs, random)
    return this.#stream
  }

  hear(text: string): void {
    const message = parseClientMessage(text)
    if (message.kind === 'fault' || message.kind === 'mode') return
    this.#end()
    for (const token of message.tokens) {
      const contract = byToken.get(token)
      if (contract === undefined || message.kind === 'unsubscribe') this.#subscribed.delete(token)
      else this.#subscribed.set(token, contract)
    }
  }

  closed(): void {
    this.#end()
    connections.delete(this)
  }

  #end(): void {
    sentBefore += this.sent
    this.#stream = undefined
  }
}

/** Hands out what is due since the last slot, each slot with its own time. */
function send(): void {
  const nowMs = performance.now()
  longestPauseMs = Math.max(longestPauseMs, nowMs - latestMs)
  latestMs = nowMs
  const due = Math.floor(nowMs / SLOT_MS)
  if (slots === 0) slots = due
  for (; slots < due; slots++) sendSlot(performance.timeOrigin + slots * SLOT_MS)
}

function sendSlot(dueAtMs: number): void {
  const all = sum((peer) => peer.instruments)
  if (all === 0) return
  owed += packetsPerSlot
  const whole = Math.floor(owed)
  owed -= whole
  let reached = 0
  let given = 0
  for (const peer of connections) {
    reached += peer.instruments
    const count = Math.round((whole * reached) / all) - given
    given += count
    if (count > 0) peer.socket.send(peer.stream.frame(count, dueAtMs))
    if (peer.socket.bufferedAmount > UNSENT_MAX_BYTES) throw new Error('a socket is not read')
  }
}

function sent(): SentPackets {
  const told = {
    packets: sum((peer) => peer.sent) + sentBefore,
    longest_pause_ms: longestPauseMs,
    unsent_bytes: sum(({ socket }) => socket.bufferedAmount),
  }
  longestPauseMs = 0
  return told
}

function sum(of: (peer: Peer) => number): number {
  return [...connections].reduce((total, peer) => total + of(peer), 0)
}

function setRate(query: URLSearchParams): object {
  packetsPerSlot = (Number(query.get('per_second')) * SLOT_MS) / 1000
  return {}
}

startLightBroker({
  listed: contracts.map(({ instrument }) => instrument),
  onConnection: (socket) => {
    const peer = new Peer(socket)
    connections.add(peer)
    return peer
  },
  control: { '/control/rate': setRate, '/control/sent': sent },
})
setInterval(send, SLOT_MS)
