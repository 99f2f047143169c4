/**
 * The index underlyings that are known by name, and the one place where their many spellings meet.
 *
 * The broker's dump says `NIFTY`, its index is traded as `NIFTY 50`, people type either; inside
 * there is only the canonical symbol (`NIFTY50`). A stock or a commodity has no entry here: its
 * canonical symbol is the dump's name as it stands.
 */

export interface Underlying {
  /** The canonical symbol, as tables and APIs carry it. */
  readonly symbol: string
  /** The dump's `name` of its futures and options; null where none are listed (INDIA VIX). */
  readonly dumpName: string | null
  /** Exchange of the index itself. */
  readonly indexExchange: 'NSE' | 'BSE'
  readonly indexTradingsymbol: string
  /** The index's number on the wire. Index tokens, unlike contract tokens, are not reused. */
  readonly indexToken: number
  /** Exchange of its futures and options; null where none are listed. */
  readonly derivativesExchange: 'NFO' | 'BFO' | null
  /** Further spellings; the symbol, dump name and index tradingsymbol need no repeating. */
  readonly aliases: readonly string[]
}

function nse(symbol: string, dumpName: string, index: string, token: number, aliases: string[]) {
  return {
    symbol,
    dumpName,
    indexExchange: 'NSE',
    indexTradingsymbol: index,
    indexToken: token,
    derivativesExchange: 'NFO',
    aliases,
  } satisfies Underlying
}

function bse(symbol: string, token: number, aliases: string[]) {
  return {
    symbol,
    dumpName: symbol,
    indexExchange: 'BSE',
    indexTradingsymbol: symbol,
    indexToken: token,
    derivativesExchange: 'BFO',
    aliases,
  } satisfies Underlying
}

const INDIA_VIX: Underlying = {
  symbol: 'INDIAVIX',
  dumpName: null,
  indexExchange: 'NSE',
  indexTradingsymbol: 'INDIA VIX',
  indexToken: 264969,
  derivativesExchange: null,
  aliases: ['VIX'],
}

export const UNDERLYINGS: readonly Underlying[] = [
  nse('NIFTY50', 'NIFTY', 'NIFTY 50', 256265, []),
  nse('BANKNIFTY', 'BANKNIFTY', 'NIFTY BANK', 260105, []),
  nse('FINNIFTY', 'FINNIFTY', 'NIFTY FIN SERVICE', 257801, ['NIFTY FINANCIAL SERVICES']),
  nse('MIDCPNIFTY', 'MIDCPNIFTY', 'NIFTY MID SELECT', 288009, ['NIFTY MIDCAP SELECT']),
  nse('NIFTYNXT50', 'NIFTYNXT50', 'NIFTY NEXT 50', 270857, ['NIFTY NXT 50']),
  bse('SENSEX', 265, ['BSE SENSEX']),
  bse('BANKEX', 274441, ['BSE BANKEX']),
  INDIA_VIX,
]

const bySymbol = new Map(UNDERLYINGS.map((underlying) => [underlying.symbol, underlying]))
const byIndexToken = new Map(UNDERLYINGS.map((underlying) => [underlying.indexToken, underlying]))
const bySpelling = new Map(
  UNDERLYINGS.flatMap((underlying) =>
    spellings(underlying)
      .flatMap((spelling) => [spelling, foldSpelling(spelling)])
      .map((spelling) => [spelling, underlying.symbol] as const),
  ),
)

/** The canonical symbol of any spelling, in any case and spacing; undefined where none is known. */
export function canonicalSymbol(nameOrAlias: string): string | undefined {
  return bySpelling.get(nameOrAlias) ?? bySpelling.get(foldSpelling(nameOrAlias))
}

/** What stands in `Instrument.symbol`: the canonical symbol, else the dump's name as it is. */
export function symbolOfName(dumpName: string): string {
  return canonicalSymbol(dumpName) ?? dumpName
}

export function underlyingOf(symbol: string): Underlying | undefined {
  return bySymbol.get(symbol)
}

export function underlyingOfIndexToken(token: number): Underlying | undefined {
  return byIndexToken.get(token)
}

/**
 * The log partition of an underlying, 0 … partitions − 1. An index, its futures and its options
 * share one. The answer is part of the log's format: it must never change for a given input.
 *
 * @throws RangeError where `partitions` is not a positive integer
 */
export function partitionOf(symbol: string, partitions: number): number {
  if (!Number.isInteger(partitions) || partitions < 1) {
    throw new RangeError(`partitions must be a positive integer, got ${partitions}`)
  }
  return spread(fnv1a(symbol)) % partitions
}

/** 32-bit FNV-1a over UTF-16 code units; every symbol is ASCII. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash
}

/** FNV's low bits depend on its input's low bits alone, and a small modulus looks at nothing else. */
function spread(hash: number): number {
  const folded = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (folded ^ (folded >>> 13)) >>> 0
}

function spellings(underlying: Underlying): string[] {
  const { symbol, dumpName, indexTradingsymbol, aliases } = underlying
  return [symbol, indexTradingsymbol, ...(dumpName === null ? [] : [dumpName]), ...aliases]
}

/** `Nifty 50`, `nifty-50` and `NIFTY_50` are one spelling. */
function foldSpelling(text: string): string {
  return text.toUpperCase().replace(/[\s_-]+/g, '')
}
