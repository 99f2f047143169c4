import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LogSet } from '../../../src/backend/ingest/log-set.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { postgresUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { IngestUnderTest, minute } from '../candles/ingest-under-test.ts'
import { ALL, begins, clockAt, FUTURE, NIFTY, OPEN_MS, OPTIONS, packet } from '../scenario.ts'
import { type Row, storedRows } from '../stored-rows.ts'
import { type Answer, type WatchedStore, watched } from './watched-store.ts'

const url = await postgresUrl()

describe.skipIf(url === undefined)('two commits in flight of which the first is refused', () => {
  let store: Store
  let test: IngestUnderTest
  /** What the store holds of the future when a commit has been answered. */
  let closes: (number | undefined)[]

  beforeAll(async () => {
    const options = { applicationName: 'fostream test', log: silentLog }
    store = openStore({ kind: 'url', url: url ?? '' }, options)
    test = await IngestUnderTest.over(store)
    await test.clear()
  })
  afterEach(() => test.clear())
  afterAll(async () => {
    await test.close()
    await store.close()
  })

  /** Something of each kind, each second another price. */
  function trade(second: number): void {
    const atMs = OPEN_MS + second * 1_000
    const dayVolume = 65 * (second + 1)
    test.log.append([
      packet(NIFTY, atMs, 24_500 + second),
      packet(FUTURE, atMs, 24_510 + second, { dayVolume }),
      ...OPTIONS.map((instrument) => packet(instrument, atMs, 50 + second, { dayVolume })),
    ])
  }

  async function futureClose(): Promise<number | undefined> {
    const { rows } = await store.pool.query<{ close: number }>('SELECT close FROM futures_bars')
    return rows[0]?.close
  }

  /** One second is committed, and a clock record behind it. */
  async function begin(): Promise<WatchedStore> {
    closes = []
    const onAnswer = async () => {
      closes.push(await futureClose())
    }
    const seen = watched(barStore(store, 'bars'), { onAnswer })
    test.log.startEpoch(100)
    test.log.append([...begins(ALL, OPEN_MS - 1_000), clockAt(OPEN_MS - 500)])
    trade(0)
    test.start(seen.stores)
    await test.settled()
    test.log.append([clockAt(OPEN_MS + 900)])
    await test.settled()
    return seen
  }

  /** The store is held up at the first commit; the second is sent behind it. */
  async function sendTwo(
    { commits }: WatchedStore,
    first: () => void,
    meanwhile: () => Promise<unknown>,
  ): Promise<Answer[]> {
    await until(() => commits.every(({ answer }) => answer !== undefined))
    const before = commits.length
    closes = []
    await test.client.query('BEGIN')
    await test.client.query('SELECT FROM stream_offsets FOR UPDATE')
    first()
    await until(() => commits.length === before + 1 && commits[before]?.isSent === true)
    trade(2)
    await until(() => commits.length === before + 2 && commits[before + 1]?.isSent === true)
    expect(commits[before]?.answer).toBeUndefined()
    await meanwhile()
    await test.client.query('COMMIT')
    const two = commits.slice(before, before + 2)
    await until(() => closes.length === 2)
    return two.flatMap(({ answer }) => answer ?? [])
  }

  async function end(): Promise<void> {
    trade(3)
    test.log.append([clockAt(minute(1) + 5_000)])
    await test.settled()
  }

  /** What stands in the store after the same log, read anew without any trouble. */
  async function undisturbed(): Promise<Record<string, Row[]>> {
    const { log } = test
    await test.clear()
    test.log = log
    test.logs = new LogSet([log])
    test.start()
    await test.settled()
    return storedRows(test.client)
  }

  async function expectAsUndisturbed(tickCount: number): Promise<void> {
    const stored = await storedRows(test.client)
    const [future] = stored['futures_bars'] ?? []
    expect(future).toMatchObject({ open: 24_510, close: 24_513, tick_count: tickCount })
    expect(stored).toEqual(await undisturbed())
  }

  it('since the stored position was changed: neither takes effect, and it begins again from there', async () => {
    const seen = await begin()
    // Back to before the clock record: it is read again, and no tick with it.
    const back = () => test.client.query('UPDATE stream_offsets SET sequence = sequence - 1')
    expect(await sendTwo(seen, () => trade(1), back)).toEqual(['superseded', 'superseded'])
    expect(closes).toEqual([24_510, 24_510])
    await end()
    expect(test.ingest.counters.restarts).toBe(1)
    await expectAsUndisturbed(4)
  })

  it('since the connection ended: neither takes effect, and it begins again on a new one', async () => {
    const seen = await begin()
    const kill = async () => {
      const held = `datname = current_database() AND wait_event_type = 'Lock'`
      // Not on the connection that holds the lock: a transaction sees others as they were at first.
      const killed = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${held}`
      await until(async () => (await store.pool.query(killed)).rowCount === 1)
    }
    const answers = await sendTwo(seen, () => trade(1), kill)
    expect(answers.map((answer) => answer instanceof Error)).toEqual([true, true])
    expect(closes).toEqual([24_510, 24_510])
    await end()
    expect(test.ingest.counters.restarts).toBe(1)
    await expectAsUndisturbed(4)
  })

  it('since the store refuses a row of it: the second does not take effect before it', async () => {
    await test.client.query('ALTER TABLE futures_bars ADD CONSTRAINT sane CHECK (high < 1000000)')
    try {
      const seen = await begin()
      const refused = () => {
        test.log.append([packet(FUTURE, OPEN_MS + 1_000, 2_000_000, { dayVolume: 130 })])
      }
      const answers = await sendTwo(seen, refused, async () => undefined)
      expect(answers).toEqual([
        expect.objectContaining({ message: expect.stringMatching(/sane/) }),
        'superseded',
      ])
      expect(closes).toEqual([24_510, 24_510])
      await end()
      const letters = await test.rows<{ record: Buffer }>('SELECT record FROM dead_letters')
      expect(letters.map(({ record }) => JSON.parse(String(record)))).toMatchObject([
        { lastPrice: 200_000_000 },
      ])
      await expectAsUndisturbed(3)
    } finally {
      await test.client.query('ALTER TABLE futures_bars DROP CONSTRAINT sane')
    }
  })
})
