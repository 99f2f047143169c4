/**
 * The broker's instrument dump (CSV) to `Instrument`s and back. Everything is taken as the dump
 * says it; nothing is computed from a tradingsymbol.
 *
 * A real dump has 120,000 rows and 10 MB, so a row is split at its commas, and only a row that
 * holds a quote goes the slow way. A row that cannot be used is counted and kept to be shown.
 */
import { KITE_MALFORMED_ROWS_KEPT } from '../limits.ts'
import type { Instrument, InstrumentKind } from '../market/instrument.ts'
import { isCivilDate } from '../market/ist.ts'
import { ROWS_PER_STEP, runAtOnce, type Steps } from '../market/steps.ts'
import { canonicalSymbol } from '../market/underlying.ts'
import { joinCsvRow, splitCsvRow } from './csv-row.ts'

const COLUMNS = [
  'instrument_token',
  'exchange_token',
  'tradingsymbol',
  'name',
  'last_price',
  'expiry',
  'strike',
  'tick_size',
  'lot_size',
  'instrument_type',
  'segment',
  'exchange',
] as const

type Column = (typeof COLUMNS)[number]

export interface MalformedRow {
  /** Line of the dump, the header being 1. */
  readonly line: number
  readonly reason: string
}

export interface InstrumentDump {
  readonly ok: true
  readonly instruments: readonly Instrument[]
  readonly malformedCount: number
  /** The first of them, up to `KITE_MALFORMED_ROWS_KEPT`. */
  readonly malformed: readonly MalformedRow[]
  /** The last row has too few cells: the text was cut off in it. */
  readonly isCutOff: boolean
}

/** The text is no instrument dump, an HTML page for instance; it says nothing about instruments. */
export interface NoInstrumentDump {
  readonly ok: false
  readonly code: 'not_a_dump'
  readonly retryable: true
  readonly message: string
}

/** Never throws. Columns are found by their names, in any order, and unknown ones are passed over. */
export function parseInstruments(csv: string): InstrumentDump | NoInstrumentDump {
  return runAtOnce(parseInSteps(csv))
}

/** The same in steps, beside live ticks. */
export function* parseInSteps(csv: string): Steps<InstrumentDump | NoInstrumentDump> {
  const end = lineEnd(csv, 0)
  const header = splitCsvRow(trimLine(csv.slice(0, end)).replace(/^\uFEFF/, ''))
  const missing = COLUMNS.filter((column) => header?.includes(column) !== true)
  if (header === undefined || missing.some((column) => !OPTIONAL.includes(column))) {
    const message = `the header lacks ${missing.join(', ')}`
    return { ok: false, code: 'not_a_dump', retryable: true, message }
  }
  return yield* parseRows(csv, end + 1, new RowParser(header))
}

/**
 * The dump as the broker writes it: the exact header, no newline at the end, a strike of `0.0`
 * where there is none, an empty expiry where there is none.
 */
export function formatInstruments(instruments: readonly Instrument[]): string {
  return [COLUMNS.join(','), ...instruments.map(formatRow)].join('\n')
}

/** Not needed to read a dump: one is the token's upper bits, the other is 0.0 in every row. */
const OPTIONAL: readonly Column[] = ['exchange_token', 'last_price']

function* parseRows(csv: string, from: number, parser: RowParser): Steps<InstrumentDump> {
  const instruments: Instrument[] = []
  const malformed: MalformedRow[] = []
  let malformedCount = 0
  let last = ''
  for (let at = from, line = 2; at < csv.length; line++) {
    const end = lineEnd(csv, at)
    const row = trimLine(csv.slice(at, end))
    at = end + 1
    if (line % ROWS_PER_STEP === 0) yield
    if (row === '') continue
    last = row
    const parsed = parser.parse(row)
    if (typeof parsed !== 'string') {
      instruments.push(parsed)
      continue
    }
    malformedCount++
    if (malformed.length < KITE_MALFORMED_ROWS_KEPT) malformed.push({ line, reason: parsed })
  }
  const isCutOff = last !== '' && parser.isCutOff(last)
  return { ok: true, instruments, malformedCount, malformed, isCutOff }
}

function lineEnd(csv: string, from: number): number {
  const end = csv.indexOf('\n', from)
  return end === -1 ? csv.length : end
}

/** A row's cells as values, not yet judged. */
interface RawInstrument {
  readonly type: string
  readonly kind: InstrumentKind | undefined
  readonly token: number
  readonly exchange: string
  readonly tradingsymbol: string
  readonly name: string
  readonly segment: string
  readonly expiry: string
  readonly strike: number
  readonly lotSize: number
  readonly tickSize: number
}

class RowParser {
  private readonly width: number
  private readonly at: Readonly<Record<Column, number>>
  private readonly interned = new Map<string, string>()
  /** By name; folding a spelling 120,000 times would cost more than the rest of the row. */
  private readonly symbols = new Map<string, string>()
  private readonly expiries = new Map<string, boolean>()

  constructor(header: readonly string[]) {
    this.width = header.length
    const positions = COLUMNS.map((column) => [column, header.indexOf(column)])
    this.at = Object.fromEntries(positions) as Record<Column, number>
  }

  /** The instrument, or the reason why the row is none. */
  parse(row: string): Instrument | string {
    const cells = splitCsvRow(row)
    if (cells === undefined) return 'a quote that does not end'
    if (cells.length !== this.width) return `${cells.length} cells instead of ${this.width}`
    const raw = this.read(cells)
    return this.reasonAgainst(raw) ?? this.instrument(raw)
  }

  isCutOff(row: string): boolean {
    return (splitCsvRow(row)?.length ?? 0) < this.width
  }

  private reasonAgainst(raw: RawInstrument): string | undefined {
    const { kind, token } = raw
    if (kind === undefined) return `unknown instrument_type "${raw.type}"`
    if (token >>> 0 !== token || token === 0) return 'instrument_token is no token'
    if (raw.tradingsymbol === '' || raw.exchange === '') return 'no tradingsymbol or no exchange'
    if (!isQuantity(raw.lotSize)) return 'lot_size is no quantity'
    if (!isQuantity(raw.tickSize)) return 'tick_size is no quantity'
    if (!isDerivative(kind)) return undefined
    if (raw.name === '') return `${kind} without the name of its underlying`
    if (!this.isExpiry(raw.expiry)) return `${kind} without an expiry`
    if (kind === 'option' && !(isQuantity(raw.strike) && raw.strike > 0))
      return 'option without strike'
    return undefined
  }

  private isExpiry(text: string): boolean {
    const known = this.expiries.get(text)
    if (known !== undefined) return known
    const is = isCivilDate(text)
    this.expiries.set(ownText(text), is)
    return is
  }

  private read(cells: readonly string[]): RawInstrument {
    const cell = (column: Column) => cells[this.at[column]] ?? ''
    const type = cell('instrument_type')
    const segment = cell('segment')
    return {
      type,
      kind: kindOf(type, segment),
      token: Number(cell('instrument_token')),
      exchange: cell('exchange'),
      tradingsymbol: cell('tradingsymbol'),
      name: cell('name'),
      segment,
      expiry: cell('expiry'),
      strike: Number(cell('strike')),
      lotSize: Number(cell('lot_size')),
      tickSize: Number(cell('tick_size')),
    }
  }

  private instrument(raw: RawInstrument): Instrument {
    const kind = raw.kind ?? 'equity'
    const name = this.intern(raw.name)
    const tradingsymbol = ownText(raw.tradingsymbol)
    return {
      token: raw.token,
      exchange: this.intern(raw.exchange),
      tradingsymbol,
      name,
      symbol: this.symbolOf(kind, name, tradingsymbol),
      segment: this.intern(raw.segment),
      kind,
      optionType: raw.type === 'CE' || raw.type === 'PE' ? raw.type : null,
      expiry: isDerivative(kind) ? this.intern(raw.expiry) : null,
      strike: kind === 'option' ? raw.strike : null,
      lotSize: raw.lotSize,
      tickSize: raw.tickSize,
    }
  }

  /**
   * The canonical underlying. A share is its own underlying: its derivatives carry its tradingsymbol
   * (INFY) as their name, while its own name is the company's (INFOSYS).
   */
  private symbolOf(kind: InstrumentKind, name: string, tradingsymbol: string): string {
    if (kind === 'equity') return tradingsymbol
    const spelling = name === '' ? tradingsymbol : name
    const known = this.symbols.get(spelling)
    if (known !== undefined) return known
    const symbol = canonicalSymbol(spelling) ?? spelling
    this.symbols.set(spelling, symbol)
    return symbol
  }

  /** One copy of what thousands of rows repeat. */
  private intern(text: string): string {
    const known = this.interned.get(text)
    if (known !== undefined) return known
    const own = ownText(text)
    this.interned.set(own, own)
    return own
  }
}

function isDerivative(kind: InstrumentKind): boolean {
  return kind === 'option' || kind === 'future'
}

function isQuantity(value: number): boolean {
  return Number.isFinite(value) && value >= 0
}

function kindOf(type: string, segment: string): InstrumentKind | undefined {
  if (type === 'CE' || type === 'PE') return 'option'
  if (type === 'FUT') return 'future'
  if (type !== 'EQ') return undefined
  return segment === 'INDICES' ? 'index' : 'equity'
}

function trimLine(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

/**
 * A copy of its own. A cell of 13 characters and more is a view into the dump's text for V8 and
 * would keep all 10 MB of it alive, as long as one instrument lives.
 */
function ownText(text: string): string {
  return text.length < 13 ? text : ` ${text}`.slice(1)
}

function formatRow(instrument: Instrument): string {
  return joinCsvRow([
    String(instrument.token),
    String(instrument.token >>> 8),
    instrument.tradingsymbol,
    instrument.name,
    '0.0',
    instrument.expiry ?? '',
    decimal(instrument.strike ?? 0),
    decimal(instrument.tickSize),
    String(instrument.lotSize),
    instrument.optionType ?? (instrument.kind === 'future' ? 'FUT' : 'EQ'),
    instrument.segment,
    instrument.exchange,
  ])
}

/** As the dump writes numbers: always with a point. */
function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
