/**
 * What became of one instrument master in the next. With two masters nothing is built for it but the
 * answer: 120,000 keys more would cost the thread of live ticks long collections of garbage.
 */
import { type Instrument, instrumentKey } from './instrument.ts'
import { InstrumentMaster } from './instrument-master.ts'
import { ROWS_PER_STEP, runAtOnce, type Steps } from './steps.ts'

export interface InstrumentChange {
  readonly before: Instrument
  readonly after: Instrument
}

export interface InstrumentDiff {
  readonly added: readonly Instrument[]
  readonly removed: readonly Instrument[]
  readonly changed: readonly InstrumentChange[]
}

/** A list of instruments that finds one by its key; a master is one. */
export interface KeyedInstruments {
  /** Each key once. */
  readonly instruments: Iterable<Instrument>
  byKey(exchange: string, tradingsymbol: string): Instrument | undefined
}

/** What a new dump adds, takes away and says differently, by exchange and tradingsymbol. */
export function diffInstruments(
  before: Iterable<Instrument>,
  after: Iterable<Instrument>,
): InstrumentDiff {
  return runAtOnce(diffInSteps(new InstrumentMaster(before), new InstrumentMaster(after)))
}

/** The same in steps. */
export function* diffInSteps(
  before: KeyedInstruments,
  after: KeyedInstruments,
): Steps<InstrumentDiff> {
  const added: Instrument[] = []
  const changed: InstrumentChange[] = []
  const removed: Instrument[] = []
  let rows = 0
  for (const row of after.instruments) {
    const earlier = before.byKey(row.exchange, row.tradingsymbol)
    if (earlier === undefined) added.push(row)
    else if (!sameInstrument(earlier, row)) changed.push({ before: earlier, after: row })
    if (++rows % ROWS_PER_STEP === 0) yield
  }
  for (const row of before.instruments) {
    if (after.byKey(row.exchange, row.tradingsymbol) === undefined) removed.push(row)
    if (++rows % ROWS_PER_STEP === 0) yield
  }
  return { added, removed, changed }
}

/** Of two with one key the first counts. */
export function* keyedInSteps(instruments: Iterable<Instrument>): Steps<KeyedInstruments> {
  const byKey = new Map<string, Instrument>()
  for (const row of instruments) {
    const key = instrumentKey(row.exchange, row.tradingsymbol)
    if (byKey.has(key)) continue
    byKey.set(key, row)
    if (byKey.size % ROWS_PER_STEP === 0) yield
  }
  return {
    instruments: { [Symbol.iterator]: () => byKey.values() },
    byKey: (exchange, tradingsymbol) => byKey.get(instrumentKey(exchange, tradingsymbol)),
  }
}

const FIELDS = [
  'token',
  'name',
  'symbol',
  'segment',
  'kind',
  'optionType',
  'expiry',
  'strike',
  'lotSize',
  'tickSize',
] as const satisfies readonly (keyof Instrument)[]

function sameInstrument(a: Instrument, b: Instrument): boolean {
  return FIELDS.every((field) => a[field] === b[field])
}
