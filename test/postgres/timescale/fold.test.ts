import { expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { startIngest } from '../../../src/backend/ingest/start-ingest.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore } from '../../../src/postgres/connection.ts'
import { migrate } from '../../../src/postgres/migrate.ts'
import { adoptTimescale } from '../../../src/postgres/timescale/adopt-timescale.ts'
import { BarUpkeep } from '../../../src/postgres/upkeep.ts'
import { referenceFold } from '../../../src/verify/reference-fold/reference-fold.ts'
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
} from '../../backend/scenario.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { compareWithStore } from '../../verify/whole-store.ts'
import { openTimescale } from './timescale-store.ts'

const MINUTES = 4
const TWO_DAYS_MS = 2 * 24 * 60 * MINUTE_MS

it('writes into TimescaleDB, also into a day that is compressed, exactly what the log says', async () => {
  const target = { kind: 'embedded', store: await openTimescale() } as const
  const store = openStore(target, { applicationName: 'fostream test', log: silentLog })
  const client = await store.connect()
  await migrate(client)
  expect(await adoptTimescale(store, silentLog)).toBe(true)
  const log = new MemoryLog()
  const ground = {
    master: new InstrumentMaster(ALL),
    calendar: exchangeCalendar(),
    riskFreeRate: 0.065,
  }
  const ingest = startIngest({
    ...ground,
    logs: new LogSet([log]),
    stores: barStore(store, 'bars'),
    partitions: 1,
    ownPartitions: [0],
    clock: systemClock,
    log: silentLog,
  })
  const written = () =>
    until(async () => {
      const { rows } = await client.query<{ sequence: number; due: number }>(
        'SELECT sequence, (SELECT count(*) FROM finalise_queue) AS due FROM stream_offsets',
      )
      return rows[0]?.sequence === log.position.sequence && rows[0]?.due === 0
    })
  const differences = () =>
    compareWithStore(client, referenceFold({ ...ground, batches: log.batches }))

  trade(log)
  await written()
  expect(await differences()).toEqual([])

  await new BarUpkeep(client, { retentionDays: undefined, log: silentLog }).run(
    OPEN_MS + TWO_DAYS_MS,
  )
  const compressed = await client.query(
    "SELECT FROM timescaledb_information.chunks WHERE hypertable_schema = 'public' AND is_compressed",
  )
  expect(compressed.rowCount).toBe(5)
  // A late tick of the second minute: the bar, its chain and its metrics are written once more.
  log.append([
    ...OPTIONS.slice(0, 2).map((option) => packet(option, OPEN_MS + MINUTE_MS + 41_500, 333.35)),
    clockAt(OPEN_MS + MINUTES * MINUTE_MS + 9_000),
  ])
  await written()
  expect(await differences()).toEqual([])
  const late = await client.query('SELECT FROM fo_option_strike_bars WHERE high = 333.35')
  expect(late.rowCount).toBe(2)

  await ingest.stop()
  await client.end()
  await store.close()
}, 240_000)

function trade(log: MemoryLog): void {
  log.startEpoch(100)
  log.append([...begins(ALL, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
  for (let second = 0; second < MINUTES * 60; second += 5) {
    const atMs = OPEN_MS + second * 1_000
    log.append([
      packet(NIFTY, atMs, 24_500 + (second % 70) / 10),
      packet(FUTURE, atMs, 24_510 + (second % 70) / 10, { dayVolume: 65 * (second + 1) }),
      ...OPTIONS.map((option, i) =>
        packet(option, atMs, 60 + ((second * (i + 3)) % 45) / 20, {
          dayVolume: 65 * (second + 10),
          openInterest: 6_500 * (i + 1) + second,
        }),
      ),
      clockAt(atMs + 50),
    ])
  }
  log.append([clockAt(OPEN_MS + MINUTES * MINUTE_MS + 5_000)])
}
