/**
 * The exchange's own books: every packet that went onto a connection, numbered as the receiver
 * numbers them, so that what arrived can be compared with what was sent. Totals and counts by token
 * are complete; of single packets the last ones are kept.
 */
import { EXCHANGE_LEDGER_CLOSED_CONNECTIONS, EXCHANGE_LEDGER_PACKETS } from '../limits.ts'

/** `malformed`, `truncated`: sent broken on purpose, and so not counted for their token. */
export const PACKET_KINDS = ['whole', 'malformed', 'truncated'] as const
export type PacketKind = (typeof PACKET_KINDS)[number]
const WHOLE = 0

export interface LedgerPacket {
  readonly ordinal: number
  readonly token: number
  /** Market time of the sending. */
  readonly time_ms: number
  readonly kind: PacketKind
}

/** What a `mute` kept back: how many packets, and the market time of the first and the last. */
export interface Withheld {
  packets: number
  first_ms: number | null
  last_ms: number | null
}

/** The count of one token on one connection; the hot path holds on to it. */
export interface TokenCount {
  readonly token: number
  packets: number
}

export class ConnectionLedger {
  readonly connection: number
  readonly account: string
  readonly remotePort: number | undefined
  /** What the client calls itself in its URL. */
  readonly uid: string | undefined
  readonly openedMs: number
  closedMs: number | undefined
  closeCode: number | undefined
  packets = 0
  malformed = 0
  truncated = 0
  frames = 0
  heartbeats = 0
  bytes = 0
  /** Packets that were due but left out, since the client was too slow. */
  conflated = 0
  readonly withheld: Withheld = { packets: 0, first_ms: null, last_ms: null }
  private readonly counts = new Map<number, TokenCount>()
  private readonly tokens = new Uint32Array(EXCHANGE_LEDGER_PACKETS)
  private readonly timesMs = new Float64Array(EXCHANGE_LEDGER_PACKETS)
  private readonly kinds = new Uint8Array(EXCHANGE_LEDGER_PACKETS)

  constructor(opened: {
    readonly connection: number
    readonly account: string
    readonly remotePort: number | undefined
    readonly uid: string | undefined
    readonly openedMs: number
  }) {
    this.connection = opened.connection
    this.account = opened.account
    this.remotePort = opened.remotePort
    this.uid = opened.uid
    this.openedMs = opened.openedMs
  }

  countOf(token: number): TokenCount {
    const known = this.counts.get(token)
    if (known !== undefined) return known
    const count = { token, packets: 0 }
    this.counts.set(token, count)
    return count
  }

  sent(count: TokenCount, timeMs: number): void {
    count.packets++
    this.note(count.token, WHOLE, timeMs)
  }

  sentBroken(count: TokenCount, kind: 'malformed' | 'truncated', timeMs: number): void {
    this[kind]++
    this.note(count.token, PACKET_KINDS.indexOf(kind), timeMs)
  }

  /** Kept back by a fault: it has no ordinal, since it never left. */
  keptBack(timeMs: number): void {
    this.withheld.packets++
    this.withheld.first_ms ??= timeMs
    this.withheld.last_ms = timeMs
  }

  /** Packets by token. */
  byToken(): Record<string, number> {
    return Object.fromEntries(
      [...this.counts.values()].map(({ token, packets }) => [token, packets]),
    )
  }

  /** Kept packets from an ordinal on, oldest first. */
  from(ordinal: number, limit: number): LedgerPacket[] {
    const first = Math.max(ordinal, this.packets - EXCHANGE_LEDGER_PACKETS + 1, 1)
    const last = Math.min(this.packets, first + limit - 1)
    const packets: LedgerPacket[] = []
    for (let each = first; each <= last; each++) packets.push(this.packet(each))
    return packets
  }

  private note(token: number, kind: number, timeMs: number): void {
    const at = this.packets % EXCHANGE_LEDGER_PACKETS
    this.packets++
    this.tokens[at] = token
    this.timesMs[at] = timeMs
    this.kinds[at] = kind
  }

  private packet(ordinal: number): LedgerPacket {
    const at = (ordinal - 1) % EXCHANGE_LEDGER_PACKETS
    return {
      ordinal,
      token: this.tokens[at] as number,
      time_ms: this.timesMs[at] as number,
      kind: PACKET_KINDS[this.kinds[at] as number] ?? 'whole',
    }
  }
}

/** All connections, open ones and the last that closed. */
export class Ledger {
  private readonly open = new Map<number, ConnectionLedger>()
  private readonly closed: ConnectionLedger[] = []

  opened(ledger: ConnectionLedger): void {
    this.open.set(ledger.connection, ledger)
  }

  closedNow(ledger: ConnectionLedger): void {
    if (!this.open.delete(ledger.connection)) return
    this.closed.push(ledger)
    if (this.closed.length > EXCHANGE_LEDGER_CLOSED_CONNECTIONS) this.closed.shift()
  }

  /** In the order in which they were opened. */
  connections(): ConnectionLedger[] {
    return [...this.closed, ...this.open.values()].sort((a, b) => a.connection - b.connection)
  }
}
