/**
 * Whether a dump can be the whole of what is listed. A part of one must not become the master: what it
 * lacks would be taken for delisted, and its subscriptions would end.
 */
import {
  TICKER_DUMP_LEAST_KEPT_SHARE,
  TICKER_DUMP_LEAST_ROWS,
  TICKER_DUMP_SHARE_COUNTS_FROM,
} from '../../limits.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'

export interface DumpUnderCheck {
  /** The last one that was whole; empty where none is known. */
  readonly former: InstrumentMaster
  readonly after: InstrumentMaster
  /** What `after` lacks of `former`. */
  readonly removed: readonly Instrument[]
  /** IST date of the dump. */
  readonly date: string
  /** The text ends within a row. */
  readonly isCutOff: boolean
}

/** Why a dump is not taken; undefined where it is. */
export function dumpFault(dump: DumpUnderCheck): string | undefined {
  const { former, after, removed, date } = dump
  if (dump.isCutOff) return `the dump is cut off after ${after.size} instruments`
  if (after.size < TICKER_DUMP_LEAST_ROWS) {
    return `the dump has ${after.size} instruments; at least ${TICKER_DUMP_LEAST_ROWS} are listed`
  }
  const known = countByExchange(former.instruments, date)
  const gone = countByExchange(removed, date)
  for (const [exchange, total] of known) {
    const lost = gone.get(exchange) ?? 0
    const isFew = total < TICKER_DUMP_SHARE_COUNTS_FROM
    if (isFew || lost <= total * (1 - TICKER_DUMP_LEAST_KEPT_SHARE)) continue
    return `the dump lacks ${lost} of ${total} known instruments of ${exchange}; if that is right, delete instruments.csv in the data folder and start again`
  }
  return undefined
}

/** Those that have not expired: the others are expected to go, many on one day. */
function countByExchange(instruments: readonly Instrument[], date: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { exchange, expiry } of instruments) {
    if (expiry !== null && expiry < date) continue
    counts.set(exchange, (counts.get(exchange) ?? 0) + 1)
  }
  return counts
}
