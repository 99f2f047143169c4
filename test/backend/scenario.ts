/** A small market and a log made of it, for tests of the backend. */
import type { TickLog } from '../../src/backend/ports.ts'
import { BatchBuilder, isBatchFault, readHeader } from '../../src/contract/journal-batch.ts'
import type {
  BatchHeader,
  ControlRecord,
  Position,
  TailItem,
} from '../../src/contract/journal-record.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import type { JournalledTick } from '../../src/market/tick.ts'

export const OPEN_MS = Date.parse('2026-11-20T09:15:00+05:30')
export const EXPIRY = '2026-11-23'

export const NIFTY: Instrument = {
  token: 256265,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  name: 'NIFTY 50',
  symbol: 'NIFTY50',
  segment: 'INDICES',
  kind: 'index',
  optionType: null,
  expiry: null,
  strike: null,
  lotSize: 0,
  tickSize: 0,
}

export const FUTURE: Instrument = {
  ...NIFTY,
  token: 1001 * 256 + 2,
  exchange: 'NFO',
  tradingsymbol: 'NIFTY26NOVFUT',
  name: 'NIFTY',
  segment: 'NFO-FUT',
  kind: 'future',
  expiry: EXPIRY,
  lotSize: 65,
  tickSize: 0.1,
}

export function option(strike: number, optionType: 'CE' | 'PE', index: number): Instrument {
  return {
    ...FUTURE,
    token: (2000 + index) * 256 + 2,
    tradingsymbol: `NIFTY26NOV${strike}${optionType}`,
    segment: 'NFO-OPT',
    kind: 'option',
    optionType,
    strike,
    tickSize: 0.05,
  }
}

export const OPTIONS: readonly Instrument[] = [24400, 24450, 24500, 24550, 24600].flatMap(
  (strike, i) => [option(strike, 'CE', 2 * i), option(strike, 'PE', 2 * i + 1)],
)

export const ALL: readonly Instrument[] = [NIFTY, FUTURE, ...OPTIONS]

/** A full packet of the instrument at a moment of market time. */
export function packet(
  instrument: Instrument,
  atMs: number,
  rupees: number,
  over: Partial<JournalledTick> = {},
): JournalledTick {
  const isIndex = instrument.kind === 'index'
  const second = Math.floor(atMs / 1000)
  const price = Math.round(rupees * 100)
  const whenTraded = <T>(value: T) => (isIndex ? undefined : value)
  return {
    token: instrument.token,
    mode: 'full',
    isIndex,
    lastPrice: price,
    lastQuantity: whenTraded(65),
    averagePrice: whenTraded(price),
    dayVolume: whenTraded(0),
    dayOpen: price,
    dayHigh: price,
    dayLow: price,
    previousClose: price,
    lastTradeTimeS: whenTraded(second),
    exchangeTimeS: second,
    openInterest: whenTraded(650),
    bidPrice: whenTraded(price - 5),
    bidQuantity: whenTraded(65),
    askPrice: whenTraded(price + 5),
    askQuantity: whenTraded(130),
    connection: 1,
    receivedAtMs: atMs + 40,
    marketTimeMs: atMs + 40,
    ...over,
  }
}

export type Entry = ControlRecord | JournalledTick

/** A log in memory: batches are added, readers get them, live until they are aborted. */
export class MemoryLog implements TickLog {
  readonly producer: string
  readonly feed = 'simulated' as const
  readonly instruments = new Map<number, Instrument>()
  readonly batches: { header: BatchHeader; bytes: Uint8Array }[] = []
  committedTo: Position = { epoch: 0, sequence: 0 }
  oldest: Position = { epoch: 0, sequence: 0 }
  #epoch = 0
  #sequence = 0
  #ordinal = 0
  #waiting = new Set<() => void>()

  constructor(producer = 't1') {
    this.producer = producer
  }

  get position(): Position {
    return { epoch: this.#epoch, sequence: this.#sequence }
  }

  startEpoch(epoch: number, wallTimeMs = OPEN_MS): void {
    const previous = this.position
    this.#epoch = epoch
    this.#sequence = 0
    this.append([
      {
        kind: 'epoch_start',
        feed: 'simulated',
        previousEpoch: previous.epoch,
        previousLastSequence: previous.sequence,
        wallTimeMs,
      },
    ])
  }

  append(entries: readonly Entry[]): void {
    const builder = new BatchBuilder()
    builder.begin(this.producer, 0, this.#epoch, this.#sequence + 1)
    let ticks = 0
    let marketTimeMs = OPEN_MS
    for (const entry of entries) {
      if ('kind' in entry) {
        builder.addControl(entry)
        if (entry.kind === 'instrument') {
          this.instruments.set(entry.instrument.token, entry.instrument)
        }
        if (entry.kind === 'clock') marketTimeMs = entry.marketTimeMs
      } else {
        builder.addTick(entry)
        marketTimeMs = entry.marketTimeMs
        ticks++
      }
    }
    if (ticks > 0) {
      const firstOrdinal = this.#ordinal + 1
      this.#ordinal += ticks
      builder.addConnection({
        connection: 1,
        firstOrdinal,
        lastOrdinal: this.#ordinal,
        journaled: ticks,
        rejected: 0,
        dropped: 0,
      })
    }
    const bytes = builder.finish(marketTimeMs)
    const header = readHeader(bytes)
    if (isBatchFault(header)) throw new Error(header.fault)
    this.#sequence += header.recordCount
    this.batches.push({ header, bytes })
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  async *tail(_partition: number, from: Position, signal: AbortSignal): AsyncIterable<TailItem> {
    yield {
      kind: 'opened',
      feed: this.feed,
      producer: this.producer,
      partition: 0,
      oldest: this.oldest,
      newest: this.position,
      instruments: from.epoch === 0 ? [] : [...this.instruments.values()],
    }
    for (let i = 0; !signal.aborted; ) {
      const batch = this.batches[i]
      if (batch !== undefined) {
        i++
        yield { kind: 'batch', ...batch }
        continue
      }
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  committed(_consumer: string, _partition: number, position: Position): void {
    this.committedTo = position
  }
}

/** Announces instruments and begins their coverage at `fromMs`. */
export function begins(instruments: readonly Instrument[], fromMs: number): ControlRecord[] {
  return [
    ...instruments.map((instrument) => ({ kind: 'instrument' as const, instrument })),
    {
      kind: 'covered',
      begin: instruments.map(({ token }) => ({ token, mode: 'full' as const, fromMs })),
      end: [],
    },
  ]
}

export function clockAt(marketTimeMs: number): ControlRecord {
  return { kind: 'clock', marketTimeMs, wallTimeMs: marketTimeMs }
}
