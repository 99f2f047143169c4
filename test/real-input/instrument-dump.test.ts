/**
 * The NIFTY and SENSEX contracts of a real dump of 17 August 2026 through the ticker into the store's
 * instrument master: on its day, again the next morning, and changed as the exchange changes dumps.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { msOfIst } from '../../src/market/ist.ts'
import { referenceData } from '../reference-data.ts'
import { postgresUrl } from '../services.ts'
import { until } from '../until.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'

const dumpFile = referenceData('instruments/kite_instruments_subset_NIFTY_SENSEX.csv')
const databaseUrl = await postgresUrl()

const MONDAY = '2026-08-17'
const TUESDAY = '2026-08-18'
const CONTRACTS = 4_126
const STORED_WITHIN_MS = 90_000

/** Its token goes to the new one. */
const GONE = 'NIFTY2681824350CE'
const GONE_TOKEN = 11_546_626
const NEW = 'NIFTY2692224350CE'
const CHANGED = 'NIFTY26AUGFUT'

const isMissing = databaseUrl === undefined || dumpFile === undefined

describe.skipIf(isMissing)('a real instrument dump', () => {
  let dump: string
  let dataDir: string
  let pipeline: Pipeline

  beforeAll(async () => {
    dump = (await readFile(dumpFile ?? '', 'utf8')).trimEnd()
    dataDir = await mkdtemp(join(tmpdir(), 'real-input-'))
    await start(MONDAY, '08:45')
  }, 240_000)
  afterAll(async () => {
    await pipeline?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  async function start(date: string, hhmm: string): Promise<void> {
    await pipeline?.stop()
    const startMs = msOfIst(date, hhmm)
    pipeline = await startPipeline({ databaseUrl: databaseUrl ?? '', startMs, dump, dataDir })
    await until(() => stored(date).length === 1, STORED_WITHIN_MS)
    // The ticker loads no other dump before it has its own copy of this one.
    await until(async () => (await ownCopy()).startsWith(`${date}T${hhmm}`), STORED_WITHIN_MS)
  }

  const ownCopy = () => readFile(join(dataDir, 'instruments.csv'), 'utf8').catch(() => '')

  /** What the ticker said when it had stored the dumps of that day. */
  const stored = (date: string) =>
    pipeline.logged('Instruments stored').filter(({ fields }) => fields['date'] === date)

  const versionsOf = (where: string) =>
    pipeline.rows(
      `SELECT tradingsymbol, token, lot_size, valid_from::text, valid_to::text
       FROM instruments WHERE ${where} ORDER BY valid_from, tradingsymbol`,
    )

  /** Every row with the transaction that wrote it. */
  const everything = () =>
    pipeline.rows('SELECT *, xmin::text FROM instruments ORDER BY exchange, tradingsymbol')

  it('is stored whole', async () => {
    const counts = await pipeline.rows(
      `SELECT symbol, segment, type, count(*)::int AS n FROM instruments
       WHERE valid_from = '${MONDAY}' AND valid_to IS NULL
       GROUP BY symbol, segment, type ORDER BY segment, type`,
    )
    expect(counts).toEqual([
      { symbol: 'SENSEX', segment: 'BFO-FUT', type: 'FUT', n: 3 },
      { symbol: 'SENSEX', segment: 'BFO-OPT', type: 'CE', n: 1_199 },
      { symbol: 'SENSEX', segment: 'BFO-OPT', type: 'PE', n: 1_199 },
      { symbol: 'NIFTY50', segment: 'NFO-FUT', type: 'FUT', n: 3 },
      { symbol: 'NIFTY50', segment: 'NFO-OPT', type: 'CE', n: 851 },
      { symbol: 'NIFTY50', segment: 'NFO-OPT', type: 'PE', n: 871 },
    ])
    expect(await pipeline.rows('SELECT count(*)::int AS n FROM instruments')).toEqual([
      { n: CONTRACTS },
    ])
  })

  it('is stored as the broker writes it: a future, a weekly, a monthly, an option of SENSEX', async () => {
    const rows = await pipeline.rows(
      `SELECT exchange, tradingsymbol, token, name, symbol, segment, type, expiry, strike, lot_size, tick_size
       FROM instruments
       WHERE tradingsymbol IN ('${CHANGED}', '${GONE}', 'NIFTY26AUG24350CE', 'SENSEX2682078000CE')
       ORDER BY token`,
    )
    const nifty = { exchange: 'NFO', name: 'NIFTY', symbol: 'NIFTY50', lot_size: 65 }
    const call = { ...nifty, segment: 'NFO-OPT', type: 'CE', strike: 24_350, tick_size: 0.05 }
    expect(rows).toEqual([
      { ...call, tradingsymbol: GONE, token: GONE_TOKEN, expiry: '2026-08-18' },
      {
        ...nifty,
        tradingsymbol: CHANGED,
        token: 14_866_434,
        segment: 'NFO-FUT',
        type: 'FUT',
        expiry: '2026-08-25',
        strike: null,
        tick_size: 0.1,
      },
      { ...call, tradingsymbol: 'NIFTY26AUG24350CE', token: 15_799_554, expiry: '2026-08-25' },
      {
        exchange: 'BFO',
        tradingsymbol: 'SENSEX2682078000CE',
        token: 218_937_093,
        name: 'SENSEX',
        symbol: 'SENSEX',
        segment: 'BFO-OPT',
        type: 'CE',
        expiry: '2026-08-20',
        strike: 78_000,
        lot_size: 20,
        tick_size: 0.05,
      },
    ])
  })

  it('touches no row when it is loaded again the next morning', async () => {
    const before = await everything()
    expect(before).toHaveLength(CONTRACTS)
    await start(TUESDAY, '08:20')
    expect(stored(TUESDAY)).toMatchObject([{ fields: { added: 0, changed: 0, removed: 0 } }])
    expect(await everything()).toEqual(before)
  })

  it('versions what the dump of half past eight changes, ends and gives to others', async () => {
    pipeline.broker.dump = changedDump(dump)
    // To the very moment: time that stands still cannot run out for the request.
    pipeline.passTo(msOfIst(TUESDAY, '08:30'))
    await until(() => stored(TUESDAY).length === 2, STORED_WITHIN_MS)
    expect(stored(TUESDAY)[1]).toMatchObject({ fields: { added: 1, changed: 1, removed: 1 } })
    expect(await versionsOf(`tradingsymbol = '${CHANGED}'`)).toEqual([
      row(CHANGED, 14_866_434, 65, MONDAY, TUESDAY),
      row(CHANGED, 14_866_434, 75, TUESDAY, null),
    ])
    expect(await versionsOf(`token = ${GONE_TOKEN}`)).toEqual([
      row(GONE, GONE_TOKEN, 65, MONDAY, TUESDAY),
      row(NEW, GONE_TOKEN, 65, TUESDAY, null),
    ])
    expect(await versionsOf(`tradingsymbol = '${NEW}'`)).toHaveLength(1)
    const [counts] = await pipeline.rows(
      `SELECT count(*)::int AS versions, count(*) FILTER (WHERE valid_to IS NULL)::int AS listed
       FROM instruments`,
    )
    expect(counts).toEqual({ versions: CONTRACTS + 2, listed: CONTRACTS })
  })

  it('is what the ticker answers from', async () => {
    const found = async (q: string) => {
      const response = await fetch(`${pipeline.ticker.url}/instruments?q=${q}&limit=5`)
      return (await response.json()) as unknown
    }
    expect(await found(GONE)).toEqual([])
    expect(await found(NEW)).toMatchObject([
      { tradingsymbol: NEW, instrument_token: GONE_TOKEN, expiry: '2026-09-22', lot_size: 65 },
    ])
    expect(await found(CHANGED)).toMatchObject([{ tradingsymbol: CHANGED, lot_size: 75 }])
    expect(pipeline.complaints).toEqual([])
  })
})

function row(
  tradingsymbol: string,
  token: number,
  lot: number,
  from: string,
  to: string | null,
): object {
  return { tradingsymbol, token, lot_size: lot, valid_from: from, valid_to: to }
}

/** The future's lot is another, a contract is gone, and its token is given to one that is new. */
function changedDump(dump: string): string {
  const lines = dump.split('\n').map((line) => {
    const cells = line.split(',')
    if (cells[2] === CHANGED) return line.replace(',65,FUT,', ',75,FUT,')
    if (cells[2] !== GONE) return line
    return line.replace(GONE, NEW).replace('2026-08-18', '2026-09-22')
  })
  return lines.join('\n')
}
