/**
 * What the exchange says that it sent, kept beyond the ledger's own memory: every packet of every
 * connection in order. It must be asked often enough that nothing has been forgotten meanwhile.
 */
import { getJson } from '../load/http.ts'

interface LedgerConnection {
  readonly connection: number
  readonly account: string
  readonly opened_ms: number
  readonly closed_ms: number | null
  readonly packets: number
}

interface LedgerPacket {
  readonly ordinal: number
  readonly token: number
  readonly time_ms: number
  readonly kind: 'whole' | 'malformed' | 'truncated'
}

interface LedgerAnswer {
  readonly connections: readonly LedgerConnection[]
  readonly packets?: readonly LedgerPacket[]
}

export interface SentConnection {
  readonly connection: number
  readonly account: string
  /** Market time, epoch ms. */
  readonly openedMs: number
  /** Market time, epoch ms; infinite while it is open. */
  closedMs: number
  readonly packets: LedgerPacket[]
}

export class SentBooks {
  readonly connections = new Map<number, SentConnection>()
  readonly #url: string
  readonly #finished = new Set<number>()

  constructor(exchangeUrl: string) {
    this.#url = `${exchangeUrl}/control/ledger`
  }

  get packets(): number {
    return [...this.connections.values()].reduce((sum, { packets }) => sum + packets.length, 0)
  }

  /** Takes what is new. Throws where the exchange has forgotten a part. */
  async read(): Promise<void> {
    const { connections } = await getJson<LedgerAnswer>(this.#url)
    for (const told of connections) {
      if (this.#finished.has(told.connection)) continue
      await this.#readOne(told)
      if (told.closed_ms !== null) this.#finished.add(told.connection)
    }
  }

  async #readOne(told: LedgerConnection): Promise<void> {
    const book = this.#bookOf(told)
    book.closedMs = told.closed_ms ?? Number.POSITIVE_INFINITY
    while (book.packets.length < told.packets) {
      const next = book.packets.length + 1
      const query = `connection=${told.connection}&from_ordinal=${next}`
      const { packets = [] } = await getJson<LedgerAnswer>(`${this.#url}?${query}`)
      if (packets[0]?.ordinal !== next) {
        throw new Error(`the exchange has forgotten packet ${next} of ${told.connection}`)
      }
      book.packets.push(...packets)
    }
  }

  #bookOf({ connection, account, opened_ms }: LedgerConnection): SentConnection {
    const known = this.connections.get(connection)
    if (known !== undefined) return known
    const closedMs = Number.POSITIVE_INFINITY
    const book = { connection, account, openedMs: opened_ms, closedMs, packets: [] }
    this.connections.set(connection, book)
    return book
  }
}
