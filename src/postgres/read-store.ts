/** The reads of the backend's API over the store's pool. */
import type { BackendReads } from '../backend/ports.ts'
import type { Store } from './connection.ts'
import { readChainAt, readFirstExpiry, readOptionDays } from './read-chain.ts'
import { readExpiryMetrics } from './read-metrics.ts'
import {
  readDeadLetters,
  readDescription,
  readGapSums,
  readLedgerSums,
  readNewestRows,
} from './read-status.ts'

export function storeReads({ pool, kind }: Pick<Store, 'pool' | 'kind'>): BackendReads {
  return {
    describe: () => readDescription(pool, kind),
    chainAt: (series, atMs, notBeforeMs) => readChainAt(pool, series, atMs, notBeforeMs),
    firstStoredExpiry: (symbol, fromDate) => readFirstExpiry(pool, symbol, fromDate),
    optionDays: (tradingsymbols, dayMs, untilMs, notBeforeMs) =>
      readOptionDays(pool, tradingsymbols, dayMs, untilMs, notBeforeMs),
    expiryMetrics: (symbol, expiry, fromMs, toMs, limit) =>
      readExpiryMetrics(pool, symbol, expiry, fromMs, toMs, limit),
    newestRows: (indices, symbols, notBeforeMs) =>
      readNewestRows(pool, indices, symbols, notBeforeMs),
    ledgerSums: (sinceMs) => readLedgerSums(pool, sinceMs),
    gapSums: () => readGapSums(pool),
    deadLetters: () => readDeadLetters(pool),
  }
}
