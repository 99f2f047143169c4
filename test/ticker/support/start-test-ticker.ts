/** A ticker against a broker on this machine, a journal in memory, and nothing else. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LifecycleEvent } from '../../../src/contract/events.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import { kiteBroker } from '../../../src/ticker/broker.ts'
import { startTicker, type TickerHandle } from '../../../src/ticker/ticker.ts'
import type { TickerConfig, TickerDeps } from '../../../src/ticker/ticker-deps.ts'
import { askForTheMoney } from './around-the-money.ts'
import { type BrokerServer, startBroker } from './broker-server.ts'
import { smallMaster } from './contracts.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemorySubscriptionStore } from './memory-stores.ts'
import { keptLog } from './silent-log.ts'
import { START_MS } from './test-clock.ts'

export const ACCOUNT = {
  name: 'main',
  apiKey: 'key',
  accessToken: 'secret-token',
  maxConnections: 3,
  maxInstruments: 9_000,
  historyRequestsPerSecond: 3,
  quoteRequestsPerSecond: 1,
}

export interface Running {
  readonly ticker: TickerHandle
  readonly broker: BrokerServer
  readonly journal: MemoryJournal
  readonly events: LifecycleEvent[]
  readonly log: ReturnType<typeof keptLog>
  readonly dataDir: string
  readonly failures: unknown[]
}

export interface RunOptions {
  readonly config?: Partial<TickerConfig>
  readonly deps?: Partial<TickerDeps>
  readonly broker?: BrokerServer
  readonly journal?: MemoryJournal
  readonly dataDir?: string
  /** Nobody asks for the strikes around the money when it starts for the first time. */
  readonly isUnasked?: boolean
}

const releasers: (() => unknown)[] = []

export function onRelease(release: () => unknown): void {
  releasers.push(release)
}

/** To be called after each test. */
export async function releaseAll(): Promise<void> {
  for (const release of releasers.splice(0).reverse()) await release()
}

export async function runTicker(options: RunOptions = {}): Promise<Running> {
  const broker = options.broker ?? (await startBroker(smallMaster()))
  if (options.broker === undefined) releasers.push(() => broker.stop())
  const dataDir = options.dataDir ?? temporaryFolder()
  const partitions = options.config?.partitions ?? 1
  const journal = options.journal ?? new MemoryJournal(partitions)
  const log = keptLog()
  const isFirst = !wasHeld(dataDir, options.deps?.subscriptionStore)
  const failures: unknown[] = []
  const ticker = await startTicker({
    config: {
      version: '0.0.0',
      feed: 'simulated',
      host: '127.0.0.1',
      port: 0,
      dataDir,
      partitions,
      accounts: [ACCOUNT],
      instrumentsPerAccount: 1_500,
      marketSpeed: 1,
      startMarketTimeMs: START_MS,
      calendarMode: 'always',
      redisChannelPrefix: 'ticker:nifty',
      ...options.config,
    },
    journal,
    subscriptionStore: undefined,
    instrumentStore: undefined,
    calendar: alwaysOpenCalendar(),
    broker: kiteBroker({
      webSocketRoot: broker.webSocketRoot,
      restRoot: broker.restRoot,
      clock: systemClock,
    }),
    clock: systemClock,
    log,
    random: () => 0.5,
    onFailure: (error) => failures.push(error),
    ...options.deps,
  })
  const events: LifecycleEvent[] = []
  ticker.onEvent((event) => events.push(event))
  releasers.push(() => ticker.stop('test'))
  if (options.isUnasked !== true && isFirst) releasers.push(askForTheMoney(ticker))
  return { ticker, broker, journal, events, log, dataDir, failures }
}

/** Whether there is something that was held before. */
function wasHeld(dataDir: string, store: TickerDeps['subscriptionStore']): boolean {
  if (existsSync(join(dataDir, 'subscriptions.jsonl'))) return true
  return store instanceof MemorySubscriptionStore && !store.isAway && store.rows.size > 0
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fostream-ticker-'))
  releasers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function request(
  { ticker }: Pick<Running, 'ticker'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const init: RequestInit = { method, headers: { ...headers } }
  if (body !== undefined) {
    init.body = typeof body === 'string' ? body : JSON.stringify(body)
    init.headers = { 'content-type': 'application/json', ...headers }
  }
  const response = await fetch(`${ticker.url}${path}`, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('application/json') === true
  return {
    status: response.status,
    body: isJson ? JSON.parse(text) : text,
    headers: response.headers,
  }
}
