/**
 * A log written by hand for tests: Friday 20 Nov 2026, NIFTY with its future and two strikes, market
 * time stated tick by tick.
 */
import { BatchBuilder, isBatchFault, readHeader } from '../../../src/contract/journal-batch.ts'
import type {
  ConnectionRange,
  ControlRecord,
  CoveredRecord,
  GapOpenRecord,
} from '../../../src/contract/journal-record.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { startOfDateMs } from '../../../src/market/ist.ts'
import type { JournalledTick, TickMode } from '../../../src/market/tick.ts'
import type { JournalBatch } from '../../../src/verify/reference-fold/log-walk.ts'
import {
  type ReferenceInput,
  referenceFold,
} from '../../../src/verify/reference-fold/reference-fold.ts'
import type { Reference } from '../../../src/verify/reference-fold/reference-rows.ts'

export const DATE = '2026-11-20'
export const EXPIRY = '2026-11-23'

/** The instant of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.mmm` IST. */
export function at(time: string, date: string = DATE): number {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  return startOfDateMs(date) + Math.round((hours * 3600 + minutes * 60 + seconds) * 1000)
}

const OF_NIFTY = {
  exchange: 'NFO',
  name: 'NIFTY',
  symbol: 'NIFTY50',
  optionType: null,
  strike: null,
  expiry: EXPIRY,
  lotSize: 65,
  tickSize: 0.05,
} as const

export const INDEX: Instrument = {
  ...OF_NIFTY,
  token: 256265,
  exchange: 'NSE',
  tradingsymbol: 'NIFTY 50',
  name: 'NIFTY 50',
  segment: 'INDICES',
  kind: 'index',
  expiry: null,
}
export const FUTURE: Instrument = {
  ...OF_NIFTY,
  token: 1002,
  tradingsymbol: 'NIFTY26NOVFUT',
  segment: 'NFO-FUT',
  kind: 'future',
}
export const NEXT_FUTURE: Instrument = {
  ...FUTURE,
  token: 1258,
  tradingsymbol: 'NIFTY26DECFUT',
  expiry: '2026-12-29',
}
export const CALL_24000: Instrument = option(2050, 24_000, 'CE')
export const PUT_24000: Instrument = option(2306, 24_000, 'PE')
export const CALL_24100: Instrument = option(2562, 24_100, 'CE')
export const PUT_24100: Instrument = option(2818, 24_100, 'PE')

function option(token: number, strike: number, optionType: 'CE' | 'PE'): Instrument {
  return {
    ...OF_NIFTY,
    token,
    tradingsymbol: `NIFTY26NOV${strike}${optionType}`,
    segment: 'NFO-OPT',
    kind: 'option',
    optionType,
    strike,
  }
}

const ALL = [INDEX, FUTURE, NEXT_FUTURE, CALL_24000, PUT_24000, CALL_24100, PUT_24100]

const NOTHING_CARRIED = {
  lastQuantity: undefined,
  averagePrice: undefined,
  dayVolume: undefined,
  dayOpen: undefined,
  dayHigh: undefined,
  dayLow: undefined,
  previousClose: undefined,
  lastTradeTimeS: undefined,
  exchangeTimeS: undefined,
  openInterest: undefined,
  bidPrice: undefined,
  bidQuantity: undefined,
  askPrice: undefined,
  askQuantity: undefined,
} as const

/** Prices in rupees, times as `at` takes them; what is not said the packet does not carry. */
export interface PacketScript {
  readonly price: number
  readonly mode?: TickMode
  /** Market time; the exchange time where it is not said. */
  readonly market?: string
  readonly exchange?: string
  readonly trade?: string
  readonly tradeDate?: string
  readonly volume?: number
  readonly oi?: number
  readonly bid?: number
  readonly ask?: number
  /** Of the date of the test where it is not said. */
  readonly date?: string
  /** Arrival; market time where it is not said. */
  readonly receivedAtMs?: number
}

export function packet(instrument: Instrument, script: PacketScript): JournalledTick {
  const { price, mode = 'full', date = DATE, exchange, trade, tradeDate = date } = script
  const marketTimeMs = at(script.market ?? exchange ?? '10:00', date)
  return {
    ...NOTHING_CARRIED,
    token: instrument.token,
    mode,
    isIndex: instrument.kind === 'index',
    lastPrice: Math.round(price * 100),
    dayVolume: script.volume,
    lastTradeTimeS: trade === undefined ? undefined : at(trade, tradeDate) / 1000,
    exchangeTimeS: exchange === undefined ? undefined : at(exchange, date) / 1000,
    openInterest: script.oi,
    bidPrice: script.bid === undefined ? undefined : Math.round(script.bid * 100),
    askPrice: script.ask === undefined ? undefined : Math.round(script.ask * 100),
    connection: 1,
    receivedAtMs: script.receivedAtMs ?? marketTimeMs,
    marketTimeMs,
  }
}

export function clock(time: string, date: string = DATE): ControlRecord {
  const marketTimeMs = at(time, date)
  return { kind: 'clock', marketTimeMs, wallTimeMs: marketTimeMs }
}

export function covered(
  instruments: readonly Instrument[],
  from: string,
  mode: TickMode = 'full',
  date: string = DATE,
): CoveredRecord {
  const fromMs = at(from, date)
  return {
    kind: 'covered',
    begin: instruments.map(({ token }) => ({ token, fromMs, mode })),
    end: [],
  }
}

export function uncovered(
  instruments: readonly Instrument[],
  to: string,
  date: string = DATE,
): CoveredRecord {
  const toMs = at(to, date)
  return { kind: 'covered', begin: [], end: instruments.map(({ token }) => ({ token, toMs })) }
}

export function gapOpen(
  gapId: string,
  instruments: readonly Instrument[],
  from: string,
): GapOpenRecord {
  const tokens = instruments.map(({ token }) => token)
  const where = { account: 'a1', connection: 1, fromMs: at(from) }
  return { kind: 'gap_open', gapId, reason: 'disconnect', ...where, tokens }
}

export function gapClose(
  gapId: string,
  instruments: readonly Instrument[],
  to: string,
  mode: TickMode | null = 'full',
): ControlRecord {
  const ends = instruments.map(({ token }) => ({ token, toMs: at(to), mode }))
  return { kind: 'gap_close', gapId, ends }
}

/** Writes the batches of one log; `instrument` records of the whole market come first. */
export class WrittenLog {
  readonly batches: JournalBatch[] = []
  readonly #builder = new BatchBuilder()
  readonly #producer: string
  readonly #partition: number
  #epoch: number
  #sequence = 1

  constructor({ producer = 't1', partition = 0, epoch = 1 } = {}) {
    this.#producer = producer
    this.#partition = partition
    this.#epoch = epoch
    this.write(ALL.map((instrument) => ({ kind: 'instrument', instrument })))
  }

  /** A restart of the producer. */
  nextEpoch(): void {
    this.#epoch += 1
    this.#sequence = 1
  }

  /** One batch; its market time is that of its last tick or clock. */
  write(
    records: readonly (JournalledTick | ControlRecord)[],
    connections: readonly Partial<ConnectionRange>[] = [],
  ): void {
    this.#builder.begin(this.#producer, this.#partition, this.#epoch, this.#sequence)
    let marketTimeMs = at('09:00')
    for (const record of records) {
      if ('token' in record) this.#builder.addTick(record)
      else this.#builder.addControl(record)
      marketTimeMs = 'marketTimeMs' in record ? record.marketTimeMs : marketTimeMs
    }
    for (const range of connections) this.#builder.addConnection({ ...EMPTY_RANGE, ...range })
    this.batches.push(readBatch(this.#builder.finish(marketTimeMs)))
    this.#sequence += records.length
  }
}

const EMPTY_RANGE: ConnectionRange = {
  ...{ connection: 1, firstOrdinal: 1, lastOrdinal: 1 },
  ...{ journaled: 0, rejected: 0, dropped: 0 },
}

function readBatch(bytes: Uint8Array): JournalBatch {
  const header = readHeader(bytes)
  if (isBatchFault(header)) throw new Error(`the test wrote a bad batch: ${header.fault}`)
  return { header, bytes }
}

export const RISK_FREE_RATE = 0.065

export function fold(
  batches: Iterable<JournalBatch>,
  overrides: Partial<ReferenceInput> = {},
): Reference {
  return referenceFold({
    batches,
    master: new InstrumentMaster(ALL),
    calendar: exchangeCalendar(),
    riskFreeRate: RISK_FREE_RATE,
    ...overrides,
  })
}

/** What the reference makes of the records of one batch. */
export function foldRecords(...records: readonly (JournalledTick | ControlRecord)[]): Reference {
  const log = new WrittenLog()
  log.write(records)
  return fold(log.batches)
}
