/** What is listed, and the broker's answers about it, as the ticker puts them together. */
import { join } from 'node:path'
import type { RefreshMetadata } from '../contract/events.ts'
import type { Pool } from './connection/pool.ts'
import type { MarketTime } from './feed/market-time.ts'
import { InstrumentVersions } from './instruments/instrument-versions.ts'
import { Instruments, type InstrumentsDeps } from './instruments/instruments.ts'
import type { BudgetedBroker } from './requests/budgeted-broker.ts'
import { BrokerRequests } from './requests/history-service.ts'
import { pacedClock } from './requests/paced-clock.ts'
import type { TickerDeps } from './ticker-deps.ts'

const DUMP_FILE = 'instruments.csv'

export function newInstruments(
  deps: TickerDeps,
  marketTime: MarketTime,
  pool: Pool,
  onLoaded: InstrumentsDeps['onLoaded'],
): Instruments {
  const { config, clock, log, random, calendar } = deps
  return new Instruments({
    clock,
    log,
    random,
    calendar,
    marketTimeMs: () => marketTime.now(),
    fetchDump: () => pool.request(({ access }) => access.rest.instrumentsCsv()),
    copyPath: join(config.dataDir, DUMP_FILE),
    onLoaded,
  })
}

/** Undefined where there is no store for them. */
export function newVersions(
  { instrumentStore: store, clock, log, random }: TickerDeps,
  onStored: (refresh: RefreshMetadata) => void,
): InstrumentVersions | undefined {
  return store && new InstrumentVersions({ store, clock, log, random, onStored })
}

export function newRequests(
  deps: TickerDeps,
  marketTime: MarketTime,
  pool: Pool,
  budgets: BudgetedBroker,
  instruments: Instruments,
): BrokerRequests {
  const { config, clock, log, calendar } = deps
  return new BrokerRequests({
    clock,
    paced: pacedClock(clock, config.marketSpeed),
    log,
    calendar,
    accounts: pool.accounts,
    budgets,
    marketTimeMs: () => marketTime.now(),
    segmentOf: (token) => instruments.master.byToken(token)?.segment,
  })
}
