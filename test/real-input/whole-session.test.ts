/**
 * A whole real session, 15 July 2026: 375 minutes of NIFTY 50 and of its 24300 call that expired on
 * the 21st, sent as snapshots over the broker's protocol, must come out as the very same minutes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MINUTE_MS, msOfIst } from '../../src/market/ist.ts'
import { referenceData } from '../reference-data.ts'
import { postgresUrl } from '../services.ts'
import { type DayMinute, momentsOf, readMinutes, yesterdaysState } from './market-day.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'

const indexFile = referenceData('minute-bars/upstox_NSE_INDEX_Nifty50_2026-07-15.csv')
const optionFile = referenceData('minute-bars/upstox_NSE_FO_57352_NIFTY2672124300CE_2026-07-15.csv')
const databaseUrl = await postgresUrl()

const OPEN_MS = msOfIst('2026-07-15', '09:15')
const CLOSE_MS = msOfIst('2026-07-15', '15:30')
/** Within every minute the writer is waited for once, so that it sees open minutes, as it does live. */
const LAST_QUARTER_MS = 45_000
const INDEX_TOKEN = 256_265
const OPTION_TOKEN = 57_352 * 256 + 2
const OPTION = 'NIFTY2672124300CE'
const DUMP = [
  'instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange',
  `${INDEX_TOKEN},1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE`,
  `${OPTION_TOKEN},57352,${OPTION},NIFTY,0.0,2026-07-21,24300.0,0.05,65,CE,NFO-OPT,NFO`,
].join('\n')

const isMissing = databaseUrl === undefined || indexFile === undefined || optionFile === undefined

describe.skipIf(isMissing)('a whole session', () => {
  let pipeline: Pipeline
  let index: readonly DayMinute[]
  let option: readonly DayMinute[]
  let packets = 0

  beforeAll(async () => {
    index = readMinutes(indexFile ?? '')
    option = readMinutes(optionFile ?? '')
    const day = {
      index,
      indexToken: INDEX_TOKEN,
      option,
      optionToken: OPTION_TOKEN,
      openInterestBefore: 3_900_000,
    }
    pipeline = await startPipeline({
      databaseUrl: databaseUrl ?? '',
      startMs: OPEN_MS - 5 * MINUTE_MS,
      dump: DUMP,
      lastPrices: new Map([['NSE:NIFTY 50', { token: INDEX_TOKEN, lastPrice: 23_985.85 }]]),
    })
    await pipeline.subscribe('NIFTY 50', OPTION)
    await pipeline.deliver(yesterdaysState(day, msOfIst('2026-07-14', '15:30') / 1000 - 1), 2)
    packets += 2
    for (const { arrivesMs, frame } of momentsOf(day)) {
      pipeline.passTo(arrivesMs)
      await pipeline.deliver(frame, 2)
      packets += 2
      if (arrivesMs % MINUTE_MS > LAST_QUARTER_MS) await pipeline.committed()
    }
    pipeline.passTo(CLOSE_MS + 10_000)
    await pipeline.settled()
  }, 240_000)
  afterAll(() => pipeline?.stop())

  it('gives back every minute of the index', async () => {
    const rows = await pipeline.rows(
      `SELECT time, open, high, low, close, volume FROM minute_bars
       WHERE exchange = 'NSE' AND symbol = 'NIFTY 50' ORDER BY time`,
    )
    expect(rows).toHaveLength(375)
    expect(rows).toEqual(
      index.map(({ minuteMs, volume, ...prices }) => ({
        time: minuteMs,
        ...inRupees(prices),
        volume,
      })),
    )
  })

  it('gives back every minute of the option, volume and open interest included', async () => {
    const rows = await pipeline.rows(
      `SELECT bucket_time, open, high, low, close, volume, oi FROM fo_option_strike_bars
       WHERE tradingsymbol = '${OPTION}' ORDER BY bucket_time`,
    )
    expect(rows).toHaveLength(375)
    expect(rows).toEqual(
      option.map(({ minuteMs, volume, oi, ...prices }) => ({
        bucket_time: minuteMs,
        ...inRupees(prices),
        volume,
        oi,
      })),
    )
  })

  it('calls every minute complete, since both were streamed from before the open', async () => {
    const rows = await pipeline.rows(
      `SELECT complete, source, tick_count, count(*)::int AS minutes
       FROM (SELECT complete, source, tick_count FROM minute_bars
             UNION ALL SELECT complete, source, tick_count FROM fo_option_strike_bars) AS bars
       GROUP BY complete, source, tick_count`,
    )
    expect(rows).toEqual([{ complete: true, source: 'live', tick_count: 6, minutes: 750 }])
    expect(await pipeline.rows('SELECT * FROM feed_gaps')).toEqual([])
  })

  it('has a sane volatility and delta in every minute', async () => {
    const rows = await pipeline.rows<Analytics>(
      `SELECT iv, delta, forward, forward_source, underlying_price, iv_reason
       FROM fo_option_strike_bars ORDER BY bucket_time`,
    )
    expect(new Set(rows.map((row) => row.forward_source))).toEqual(new Set(['spot']))
    expect(rows.map((row) => row.underlying_price)).toEqual(index.map(({ close }) => close / 100))
    const known = rows.filter(({ iv, delta }) => iv !== null && delta !== null)
    expect(known.length).toBeGreaterThanOrEqual(370)
    for (const { iv, delta } of known) {
      expect(iv).toBeGreaterThan(0.05)
      expect(iv).toBeLessThan(0.4)
      expect(delta).toBeGreaterThan(0)
      expect(delta).toBeLessThan(0.6)
    }
  })

  it('has the metrics of every minute', async () => {
    const rows = await pipeline.rows(
      `SELECT bucket_time, spot, total_call_oi, total_put_oi, strikes_present FROM fo_expiry_metrics
       WHERE symbol = 'NIFTY50' AND expiry = '2026-07-21' ORDER BY bucket_time`,
    )
    expect(rows).toEqual(
      option.map(({ minuteMs, oi }, i) => ({
        bucket_time: minuteMs,
        spot: (index[i]?.close ?? 0) / 100,
        total_call_oi: oi,
        // No put is listed here, so nothing is known of puts.
        total_put_oi: null,
        strikes_present: 1,
      })),
    )
  })

  it('folds every packet but the two that told of the day before', async () => {
    const books = await pipeline.rows(
      `SELECT sum(received)::int AS received, sum(journaled)::int AS journaled,
              sum(folded)::int AS folded, sum(lost)::int AS lost,
              sum((not_folded->>'other_date')::int)::int AS other_date
       FROM delivery_ledger`,
    )
    expect(books).toEqual([
      {
        received: packets,
        journaled: packets,
        folded: packets - 2,
        lost: 0,
        other_date: 2,
      },
    ])
  })

  it('has nothing to complain of', () => {
    expect(pipeline.complaints).toEqual([])
  })
})

interface Analytics {
  readonly iv: number | null
  readonly delta: number | null
  readonly forward: number | null
  readonly forward_source: string | null
  readonly underlying_price: number | null
  readonly iv_reason: string | null
}

interface Prices {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

function inRupees({ open, high, low, close }: Prices): Prices {
  return { open: open / 100, high: high / 100, low: low / 100, close: close / 100 }
}
