/**
 * The platform shared out: two tickers, four partitions, two backends. A backend is killed, another
 * one takes a partition by mistake, a ticker loses its own copy; in the end everybody's books agree.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionOf } from '../../src/market/underlying.ts'
import { until } from '../until.ts'
import { readJournalFolder } from '../verify/reference-fold/journal-folder.ts'
import { verdict } from '../whole/verdict.ts'
import { isLong } from './extent.ts'
import { ledgerSums } from './inquest.ts'
import { hasPostgresServer } from './postgres-server.ts'
import type { Role } from './role.ts'
import { ACCOUNT, type LogPosition, ScaledPlatform, TICKERS } from './scaled-platform.ts'
import { journalledAfterStart, sharedOutFaults } from './shared-out-books.ts'
import { getJson, listed } from './split-platform.ts'

const PARTITIONS = 4
const ALL = [0, 1, 2, 3]
const TICKS_PER_SECOND = 1_500
/** Of each underlying; every second one goes to the other ticker. */
const INSTRUMENTS_EACH = 60
const SYMBOLS = ['NIFTY50', 'BANKNIFTY', 'FINNIFTY', 'MIDCPNIFTY', 'SENSEX', 'CRUDEOIL', 'GOLD']
/** Many times what they take on a machine of their own. */
const LONG = { timeout: 600_000 }

describe.skipIf(!isLong || !hasPostgresServer)('two tickers and two backends', () => {
  let platform: ScaledPlatform
  let low: Role
  let high: Role
  let own: Record<'t1' | 't2', number[]>

  beforeAll(async () => {
    platform = await ScaledPlatform.open(PARTITIONS, TICKS_PER_SECOND)
    const { t1, t2 } = platform.tickers
    low = await platform.backend(0, 1)
    high = await platform.backend(2, 3)
    await Promise.all([t1.role.start(), t2.role.start(), low.start(), high.start()])
    await Promise.all([listed(t1.url), listed(t2.url)])
  }, 240_000)
  afterAll(() => platform?.dispose(), 60_000)

  it('fill every partition from both tickers, each with its own subscriptions', LONG, async () => {
    const byPartition = new Set(SYMBOLS.map((symbol) => partitionOf(symbol, PARTITIONS)))
    expect([...byPartition].sort()).toEqual(ALL)
    const first = [...(await platform.streamed('t1')), ...(await platform.streamed('t2'))]
    for (const symbol of SYMBOLS) {
      const found = await getJson<{ instrument_token: number }[]>(
        `${platform.tickers.t1.url}/instruments?symbol=${symbol}&limit=${INSTRUMENTS_EACH}`,
      )
      const free = found
        .map(({ instrument_token }) => instrument_token)
        .filter((token) => !first.includes(token))
      const everySecond = (from: number) => free.filter((_, i) => i % 2 === from)
      await platform.subscribe('t1', everySecond(0))
      await platform.subscribe('t2', everySecond(1))
    }
    await platform.commits(...ALL)
    own = { t1: await platform.streamed('t1'), t2: await platform.streamed('t2') }
    expect(own.t1.filter((token) => own.t2.includes(token))).toEqual([])
  })

  it('restore no subscription of the other, also from the table alone', LONG, async () => {
    const { role, dataDir } = platform.tickers.t2
    await until(async () => {
      const rows = await platform.query<{ n: number }>(`
        SELECT count(*)::int AS n FROM instrument_subscriptions
        WHERE ticker = 't2' AND status = 'active'`)
      return rows[0]?.n === own.t2.length
    }, 120_000)
    await role.kill()
    await rm(join(dataDir, 'kite', 'subscriptions.jsonl'))
    await role.start()
    await until(async () => (await platform.streamed('t2')).length >= own.t2.length, 120_000)
    expect(await platform.streamed('t2')).toEqual(own.t2)
    expect(await platform.streamed('t1')).toEqual(own.t1)
    await platform.commits(...ALL)
  })

  it('go on when a backend is killed: its partitions wait, the others do not', LONG, async () => {
    await low.kill()
    const before = (await platform.committed()).filter(({ partition }) => partition < 2)
    await platform.commits(2, 3)
    await platform.commits(2, 3)
    const after = (await platform.committed()).filter(({ partition }) => partition < 2)
    expect(after).toEqual(before)
    await low.start()
    await platform.commits(...ALL)
  })

  it(
    'of two on one partition let the newer write; what else the older had goes on elsewhere',
    LONG,
    async () => {
      const newer = await platform.backend(0)
      await newer.start()
      expect(await low.ended(120_000)).toBe(1)
      expect(low.printed).toContain('another backend writes partition 0')
      expect(low.printed).toContain('BACKEND_PARTITIONS=1')
      await platform.commits(0, 2, 3)
      // Nobody writes partition 1 now. Its log waits at the tickers for whoever takes it.
      const rest = await platform.backend(1)
      await rest.start()
      await platform.commits(...ALL)
      expect([newer.isRunning, rest.isRunning, high.isRunning]).toEqual([true, true, true])
    },
  )

  it(
    'balance per ticker and partition, and every row is what the reference fold says',
    LONG,
    async () => {
      const [closed] = await platform.query<{ n: number }>(
        'SELECT extract(epoch FROM max(bucket_time))::int AS n FROM fo_option_strike_bars',
      )
      await until(async () => {
        const rows = await platform.query<{ complete: boolean }>(`
        SELECT complete FROM fo_option_strike_bars
        WHERE bucket_time >= to_timestamp(${closed?.n ?? 0}) AND complete LIMIT 1`)
        return rows.length > 0
      }, 240_000)
      await Promise.all(TICKERS.map((id) => platform.tickers[id].role.stop()))
      await platform.readSent()
      const journals = TICKERS.map((id) => platform.tickers[id].journal)
      await platform.until((await Promise.all(journals.map(headsOf))).flat())
      await until(async () => {
        const rows = await platform.query<{ n: number }>(
          'SELECT count(*)::int AS n FROM finalise_queue',
        )
        return rows[0]?.n === 0
      }, 180_000)
      expect(await ledgerSums(platform)).toEqual({ unbalanced: 0, lost: 0, deadLetters: 0 })
      const ledger = await platform.query<{ producer: string; partition: number }>(`
      SELECT DISTINCT producer, partition FROM delivery_ledger WHERE journaled > 0 ORDER BY 1, 2`)
      expect(ledger).toEqual(
        TICKERS.flatMap((producer) => ALL.map((partition) => ({ producer, partition }))),
      )
      const found = await verdict(platform.dataDir, platform.database.url, journals)
      expect(found.differences).toEqual([])
      expect(found.states).toContain(true)
      const sentToAll = [...platform.sent.connections.values()]
      for (const id of TICKERS) {
        const { journal, role } = platform.tickers[id]
        const batches = await readJournalFolder(journal)
        await role.start()
        const journalled = await journalledAfterStart(journal, batches)
        const sent = sentToAll.filter(({ account }) => account === ACCOUNT[id])
        expect(sharedOutFaults(sent, batches, journalled), id).toEqual([])
        expect(journalled.ticks, id).toBeGreaterThan(TICKS_PER_SECOND)
      }
    },
  )
})

/** The last position of each partition in a journal's folder. */
async function headsOf(journal: string): Promise<LogPosition[]> {
  const heads = new Map<number, LogPosition>()
  for (const { header } of await readJournalFolder(journal)) {
    const { producer, partition, epoch, firstSequence, recordCount } = header
    heads.set(partition, { producer, partition, epoch, sequence: firstSequence + recordCount - 1 })
  }
  return [...heads.values()]
}
