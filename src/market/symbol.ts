/**
 * The grammar of F&O tradingsymbols, both ways.
 *
 *   future    NAME YY MMM FUT               NIFTY26AUGFUT
 *   monthly   NAME YY MMM STRIKE (CE|PE)    NIFTY26AUG24350CE      MMM = JAN … DEC
 *   weekly    NAME YY M DD STRIKE (CE|PE)   NIFTY2681824350CE      M = 1 … 9, O, N, D
 *
 * Names end in digits (SENSEX50), begin with them (360ONE) and hold `-` and `&`, so a name cannot
 * be cut off by its looks: it is matched against the dump's names, the longest first. The monthly
 * form carries no day, so the expiry date is never computed from a symbol: it stands in the dump.
 */
import { isDayOfMonth } from './ist.ts'

export interface ContractExpiry {
  readonly year: number
  /** 1 … 12 */
  readonly month: number
  /** Null in the monthly form, which does not carry it. */
  readonly day: number | null
}

export interface ContractName {
  /** The dump's `name`. */
  readonly name: string
  readonly kind: 'FUT' | 'CE' | 'PE'
  readonly expiry: ContractExpiry
  /** Rupees; null for a future. */
  readonly strike: number | null
}

/** Names to match against, prepared once for many symbols. */
export interface KnownNames {
  readonly names: ReadonlySet<string>
  /** The lengths that occur, longest first. */
  readonly lengths: readonly number[]
}

const MONTHS = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ')
const WEEKLY_MONTHS = '123456789OND'
const CENTURY = 2000

const MONTHLY = /^(\d{2})([A-Z]{3})(?:FUT|(\d+(?:\.\d+)?)(CE|PE))$/
const WEEKLY = /^(\d{2})([1-9OND])(\d{2})(\d+(?:\.\d+)?)(CE|PE)$/

export function knownNames(names: Iterable<string>): KnownNames {
  const set = new Set(names)
  const lengths = [...new Set([...set].map((name) => name.length))].sort((a, b) => b - a)
  return { names: set, lengths }
}

/** Undefined where no known name leaves a rest that is a contract. */
export function parseTradingsymbol(
  tradingsymbol: string,
  known: KnownNames,
): ContractName | undefined {
  for (const length of known.lengths) {
    const name = tradingsymbol.slice(0, length)
    if (name.length < length || !known.names.has(name)) continue
    const rest = tradingsymbol.slice(length)
    const contract = parseMonthly(name, rest) ?? parseWeekly(name, rest)
    if (contract !== undefined) return contract
  }
  return undefined
}

/** @throws RangeError where the contract is not one that the grammar can say */
export function formatTradingsymbol({ name, kind, expiry, strike }: ContractName): string {
  const year = expiry.year - CENTURY
  const monthly = MONTHS[expiry.month - 1]
  if (year < 0 || year > 99 || monthly === undefined || (kind === 'FUT') !== (strike === null)) {
    throw new RangeError(`no tradingsymbol for ${JSON.stringify({ name, kind, expiry, strike })}`)
  }
  const what = kind === 'FUT' ? kind : `${strike}${kind}`
  if (expiry.day === null || kind === 'FUT') return `${name}${two(year)}${monthly}${what}`
  return `${name}${two(year)}${WEEKLY_MONTHS[expiry.month - 1]}${two(expiry.day)}${what}`
}

function parseMonthly(name: string, rest: string): ContractName | undefined {
  const match = MONTHLY.exec(rest)
  if (match === null) return undefined
  const [, yy, mmm = '', strike, type] = match
  const month = MONTHS.indexOf(mmm) + 1
  if (month === 0) return undefined
  const expiry = { year: CENTURY + Number(yy), month, day: null }
  if (strike === undefined) return { name, kind: 'FUT', expiry, strike: null }
  return { name, kind: optionKind(type), expiry, strike: Number(strike) }
}

function parseWeekly(name: string, rest: string): ContractName | undefined {
  const match = WEEKLY.exec(rest)
  if (match === null) return undefined
  const [, yy, m = '', dd, strike, type] = match
  const month = WEEKLY_MONTHS.indexOf(m) + 1
  const expiry = { year: CENTURY + Number(yy), month, day: Number(dd) }
  if (!isDayOfMonth(expiry)) return undefined
  return { name, kind: optionKind(type), expiry, strike: Number(strike) }
}

function optionKind(text: string | undefined): 'CE' | 'PE' {
  return text === 'PE' ? 'PE' : 'CE'
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
