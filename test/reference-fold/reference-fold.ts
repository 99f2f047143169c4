/**
 * The project's second opinion: what the store must hold, computed from the journal in the simplest
 * way there is. All records of all epochs are collected first, then every row is computed from its
 * set of packets. It shares no code with the product's fold, which does the same one record at a
 * time; where both agree, order, batching, restarts and duplicates did not matter.
 */
import type { MarketCalendar } from '../../src/market/calendar.ts'
import { type Instrument, instrumentKey } from '../../src/market/instrument.ts'
import type { InstrumentMaster, Series } from '../../src/market/instrument-master.ts'
import { attribute, type Packet } from './attribution.ts'
import { futuresBar, minuteBar, optionBar } from './bar-rows.ts'
import { chainRows, type Market } from './chain-rows.ts'
import { Ledger } from './ledger.ts'
import { factsOf, type InstrumentFacts, type LogFacts } from './log-facts.ts'
import { type MinuteRow, minuteRows } from './minute-rows.ts'
import {
  forEachTick,
  type JournalBatch,
  type PartitionLog,
  partitionLogs,
} from './partition-logs.ts'
import type { CoverageRow, OptionBarRow, Reference } from './reference-rows.ts'

export interface ReferenceInput {
  /** In any order, but whole: a missing batch throws. */
  readonly batches: Iterable<JournalBatch>
  /** What is listed; must list every option that the journal has ticks of, else this throws. */
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  /** Continuous, decimal per year. */
  readonly riskFreeRate: number
}

/** By `instrumentKey`, then by minute. */
type RowBook = ReadonlyMap<string, ReadonlyMap<number, MinuteRow>>

export function referenceFold(input: ReferenceInput): Reference {
  const logs = partitionLogs(input.batches)
  const facts = factsOf(logs)
  const { packets, ledger } = attributeAll(logs, facts, input.calendar)
  const book = rowBook(facts, packets, input.calendar)
  const market: Market = {
    ...input,
    facts: facts.instruments,
    row: (instrument, minuteMs) => rowOf(book, instrument, minuteMs),
  }
  return {
    ...barsOfUnderlyings(book, market),
    ...chainTables(book, market),
    coverage: coverageRows(facts),
    ledger: ledger
      .rows()
      .sort(
        byKey(({ minute, producer, epoch, partition }) => [minute, producer, epoch, partition]),
      ),
    marketTimes: marketTimesBySymbol(facts),
  }
}

// ---------------------------------------------------------------- records to rows

function attributeAll(logs: readonly PartitionLog[], facts: LogFacts, calendar: MarketCalendar) {
  const packets = new Map<string, Packet[]>()
  const ledger = new Ledger()
  for (const log of logs) {
    for (const batch of log.batches) ledger.addBatch(batch)
    forEachTick(log, (logged, header) => {
      const key = keyOf(logged.instrument)
      const packet = attribute(logged, facts.instruments.get(key), calendar)
      ledger.addTick(header, typeof packet === 'string' ? packet : null)
      if (typeof packet !== 'string') append(packets, key, packet)
    })
  }
  return { packets, ledger }
}

function rowBook(
  facts: LogFacts,
  packets: ReadonlyMap<string, readonly Packet[]>,
  calendar: MarketCalendar,
): RowBook {
  const book = new Map<string, Map<number, MinuteRow>>()
  for (const [key, instrument] of facts.instruments) {
    const marketTimeMs = marketTimeOf(facts, instrument)
    const rows = minuteRows(instrument, packets.get(key) ?? [], calendar, marketTimeMs)
    book.set(key, new Map(rows.map((row) => [row.minuteMs, row])))
  }
  return book
}

function marketTimeOf({ marketTimes }: LogFacts, { partition }: InstrumentFacts): number {
  return marketTimes.get(partition) ?? Number.NEGATIVE_INFINITY
}

function rowOf(
  book: RowBook,
  instrument: Instrument | null | undefined,
  minuteMs: number,
): MinuteRow | undefined {
  return book.get(keyOf(instrument))?.get(minuteMs)
}

/** No instrument has the empty key. */
function keyOf(instrument: Instrument | null | undefined): string {
  return instrument === null || instrument === undefined
    ? ''
    : instrumentKey(instrument.exchange, instrument.tradingsymbol)
}

// ---------------------------------------------------------------- rows to tables

function barsOfUnderlyings(
  book: RowBook,
  { facts, master, row: rowAt }: Market,
): Pick<Reference, 'minuteBars' | 'futuresBars'> {
  const minuteBars = []
  const futuresBars = []
  for (const [key, { instrument }] of facts) {
    const index = master.index(instrument.symbol)
    for (const row of book.get(key)?.values() ?? []) {
      if (instrument.kind === 'index' || instrument.kind === 'equity') {
        minuteBars.push(minuteBar(instrument, row))
      } else if (instrument.kind === 'future') {
        const spot = rowAt(index, row.minuteMs)?.close ?? null
        futuresBars.push(futuresBar(instrument, row, spot))
      }
    }
  }
  return {
    minuteBars: minuteBars.sort(byKey((bar) => [bar.symbol, bar.time, bar.exchange])),
    futuresBars: futuresBars.sort(byKey((bar) => [bar.tradingsymbol, bar.time])),
  }
}

function chainTables(
  book: RowBook,
  market: Market,
): Pick<Reference, 'optionBars' | 'expiryMetrics' | 'strikeDistribution'> {
  const optionBars: OptionBarRow[] = openOptionBars(book, market)
  const expiryMetrics = []
  const strikeDistribution = []
  for (const [series, minutes] of closedChains(book, market)) {
    for (const minuteMs of minutes) {
      const chain = chainRows(series, minuteMs, market)
      optionBars.push(...chain.optionBars)
      expiryMetrics.push(chain.metrics)
      strikeDistribution.push(...chain.distribution)
    }
  }
  return {
    optionBars: optionBars.sort(byKey((bar) => [bar.tradingsymbol, bar.bucket_time])),
    expiryMetrics: expiryMetrics.sort(
      byKey(({ symbol, expiry, bucket_time }) => [symbol, expiry, bucket_time]),
    ),
    strikeDistribution: strikeDistribution.sort(
      byKey(({ symbol, expiry, strike, bucket_time }) => [symbol, expiry, strike, bucket_time]),
    ),
  }
}

function openOptionBars(book: RowBook, { facts }: Market): OptionBarRow[] {
  const bars: OptionBarRow[] = []
  for (const [key, { instrument }] of facts) {
    if (instrument.kind !== 'option') continue
    for (const row of book.get(key)?.values() ?? []) {
      if (row.complete === null) bars.push(optionBar(instrument, row, null, null))
    }
  }
  return bars
}

/** Every series with the closed minutes in which any of its options has a row. */
function closedChains(book: RowBook, { facts, master }: Market): Map<Series, Set<number>> {
  const chains = new Map<Series, Set<number>>()
  for (const [key, { instrument }] of facts) {
    const rows = [...(book.get(key)?.values() ?? [])]
    if (instrument.kind !== 'option' || rows.length === 0) continue
    const series = seriesOf(master, instrument)
    const minutes = chains.get(series) ?? new Set()
    chains.set(series, minutes)
    for (const row of rows) if (row.complete !== null) minutes.add(row.minuteMs)
  }
  return chains
}

function seriesOf(master: InstrumentMaster, option: Instrument): Series {
  const series = master.series(option.symbol, option.expiry ?? '')
  const isListed = series?.strikes.some(({ call, put }) =>
    [call, put].some((listed) => keyOf(listed) === keyOf(option)),
  )
  if (series !== undefined && isListed) return series
  throw new Error(`the master does not list ${keyOf(option)}, which the journal has`)
}

function coverageRows({ instruments }: LogFacts): CoverageRow[] {
  const rows = [...instruments.values()].flatMap(({ instrument, stretches }) =>
    stretches.map(({ fromMs, toMs, mode }) => ({
      exchange: instrument.exchange,
      tradingsymbol: instrument.tradingsymbol,
      from: fromMs,
      to: toMs,
      source: 'live' as const,
      mode,
    })),
  )
  return rows.sort(byKey((row) => [row.exchange, row.tradingsymbol, row.from]))
}

function marketTimesBySymbol(facts: LogFacts): Map<string, number> {
  const times = new Map<string, number>()
  for (const known of facts.instruments.values()) {
    times.set(known.instrument.symbol, marketTimeOf(facts, known))
  }
  return times
}

// ---------------------------------------------------------------- order

type KeyPart = string | number

/** A comparison by the parts of a key, one after the other, as the store's `C` collation has it. */
function byKey<Row>(key: (row: Row) => readonly KeyPart[]): (a: Row, b: Row) => number {
  return (a, b) => {
    const keyOfB = key(b)
    for (const [i, part] of key(a).entries()) {
      const other = keyOfB[i]
      if (other === undefined || part === other) continue
      return part < other ? -1 : 1
    }
    return 0
  }
}

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
