/**
 * The platform in three processes under real faults, one after another on one platform: each thing
 * is killed, stopped, slowed, cut or put back in time. After each it goes on by itself, and in the end
 * everybody's books agree.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forEachRecord } from '../../src/contract/journal-batch.ts'
import { readAll } from '../../src/journal/read-all.ts'
import {
  JOURNAL_PENDING_MAX_BYTES,
  JOURNAL_READER_QUEUE_MAX_BYTES,
  JOURNAL_STREAM_SILENT_MS,
  JOURNAL_UNSYNCED_MAX_BYTES,
  TICKER_PENDING_MAX_BYTES,
  UNCOMMITTED_RECORDS_MAX,
} from '../../src/limits.ts'
import { hasRedisServer } from '../redis-server.ts'
import { until } from '../until.ts'
import { faultLength, isLong, KILLS, LOAD } from './extent.ts'
import { inquire } from './inquest.ts'
import { hasPostgresServer } from './postgres-server.ts'
import { getJson, SplitPlatform } from './split-platform.ts'

const ALL_WELL = { bookFaults: [], rowFaults: [], unbalanced: 0, lost: 0, deadLetters: 0 }
/** Many times what they take on a machine of their own. */
const LONG = { timeout: 600_000 }

describe.skipIf(!hasPostgresServer || !hasRedisServer)('the platform in three processes', () => {
  let platform: SplitPlatform
  let putBack: () => Promise<void>

  beforeAll(async () => {
    platform = await SplitPlatform.open(LOAD)
    await platform.start()
    await platform.subscribe(LOAD.instruments)
    await platform.commits()
  }, 240_000)
  afterAll(() => platform?.dispose(), 60_000)

  async function inquiry(expected: object = ALL_WELL): Promise<void> {
    const found = await inquire(platform)
    expect(found).toMatchObject(expected)
    expect(found.sent).toBeGreaterThan(LOAD.ticksPerSecond)
    await platform.commits()
  }

  it('goes on when the backend is killed in mid-commit, each time', LONG, async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(Math.random() * 1_000)
      await platform.backend.kill()
      await platform.backend.start()
      await platform.commits()
    }
    await platform.caughtUp()
  })

  it('goes on when the ticker is killed, and when both are', LONG, async () => {
    await platform.ticker.kill()
    await platform.ticker.start()
    await platform.commits()
    await Promise.all([platform.ticker.kill(), platform.backend.kill()])
    await Promise.all([platform.ticker.start(), platform.backend.start()])
    await platform.commits()
  })

  it.skipIf(!isLong)(
    'lets one backend write: the older of two ends, and says why',
    LONG,
    async () => {
      await platform.secondBackend.start()
      expect(await platform.backend.ended(120_000)).toBe(1)
      expect(platform.backend.printed).toContain('another backend writes partition 0')
      const log = await readFile(join(platform.dataDir, 'logs', 'backend.log'), 'utf8')
      expect(log).toMatch(/"level":"error".*"Bars are no longer written here".*"superseded"/)
      await platform.commits()
      expect(platform.secondBackend.isRunning).toBe(true)
      expect(await platform.secondBackend.stop()).toBe(0)
      await platform.backend.start()
      await platform.commits()
    },
  )

  it(
    'goes on after an outage of the database: stopped, and at length killed, frozen, slow',
    LONG,
    async () => {
      const { database, backend } = platform
      await database.stop()
      if (isLong) putBack = await database.backUp()
      await until(async () => {
        const health = await getHealth(platform.backendUrl)
        return health.status === 'unavailable' && health.text.includes('store')
      }, 90_000)
      await pause(faultLength(1_000))
      await database.start()
      await platform.caughtUp()
      expect(backend.isRunning).toBe(true)
      if (!isLong) return

      await database.kill()
      await database.start()
      await platform.caughtUp()

      database.freeze()
      await pause(faultLength(3_000))
      database.thaw()
      await platform.caughtUp()

      platform.storeProxy.delay(1_000)
      await platform.commits()
      await pause(faultLength(3_000))
      platform.storeProxy.delay(0)
      await platform.caughtUp()
      expect(backend.isRunning).toBe(true)
    },
  )

  it.skipIf(!isLong)(
    'loses nothing when the database comes back with older data',
    LONG,
    async () => {
      const ahead = await platform.committed()
      await platform.database.stop()
      await putBack()
      await platform.database.start()
      const behind = await platform.committed()
      expect([behind.epoch, behind.sequence]).not.toEqual([ahead.epoch, ahead.sequence])
      await platform.caughtUp()
      await inquiry()
    },
  )

  it.skipIf(!isLong)(
    'goes on without Redis: bars are written, and events are told when it is back',
    LONG,
    async () => {
      await platform.redis.kill()
      await platform.commits()
      await pause(faultLength(3_000))
      await platform.caughtUp()
      await platform.redis.start()
      await until(async () => {
        const { redis } = await getJson<{ redis: { status: string; outbox: number } }>(
          `${platform.tickerUrl}/status`,
        )
        return redis.status === 'up' && redis.outbox === 0
      }, 120_000)
    },
  )

  it.skipIf(!isLong)(
    'goes on when the journal’s stream is cut, damaged or half open',
    LONG,
    async () => {
      const { journalProxy } = platform
      for (let cut = 0; cut < 5; cut++) {
        journalProxy.cut()
        await platform.commits()
      }
      journalProxy.damageAfter(10_000)
      await platform.commits()
      journalProxy.stall(true)
      await pause(JOURNAL_STREAM_SILENT_MS + 1_000)
      journalProxy.cut()
      journalProxy.stall(false)
      await platform.caughtUp()
    },
  )

  it.each(['backend', 'ticker'] as const)(
    'goes on when the %s stands still for a while',
    LONG,
    async (name) => {
      platform[name].freeze()
      await pause(faultLength(3_000))
      platform[name].thaw()
      await platform.commits()
      await platform.caughtUp()
    },
  )

  it('has filled no queue beyond its cap in all this', LONG, async () => {
    const ticker = await figures(platform.tickerUrl)
    const backend = await figures(platform.backendUrl)
    const within = (figure: number | undefined, cap: number) => {
      expect(figure).toBeGreaterThan(0)
      expect(figure).toBeLessThanOrEqual(cap)
    }
    const waiting = (queue: string) => ticker(`fostream_journal_high_water_bytes{queue="${queue}"}`)
    within(ticker('fostream_intake_high_water_bytes'), TICKER_PENDING_MAX_BYTES)
    within(waiting('reader'), JOURNAL_READER_QUEUE_MAX_BYTES)
    within(waiting('pending'), JOURNAL_PENDING_MAX_BYTES)
    within(waiting('unsynced'), JOURNAL_UNSYNCED_MAX_BYTES)
    within(backend('fostream_uncommitted_high_water_records'), UNCOMMITTED_RECORDS_MAX)
    await inquiry()
  })

  it.skipIf(!isLong)(
    'Twenty seconds of mute, then a disconnect: the missing suffix of the exchange’s ledger lies inside the gap',
    LONG,
    async () => {
      await fault({ fault: 'mute', account: 'sim1', duration_ms: 20_000 })
      await pause(20_000)
      await fault({ fault: 'disconnect', account: 'sim1' })
      await platform.caughtUp()
      const muted = await withheld()
      expect(muted.length).toBeGreaterThan(0)
      const rows = await platform.query<{ first_ms: number; last_ms: number }>(`
      SELECT (extract(epoch FROM "from") * 1000)::float8 AS first_ms,
             (extract(epoch FROM coalesce("to", 'infinity')) * 1000)::float8 AS last_ms
      FROM feed_gaps`)
      for (const { first_ms, last_ms } of muted) {
        const inside = rows.filter((gap) => gap.first_ms <= first_ms && gap.last_ms >= last_ms)
        expect(inside.length, `${first_ms} to ${last_ms}`).toBeGreaterThan(0)
      }
      await inquiry()
    },
  )

  it.skipIf(!isLong)(
    'One record that the store refuses among all instruments: exactly that record in dead_letters with its bytes, all other rows right, the books balanced',
    LONG,
    async () => {
      const refused = await refuseOneRecord(platform)
      const letter = () =>
        platform.query<{ epoch: number; sequence: number; record: Buffer }>(
          'SELECT epoch, sequence, record FROM dead_letters',
        )
      await until(async () => (await letter()).length > 0, 180_000)
      await platform.caughtUp()
      const letters = await letter()
      expect(letters).toHaveLength(1)
      const [{ epoch, sequence, record } = { epoch: 0, sequence: 0, record: Buffer.of() }] = letters
      const found = await inquire(platform)
      const journalled = await ticksOf(platform, refused.instrument_token, epoch)
      expect(record.toString()).toBe(journalled.get(sequence))
      expect(found).toMatchObject({ ...ALL_WELL, deadLetters: 1 })
    },
  )

  async function fault(body: object): Promise<void> {
    const answer = await fetch(`${platform.exchangeUrl}/control/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(await answer.text())
  }

  async function withheld(): Promise<{ first_ms: number; last_ms: number }[]> {
    interface Told {
      readonly withheld: { packets: number; first_ms: number | null; last_ms: number | null }
    }
    const url = `${platform.exchangeUrl}/control/ledger`
    const { connections } = await getJson<{ connections: readonly Told[] }>(url)
    return connections.flatMap(({ withheld: { first_ms, last_ms } }) =>
      first_ms === null || last_ms === null ? [] : [{ first_ms, last_ms }],
    )
  }
})

async function getHealth(url: string): Promise<{ status: string; text: string }> {
  const answer = await fetch(`${url}/health`)
  const text = await answer.text()
  return { status: (JSON.parse(text) as { status: string }).status, text }
}

/** One figure of a role's Prometheus page by its name and labels. */
async function figures(url: string): Promise<(name: string) => number | undefined> {
  const page = await (await fetch(`${url}/metrics`)).text()
  return (name) => {
    const line = page.split('\n').find((each) => each.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }
}

/** The journal's ticks of an instrument as JSON, by sequence. */
async function ticksOf(platform: SplitPlatform, token: number, epoch: number) {
  const found = new Map<number, string>()
  for await (const item of readAll(`${platform.dataDir}/simulated/journal`)) {
    if (item.kind !== 'batch' || item.header.epoch !== epoch) continue
    forEachRecord(item.header, item.bytes, item.header.firstSequence, {
      tick: (tick, sequence) => {
        if (tick.token === token) found.set(sequence, JSON.stringify(tick))
      },
      control: () => undefined,
    })
  }
  return found
}

/** From now on the database refuses one record: the first that changes the quote of a quiet option. */
async function refuseOneRecord(platform: SplitPlatform) {
  type Option = { readonly tradingsymbol: string; readonly instrument_token: number }
  let found: Option[] = []
  await until(async () => {
    found = await platform.query<Option>(`
      SELECT tradingsymbol, instrument_token FROM fo_option_strike_bars
      WHERE tick_count > 0 AND complete ORDER BY bucket_time DESC, tick_count LIMIT 1`)
    return found.length > 0
  }, 120_000)
  const [option] = found as [Option]
  const { epoch, sequence } = await platform.head()
  // What a sequence holds outlives the transaction that is refused.
  await platform.query(`
    CREATE SEQUENCE refused_record;
    CREATE FUNCTION refuse_one_record() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      record_epoch bigint := ('x' || encode(substr(NEW.quote_key, 11, 4), 'hex'))::bit(32)::bigint;
      record_sequence bigint := ('x' || encode(substr(NEW.quote_key, 15, 6), 'hex'))::bit(48)::bigint;
      chosen bigint;
    BEGIN
      SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO chosen FROM refused_record;
      IF chosen = 0 AND record_epoch = ${epoch} AND record_sequence > ${sequence} THEN
        chosen := setval('refused_record', record_sequence);
      END IF;
      IF record_epoch = ${epoch} AND record_sequence = chosen THEN
        RAISE EXCEPTION 'refused on purpose' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_one_record BEFORE INSERT ON fo_option_strike_bars FOR EACH ROW
    WHEN (NEW.tradingsymbol = '${option.tradingsymbol}') EXECUTE FUNCTION refuse_one_record()`)
  return option
}
