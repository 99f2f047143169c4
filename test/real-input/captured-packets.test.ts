/**
 * Two packets that Zerodha captured from its own stream, from the socket to the tables. They are of
 * INFY, a share, at 10:41 on 5 July 2021: a year of which the calendar knows no holidays, so that it
 * assumes a Monday to be a trading day.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FrameWriter } from '../../src/kite/frame-writer.ts'
import { formatIst, msOfIst } from '../../src/market/ist.ts'
import { referenceData } from '../reference-data.ts'
import { postgresUrl } from '../services.ts'
import { type Pipeline, startPipeline } from './pipeline.ts'

const quotePacket = referenceData('kiteconnect-mocks/ticker_quote.packet')
const fullPacket = referenceData('kiteconnect-mocks/ticker_full.packet')
const databaseUrl = await postgresUrl()

const TOKEN = 408_065
const MINUTE_MS = msOfIst('2021-07-05', '10:41')
/** The exchange's stamp on the full packet, which is also the time of its last trade. */
const STAMP_MS = 1_625_461_887_000
const DUMP = [
  'instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange',
  `${TOKEN},1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE`,
].join('\n')

const isMissing = databaseUrl === undefined || quotePacket === undefined || fullPacket === undefined

describe.skipIf(isMissing)('packets captured at Zerodha', () => {
  let pipeline: Pipeline

  beforeAll(async () => {
    pipeline = await startPipeline({
      databaseUrl: databaseUrl ?? '',
      startMs: MINUTE_MS + 12_000,
      dump: DUMP,
      // Two packets are all there is; the silence after them is no fault of the socket.
      muteAfterMs: 600_000,
    })
    await pipeline.subscribe('INFY')
    pipeline.passTo(STAMP_MS - 2_000)
    await pipeline.deliver(frameOf(quotePacket), 1)
    pipeline.passTo(STAMP_MS + 150)
    await pipeline.deliver(frameOf(fullPacket), 1)
    pipeline.passTo(MINUTE_MS + 70_000)
    await pipeline.settled()
  }, 240_000)
  afterAll(() => pipeline?.stop())

  it('are the minute that they were captured in', async () => {
    const bars = await pipeline.rows(
      `SELECT exchange, symbol, time, open, high, low, close, volume, day_volume, base_volume,
              tick_count, source, complete
       FROM minute_bars`,
    )
    expect(bars).toEqual([
      {
        exchange: 'NSE',
        symbol: 'INFY',
        time: MINUTE_MS,
        open: 1573.15,
        high: 1573.7,
        low: 1573.15,
        close: 1573.7,
        // What the day's volume rose by between the two; before the first nothing is known.
        volume: 1_192_471 - 1_175_986,
        day_volume: 1_192_471,
        base_volume: 1_175_986,
        tick_count: 2,
        source: 'live',
        complete: false,
      },
    ])
  })

  it('are the mark that the API shows', async () => {
    expect(await pipeline.get('/marks/latest?symbols=INFY')).toMatchObject({
      marks: [
        {
          symbol: 'INFY',
          tradingsymbol: 'INFY',
          instrument_token: TOKEN,
          ltp: 1573.7,
          prev_close: 1567.8,
          volume: 1_192_471,
          exchange_time: formatIst(STAMP_MS),
          received_at: formatIst(STAMP_MS + 150),
          age_ms: MINUTE_MS + 70_000 - (STAMP_MS + 150),
          stale: true,
        },
      ],
    })
  })

  it('are both in the books, and nothing else is', async () => {
    const books = await pipeline.rows(
      `SELECT sum(received)::int AS received, sum(journaled)::int AS journaled,
              sum(folded)::int AS folded, sum(not_folded)::int AS not_folded, sum(lost)::int AS lost
       FROM (SELECT received, journaled, folded, lost,
               (SELECT coalesce(sum(value::int), 0) FROM jsonb_each_text(not_folded)) AS not_folded
             FROM delivery_ledger) AS by_minute`,
    )
    expect(books).toEqual([{ received: 2, journaled: 2, folded: 2, not_folded: 0, lost: 0 }])
    expect(pipeline.ticker.status().totals).toMatchObject({
      received: 2,
      journaled: 2,
      rejected: 0,
      dropped: 0,
    })
    expect(pipeline.complaints).toEqual([])
  })

  it('cover the share from the first packet on, in full from the second', async () => {
    const coverage = await pipeline.rows(
      `SELECT exchange, tradingsymbol, "from", "to"::text, mode FROM coverage ORDER BY "from"`,
    )
    expect(coverage).toMatchObject([
      { tradingsymbol: 'INFY', from: STAMP_MS - 2_000, mode: 'quote' },
      { tradingsymbol: 'INFY', from: STAMP_MS, to: 'infinity', mode: 'full' },
    ])
  })
})

/** The file is one packet without a frame, in base64. */
function frameOf(path: string | undefined): Buffer {
  const writer = new FrameWriter()
  writer.packet(Buffer.from(readFileSync(path ?? '', 'utf8').trim(), 'base64'))
  return writer.take()
}
