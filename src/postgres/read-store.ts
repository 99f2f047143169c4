/** The reads of the backend's API over the store's pool. */
import type { BackendReads } from '../backend/ports.ts'
import type { Store } from './connection.ts'
import { readEverListed } from './instrument-store.ts'
import { barReader } from './read-bars.ts'
import { readChainAt, readFirstExpiry, readOptionDays } from './read-chain.ts'
import { readGaps } from './read-gaps.ts'
import { readExpiryMetrics } from './read-metrics.ts'
import { readAtmStrikes, readListedStrikes, readStrikeFigures } from './read-series.ts'
import {
  readDeadLetters,
  readDescription,
  readGapSums,
  readLedgerSums,
  readNewestRows,
} from './read-status.ts'

export function storeReads({
  pool,
  kind,
  rebuiltBecause,
}: Pick<Store, 'pool' | 'kind' | 'rebuiltBecause'>): BackendReads {
  return {
    describe: async () => ({ ...(await readDescription(pool, kind)), rebuiltBecause }),
    chainAt: (series, atMs, notBeforeMs) => readChainAt(pool, series, atMs, notBeforeMs),
    firstStoredExpiry: (symbol, fromDate) => readFirstExpiry(pool, symbol, fromDate),
    optionDays: (tradingsymbols, dayMs, untilMs, notBeforeMs) =>
      readOptionDays(pool, tradingsymbols, dayMs, untilMs, notBeforeMs),
    expiryMetrics: (symbol, expiry, fromMs, toMs, limit) =>
      readExpiryMetrics(pool, symbol, expiry, fromMs, toMs, limit),
    bars: barReader(pool),
    everListed: (tradingsymbol) => readEverListed(pool, tradingsymbol),
    listedStrikes: (symbol, expiry) => readListedStrikes(pool, symbol, expiry),
    atmStrikes: (symbol, expiry, fromMs, toMs, limit) =>
      readAtmStrikes(pool, symbol, expiry, fromMs, toMs, limit),
    strikeFigures: (series, strikes, figure, fromMs, toMs) =>
      readStrikeFigures(pool, series, strikes, figure, fromMs, toMs),
    gaps: (query) => readGaps(pool, query),
    newestRows: (indices, symbols, notBeforeMs) =>
      readNewestRows(pool, indices, symbols, notBeforeMs),
    ledgerSums: (sinceMs) => readLedgerSums(pool, sinceMs),
    gapSums: () => readGapSums(pool),
    deadLetters: () => readDeadLetters(pool),
  }
}
