/**
 * A ticker in a process of its own, so that a test can kill it: `node … {data folder} {broker's port} {epoch}`.
 * Its address is the first line that it says. Nobody takes its events, so they stay in its outbox.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../src/kit/clock.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import { kiteBroker } from '../../../src/ticker/broker.ts'
import { startTicker } from '../../../src/ticker/ticker.ts'
import { silentLog } from '../../silent-log.ts'
import { askForTheMoney } from './around-the-money.ts'
import { MemoryBus } from './memory-bus.ts'
import { MemoryJournal } from './memory-journal.ts'
import { START_MS } from './test-clock.ts'

const [dataDir = '', port = '', epoch = ''] = process.argv.slice(2)
const bus = new MemoryBus()
bus.error = 'away'
const ticker = await startTicker({
  config: {
    version: '0.0.0',
    feed: 'simulated',
    host: '127.0.0.1',
    port: 0,
    dataDir,
    partitions: 1,
    accounts: [
      {
        name: 'main',
        apiKey: 'key',
        accessToken: 'secret-token',
        maxConnections: 3,
        maxInstruments: 9_000,
        historyRequestsPerSecond: 3,
        quoteRequestsPerSecond: 1,
      },
    ],
    instrumentsPerAccount: 1_500,
    muteAfterMs: 600_000,
    marketSpeed: 1,
    startMarketTimeMs: START_MS,
    calendarMode: 'always',
    redisChannelPrefix: 'ticker:nifty',
  },
  journal: Object.assign(new MemoryJournal(1), { epoch: Number(epoch) }),
  subscriptionStore: undefined,
  instrumentStore: undefined,
  calendar: alwaysOpenCalendar(),
  broker: kiteBroker({
    webSocketRoot: `ws://127.0.0.1:${port}`,
    restRoot: `http://127.0.0.1:${port}`,
    clock: systemClock,
  }),
  clock: systemClock,
  log: silentLog,
  random: () => 0.5,
  bus,
  onFailure: (error) => {
    throw error
  },
})
if (!existsSync(join(dataDir, 'subscriptions.jsonl'))) askForTheMoney(ticker)
process.stdout.write(`${ticker.url}\n`)
