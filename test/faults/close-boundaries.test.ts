/**
 * A minute's close is many messages between the backend and its database. Here the connection ends
 * behind each of them in turn, the backend is thrown away and another goes on: whatever was written
 * by then, the tables end up as the second fold of the log says.
 */
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LogSet } from '../../src/backend/ingest/log-set.ts'
import { type Ingest, startIngest } from '../../src/backend/ingest/start-ingest.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { exchangeCalendar } from '../../src/market/calendar.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { barStore } from '../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../src/postgres/connection.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { referenceFold } from '../../src/verify/reference-fold/reference-fold.ts'
import {
  ALL,
  begins,
  clockAt,
  FUTURE,
  MemoryLog,
  NIFTY,
  OPEN_MS,
  OPTIONS,
  packet,
} from '../backend/scenario.ts'
import { postgresUrl } from '../services.ts'
import { silentLog } from '../silent-log.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'
import { compareWithStore } from '../verify/whole-store.ts'

const MINUTE_MS = 60_000
const RATE = 0.065
/** A close has fewer messages than that; one more would be a loop that does not end. */
const BOUNDARIES_MAX = 200

const url = await postgresUrl()

describe.skipIf(url === undefined)('a minute’s close', () => {
  const master = new InstrumentMaster(ALL)
  const calendar = exchangeCalendar()
  let proxy: TcpProxy
  let store: Store
  let client: pg.Client

  beforeAll(async () => {
    const direct = openStore(
      { kind: 'url', url: url ?? '' },
      { applicationName: 'fostream test', log: silentLog },
    )
    client = await direct.connect()
    await direct.close()
    await migrate(client)
    proxy = await TcpProxy.start(url ?? '')
    const through = new URL(url ?? '')
    through.hostname = '127.0.0.1'
    through.port = String(proxy.port)
    store = openStore(
      { kind: 'url', url: through.href },
      { applicationName: 'fostream test', log: silentLog },
    )
  })
  afterAll(async () => {
    await client?.end()
    await store?.close()
    await proxy?.stop()
  })

  function start(log: MemoryLog): Ingest {
    const ingest = startIngest({
      logs: new LogSet([log]),
      stores: barStore(store, 'bars'),
      master,
      calendar,
      riskFreeRate: RATE,
      partitions: 1,
      ownPartitions: [0],
      clock: systemClock,
      log: silentLog,
    })
    ingest.ended.catch(() => undefined)
    return ingest
  }

  async function isSettled({ position }: MemoryLog): Promise<boolean> {
    const { rows } = await client.query<{ epoch: number; sequence: number; due: number }>(`
      SELECT epoch, sequence, (SELECT count(*)::int FROM finalise_queue) AS due FROM stream_offsets`)
    const [at] = rows
    return at?.epoch === position.epoch && at.sequence === position.sequence && at.due === 0
  }

  /** Cuts behind the given number of messages; false where the close was over by then. */
  async function closeCutAfter(messages: number): Promise<boolean> {
    await client.query(`
      TRUNCATE minute_bars, futures_bars, fo_option_strike_bars, fo_expiry_metrics,
        fo_strike_distribution, coverage, feed_gaps, stream_offsets, delivery_ledger, dead_letters,
        finalise_queue`)
    const log = oneOpenMinute()
    const first = start(log)
    await until(() => isSettled(log))
    proxy.cutAfter(messages)
    log.append([clockAt(OPEN_MS + MINUTE_MS + 5_000)])
    await until(async () => proxy.isRefusing || (await isSettled(log)))
    const isCut = proxy.isRefusing
    await first.stop()
    proxy.cutAfter(Number.MAX_SAFE_INTEGER)
    proxy.refuse(false)

    const second = start(log)
    await until(() => isSettled(log))
    await second.stop()
    const reference = referenceFold({ batches: log.batches, master, calendar, riskFreeRate: RATE })
    expect(await compareWithStore(client, reference), `cut after ${messages} messages`).toEqual([])
    return isCut
  }

  it('is as the reference fold says, wherever in it the database and the backend ended', {
    timeout: 240_000,
  }, async () => {
    let boundaries = 0
    while (await closeCutAfter(boundaries)) {
      boundaries++
      expect(boundaries).toBeLessThan(BOUNDARIES_MAX)
    }
    // A commit and the finals, each asked and answered.
    expect(boundaries).toBeGreaterThanOrEqual(4)
  })
})

/** Everything of a minute but the clock that closes it. */
function oneOpenMinute(): MemoryLog {
  const log = new MemoryLog()
  log.startEpoch(100)
  log.append([...begins(ALL, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
  for (let second = 0; second < 60; second += 10) {
    const atMs = OPEN_MS + second * 1_000
    log.append([
      packet(NIFTY, atMs, 24_500 + second / 10),
      packet(FUTURE, atMs, 24_510 + second / 10, { dayVolume: 65 * (second + 1) }),
      ...OPTIONS.map((each, i) =>
        packet(each, atMs, 60 + i + (second % 30) / 10, {
          dayVolume: 65 * (second + 10),
          openInterest: 6_500 * (i + 1),
        }),
      ),
      clockAt(atMs + 50),
    ])
  }
  return log
}
