/**
 * The instrument master: one day's dump, indexed for every question that is asked of it.
 *
 * Immutable; a new dump makes a new master, and `instrument-diff` says what became of the old one.
 * A real dump has 120,000 rows, so both can also be done in steps, beside live ticks.
 * Tokens are good for finding what is on the wire today and for nothing else, since the exchange
 * reuses them.
 */
import type { ExpiryKind } from './expiry.ts'
import { type Instrument, instrumentKey } from './instrument.ts'
import { ROWS_PER_STEP, runAtOnce, type Steps, sortInSteps } from './steps.ts'
import { type KnownNames, knownNames, parseTradingsymbol } from './symbol.ts'
import { canonicalSymbol, underlyingOf } from './underlying.ts'

/** One strike of a series; a side that is not listed is null. */
export interface StrikeRow {
  /** Rupees. */
  readonly strike: number
  readonly call: Instrument | null
  readonly put: Instrument | null
}

/** All options of an underlying with one expiry. */
export interface Series {
  readonly symbol: string
  readonly expiry: string
  readonly kind: ExpiryKind
  /** Exchange of its contracts, `NFO` or `BFO`. */
  readonly exchange: string
  readonly segment: string
  /** Units per contract of this series. */
  readonly lotSize: number
  /** Ascending by strike, without holes where a strike is listed on either side. */
  readonly strikes: readonly StrikeRow[]
}

export interface InstrumentQuery {
  /** Words that must all occur in tradingsymbol, name or symbol; any case. */
  readonly q?: string | undefined
  /** Any spelling of an underlying, else a symbol as it is. */
  readonly symbol?: string | undefined
  readonly expiry?: string | undefined
  /** A segment (`NFO-OPT`) or all of an exchange (`NFO`). */
  readonly segment?: string | undefined
  /** All that match where it is left out. */
  readonly limit?: number | undefined
}

export class InstrumentMaster {
  private ordered: readonly Instrument[] = []
  private knownNames: KnownNames = knownNames([])
  private withDerivatives: readonly string[] = []
  private readonly byKeyMap = new Map<string, Instrument>()
  private readonly byTokenMap = new Map<number, Instrument>()
  private readonly bySymbolMap = new Map<string, SymbolEntry>()
  private readonly bySpelling = new Map<string, Instrument | Instrument[]>()

  /** Of two rows with one exchange and tradingsymbol the first counts. */
  constructor(instruments: Iterable<Instrument>) {
    runAtOnce(this.take(instruments))
  }

  /** The same in steps. */
  static *inSteps(instruments: Iterable<Instrument>): Steps<InstrumentMaster> {
    const master = new InstrumentMaster([])
    yield* master.take(instruments)
    return master
  }

  /** Index first, then by symbol, expiry, strike and type: the order of every answer. */
  get instruments(): readonly Instrument[] {
    return this.ordered
  }

  /** The names of derivatives, for reading a tradingsymbol that is not in the master. */
  get names(): KnownNames {
    return this.knownNames
  }

  /** Symbols that have futures or options, ascending. */
  get derivativeSymbols(): readonly string[] {
    return this.withDerivatives
  }

  get size(): number {
    return this.ordered.length
  }

  byKey(exchange: string, tradingsymbol: string): Instrument | undefined {
    return this.byKeyMap.get(instrumentKey(exchange, tradingsymbol))
  }

  /** Whose number on the wire this is today. */
  byToken(token: number): Instrument | undefined {
    return this.byTokenMap.get(token)
  }

  /** All instruments of that tradingsymbol; more than one where two exchanges list it. */
  byTradingsymbol(tradingsymbol: string): readonly Instrument[] {
    const found = this.bySpelling.get(tradingsymbol)
    if (found === undefined) return []
    return Array.isArray(found) ? found : [found]
  }

  /** The index of an underlying; undefined for a stock or a commodity. */
  index(symbol: string): Instrument | undefined {
    return this.bySymbolMap.get(symbol)?.index
  }

  /** The option series of an underlying, nearest expiry first. Listed, so maybe expired today. */
  expiries(symbol: string): readonly Series[] {
    return this.bySymbolMap.get(symbol)?.ordered ?? []
  }

  series(symbol: string, expiry: string): Series | undefined {
    return this.bySymbolMap.get(symbol)?.series.get(expiry)
  }

  /** Nearest expiry first. */
  futures(symbol: string): readonly Instrument[] {
    return this.bySymbolMap.get(symbol)?.futures ?? []
  }

  future(symbol: string, expiry: string): Instrument | undefined {
    return this.futures(symbol).find((instrument) => instrument.expiry === expiry)
  }

  /**
   * What matches all conditions: exact tradingsymbols (or the index of a spelled-out underlying)
   * first, then those that begin with `q`, then the rest, each in the master's order.
   */
  search(query: InstrumentQuery): Instrument[] {
    const limit = query.limit ?? Number.POSITIVE_INFINITY
    const text = query.q?.trim().toUpperCase() ?? ''
    const words = text.split(/\s+/).filter((word) => word !== '')
    const spelled = text === '' ? undefined : canonicalSymbol(text)
    const ranked: [Instrument[], Instrument[], Instrument[]] = [[], [], []]
    for (const instrument of this.candidates(query)) {
      if (!matchesFilters(instrument, query)) continue
      const rank = rankOf(instrument, text, words, spelled)
      if (rank !== undefined && ranked[rank].length < limit) ranked[rank].push(instrument)
      if (ranked[0].length >= limit || (text === '' && ranked[2].length >= limit)) break
    }
    return ranked.flat().slice(0, limit)
  }

  /** The few of one symbol where one is asked for, else all. */
  private candidates({ symbol }: InstrumentQuery): readonly Instrument[] {
    if (symbol === undefined) return this.instruments
    return this.bySymbolMap.get(canonicalSymbol(symbol) ?? symbol)?.all ?? []
  }

  private *take(instruments: Iterable<Instrument>): Steps<void> {
    const listed: Instrument[] = []
    const names = new Set<string>()
    for (const instrument of instruments) {
      const key = instrumentKey(instrument.exchange, instrument.tradingsymbol)
      if (this.byKeyMap.has(key)) continue
      this.byKeyMap.set(key, instrument)
      if (isDerivative(instrument)) names.add(instrument.name)
      if (listed.push(instrument) % ROWS_PER_STEP === 0) yield
    }
    this.ordered = yield* sortInSteps(listed, compareInstruments)
    this.knownNames = knownNames([...names])
    yield* this.addAll()
  }

  private *addAll(): Steps<void> {
    for (const [i, instrument] of this.ordered.entries()) {
      this.add(instrument)
      if (i % ROWS_PER_STEP === 0) yield
    }
    for (const entry of this.bySymbolMap.values()) {
      if (entry.options.length === 0) continue
      finish(entry, this.names)
      yield
    }
    this.withDerivatives = [...this.bySymbolMap]
      .filter(([, entry]) => entry.futures.length > 0 || entry.series.size > 0)
      .map(([symbol]) => symbol)
      .sort()
  }

  private add(instrument: Instrument): void {
    this.byTokenMap.set(instrument.token, instrument)
    addSpelling(this.bySpelling, instrument)
    const entry = this.bySymbolMap.get(instrument.symbol) ?? newEntry()
    this.bySymbolMap.set(instrument.symbol, entry)
    entry.all.push(instrument)
    if (instrument.kind === 'future') entry.futures.push(instrument)
    if (instrument.kind === 'option') entry.options.push(instrument)
    if (isIndexOf(instrument)) entry.index = instrument
  }
}

// ---------------------------------------------------------------- building

interface SymbolEntry {
  readonly all: Instrument[]
  readonly futures: Instrument[]
  readonly options: Instrument[]
  readonly series: Map<string, Series>
  ordered: readonly Series[]
  index: Instrument | undefined
}

function newEntry(): SymbolEntry {
  return { all: [], futures: [], options: [], series: new Map(), ordered: [], index: undefined }
}

/** Options come sorted, so each expiry is one run of them and each strike a run within it. */
function finish(entry: SymbolEntry, names: KnownNames): void {
  let begin = 0
  for (let end = 1; end <= entry.options.length; end += 1) {
    const first = entry.options[begin]
    if (first === undefined || entry.options[end]?.expiry === first.expiry) continue
    const series = buildSeries(first, entry.options.slice(begin, end), names)
    entry.series.set(series.expiry, series)
    begin = end
  }
  entry.ordered = [...entry.series.values()]
}

function buildSeries(first: Instrument, options: readonly Instrument[], names: KnownNames): Series {
  const exchange = exchangeOfSeries(first, options)
  const own = options.filter((option) => option.exchange === exchange)
  const sample = own[0] ?? first
  return {
    symbol: sample.symbol,
    expiry: sample.expiry ?? '',
    kind: kindOfSeries(sample, names),
    exchange,
    segment: sample.segment,
    lotSize: sample.lotSize,
    strikes: strikeRows(own),
  }
}

/** A stock may have options on both exchanges, and a holiday may bring them to one date. */
function exchangeOfSeries(first: Instrument, options: readonly Instrument[]): string {
  const home = underlyingOf(first.symbol)?.derivativesExchange ?? 'NFO'
  return options.some((option) => option.exchange === home) ? home : first.exchange
}

/** The exchange tells by the form of the symbol, not by the date: a month may end with a weekly. */
function kindOfSeries(option: Instrument, names: KnownNames): ExpiryKind {
  const contract = parseTradingsymbol(option.tradingsymbol, names)
  return contract === undefined || contract.expiry.day === null ? 'monthly' : 'weekly'
}

function strikeRows(options: readonly Instrument[]): StrikeRow[] {
  const rows = new Map<
    number,
    { strike: number; call: Instrument | null; put: Instrument | null }
  >()
  for (const option of options) {
    const strike = option.strike ?? 0
    const row = rows.get(strike) ?? { strike, call: null, put: null }
    if (option.optionType === 'PE') row.put = option
    else row.call = option
    rows.set(strike, row)
  }
  return [...rows.values()]
}

function isDerivative({ kind }: Instrument): boolean {
  return kind === 'future' || kind === 'option'
}

function addSpelling(map: Map<string, Instrument | Instrument[]>, instrument: Instrument): void {
  const found = map.get(instrument.tradingsymbol)
  if (found === undefined) map.set(instrument.tradingsymbol, instrument)
  else if (Array.isArray(found)) found.push(instrument)
  else map.set(instrument.tradingsymbol, [found, instrument])
}

function isIndexOf(instrument: Instrument): boolean {
  if (instrument.kind !== 'index') return false
  const known = underlyingOf(instrument.symbol)
  if (known === undefined) return true
  const { indexExchange, indexTradingsymbol } = known
  return instrument.exchange === indexExchange && instrument.tradingsymbol === indexTradingsymbol
}

const KIND_ORDER = { index: 0, future: 1, option: 2, equity: 3 } as const

function compareInstruments(a: Instrument, b: Instrument): number {
  return (
    KIND_ORDER[a.kind] - KIND_ORDER[b.kind] ||
    compareText(a.symbol, b.symbol) ||
    compareText(a.expiry ?? '', b.expiry ?? '') ||
    (a.strike ?? 0) - (b.strike ?? 0) ||
    compareText(a.optionType ?? '', b.optionType ?? '') ||
    compareText(a.exchange, b.exchange) ||
    compareText(a.tradingsymbol, b.tradingsymbol)
  )
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

// ---------------------------------------------------------------- asking

function matchesFilters(instrument: Instrument, { expiry, segment }: InstrumentQuery): boolean {
  if (expiry !== undefined && instrument.expiry !== expiry) return false
  if (segment === undefined) return true
  const wanted = segment.toUpperCase()
  return instrument.segment === wanted || instrument.exchange === wanted
}

/** 0 exact, 1 prefix, 2 all words; undefined where it does not match. */
function rankOf(
  instrument: Instrument,
  text: string,
  words: readonly string[],
  spelled: string | undefined,
): 0 | 1 | 2 | undefined {
  if (text === '') return 2
  const { tradingsymbol, kind, symbol } = instrument
  if (tradingsymbol === text || (kind === 'index' && symbol === spelled)) return 0
  if (tradingsymbol.startsWith(text)) return 1
  return words.every((word) => mentions(instrument, word)) ? 2 : undefined
}

/** Only a company's name is in small letters; a contract's is part of its symbol anyway. */
function mentions({ tradingsymbol, kind, name, symbol }: Instrument, word: string): boolean {
  if (tradingsymbol.includes(word) || symbol.includes(word)) return true
  return kind === 'equity' && name.toUpperCase().includes(word)
}
