/**
 * A broker that costs next to nothing, for measuring what a change of the subscriptions does to the
 * streams beside it: packets are made once and sent again and again. The instruments that are watched
 * tick every 10 ms, the others in turn, and everything that is subscribed is answered with a packet.
 *
 * Beside Kite's protocol: `GET /control/told` (what each connection was told, and when it ended being
 * told), `POST /control/drop` (closes all connections), `GET /control/lateness` (the broker's own
 * longest pause since it was asked last).
 */
import type { WebSocket } from 'ws'
import { Market } from '../src/exchange/market/market.ts'
import { parseClientMessage } from '../src/kite/client-message.ts'
import { FrameWriter } from '../src/kite/frame-writer.ts'
import type { TickMode } from '../src/market/tick.ts'
import type { BrokerOrder, ToldConnection } from './load/broker-order.ts'
import { startLightBroker } from './load/light-broker.ts'

const SLOT_MS = 10
const SECOND_MS = 1_000
/** Where a full packet tells the exchange's time. */
const EXCHANGE_TIME_AT = 60

const order = JSON.parse(process.argv[2] ?? '') as BrokerOrder
const watched = new Set(order.watched)
const connections = new Set<Peer>()
let latestMs = performance.now()
let longestMs = 0

class Peer {
  readonly modes = new Map<number, TickMode>()
  readonly openedAtMs = Date.now()
  readonly account: string
  toldAtMs = Date.now()
  readonly #socket: WebSocket
  readonly #writer = new FrameWriter()
  #others: number[] = []
  #turn = 0
  #first: number[] = []

  constructor(socket: WebSocket, account: string) {
    this.#socket = socket
    this.account = account
  }

  hear(text: string): void {
    const message = parseClientMessage(text)
    if (message.kind === 'fault') return
    this.toldAtMs = Date.now()
    for (const token of message.tokens) {
      if (message.kind === 'unsubscribe') this.modes.delete(token)
      else this.modes.set(token, message.kind === 'mode' ? message.mode : 'quote')
    }
    if (message.kind !== 'unsubscribe') this.#first.push(...message.tokens)
    this.#others = [...this.modes.keys()].filter((token) => !watched.has(token))
  }

  /** Every watched instrument, what is new, and as many others as are due. */
  slot(others: number): void {
    for (const token of this.modes.keys()) if (watched.has(token)) this.#add(token)
    for (const token of this.#first.splice(0)) if (this.modes.has(token)) this.#add(token)
    for (let i = 0; i < Math.min(others, this.#others.length); i++) {
      this.#add(this.#others[this.#turn++ % this.#others.length] as number)
    }
    if (this.#writer.packetCount > 0) this.#socket.send(this.#writer.take())
  }

  close(): void {
    this.#socket.close(1001)
  }

  closed(): void {
    connections.delete(this)
  }

  #add(token: number): void {
    this.#writer.packet(packetOf(token, this.modes.get(token) ?? 'quote'))
  }
}

const packets = new Map<string, Buffer>()

function packetOf(token: number, mode: TickMode): Buffer {
  const key = `${token} ${mode}`
  const packet = packets.get(key) ?? newPacket(token, mode)
  packets.set(key, packet)
  if (mode === 'full') packet.writeUInt32BE(Math.floor(Date.now() / SECOND_MS), EXCHANGE_TIME_AT)
  return packet
}

/** Only tradables are subscribed here. */
function newPacket(token: number, mode: TickMode): Buffer {
  const writer = new FrameWriter()
  const nowS = Math.floor(Date.now() / SECOND_MS)
  const level = { price: 12_340, quantity: 65, orders: 1 }
  const quote = {
    ...{ token, lastPrice: 12_345, lastQuantity: 65, averagePrice: 12_300, dayVolume: 6_500 },
    ...{ totalBuyQuantity: 1_000, totalSellQuantity: 2_000, dayOpen: 12_000, dayHigh: 13_000 },
    ...{ dayLow: 11_000, previousClose: 12_100 },
  }
  const book = { openInterest: 130_000, oiDayHigh: 140_000, oiDayLow: 120_000 }
  const times = { lastTradeTimeS: nowS, exchangeTimeS: nowS }
  if (mode === 'ltp') writer.ltp(quote)
  else if (mode === 'quote') writer.quote(quote)
  else writer.full({ ...quote, ...book, ...times, bids: [level], asks: [level] })
  return Buffer.from(writer.take().subarray(4))
}

function slot(): void {
  const nowMs = performance.now()
  longestMs = Math.max(longestMs, nowMs - latestMs)
  latestMs = nowMs
  const others = Math.ceil((order.othersPerSecond * SLOT_MS) / SECOND_MS / (connections.size || 1))
  for (const connection of connections) connection.slot(others)
}

function told({ account, openedAtMs, toldAtMs, modes }: Peer): ToldConnection {
  const full = [...modes.values()].filter((mode) => mode === 'full').length
  return { account, openedAtMs, toldAtMs, subscribed: modes.size, full }
}

function dropAll(): object {
  for (const connection of connections) connection.close()
  return {}
}

function lateness(): object {
  const told = { longest_ms: longestMs }
  longestMs = 0
  return told
}

startLightBroker({
  listed: new Market(String(order.seed))
    .listing(Date.now())
    .contracts.map(({ instrument }) => instrument),
  onConnection: (socket, account) => {
    const peer = new Peer(socket, account)
    connections.add(peer)
    return peer
  },
  control: {
    '/control/told': () => [...connections].map(told),
    '/control/drop': dropAll,
    '/control/lateness': lateness,
  },
})
setInterval(slot, SLOT_MS)
