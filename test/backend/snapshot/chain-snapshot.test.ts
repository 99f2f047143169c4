import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ChainSnapshot } from '../../../src/backend/snapshot/chain-snapshot.ts'
import type { WaitOptions } from '../../../src/backend/tickers/ticker-client.ts'
import type { Quote } from '../../../src/contract/api/quotes.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { formatIst, MINUTE_MS } from '../../../src/market/ist.ts'
import { describeStores } from '../../postgres/stores.ts'
import { referenceData } from '../../reference-data.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { IngestUnderTest, minute } from '../candles/ingest-under-test.ts'
import { begins, clockAt, EXPIRY, NIFTY, option, packet } from '../scenario.ts'

interface VendorLeg {
  readonly market_data: Readonly<
    Record<'ltp' | 'volume' | 'oi' | 'bid_price' | 'ask_price', number>
  >
}

interface VendorStrike {
  readonly strike_price: number
  readonly call_options: VendorLeg
  readonly put_options: VendorLeg
}

const file = referenceData(
  'option-chains/upstox_option_chain_NIFTY_exp2024-06-27_at_2024-06-21_close.json',
)
const rows: readonly VendorStrike[] =
  file === undefined ? [] : JSON.parse(readFileSync(file, 'utf8')).data

/** The real chain's 112 strikes as contracts of the scenario. */
const LEGS = new Map<Instrument, VendorLeg['market_data']>(
  rows.flatMap(({ strike_price, call_options, put_options }, i) => [
    [option(strike_price, 'CE', 2 * i), call_options.market_data] as const,
    [option(strike_price, 'PE', 2 * i + 1), put_options.market_data] as const,
  ]),
)
/** ATM and ten on each side of it. */
const STREAMED = [...LEGS.keys()].filter(({ strike }) => Math.abs((strike ?? 0) - 23_500) <= 500)
const OTHERS = [...LEGS.keys()].filter((leg) => !STREAMED.includes(leg))
const ALL_STRIKES = { strikesPresent: 112, maxPain: 23_400, maxPainHigh: 23_400 }

describe.skipIf(file === undefined)('the snapshot of a chain', async () => {
  await describeStores('a chain of which a part is streamed', (store) => {
    let test: IngestUnderTest
    let snapshot: ChainSnapshot
    let look: () => void
    let asked: number[][]
    let failure: Error | undefined

    beforeAll(async () => {
      test = await IngestUnderTest.over(store())
    })
    afterEach(async () => {
      await snapshot.stop()
      await test.clear()
    })
    afterAll(() => test.close())

    async function stream(atMs: number): Promise<void> {
      asked = []
      failure = undefined
      test.master = new InstrumentMaster([NIFTY, ...LEGS.keys()])
      test.log.startEpoch(100)
      test.log.append([...begins([NIFTY, ...STREAMED], minute(0) - 1_000), clockAt(minute(0))])
      tick(atMs)
      const ingest = test.start()
      await test.settled()
      snapshot = new ChainSnapshot({
        chains: ingest.chains,
        calendar: exchangeCalendar(),
        tickers: { quotes },
        writer: ingest.snapshots,
        isMine: () => true,
        periodMs: MINUTE_MS,
        clock: {
          ...systemClock,
          every: (_periodMs, task) => {
            look = task
            return () => undefined
          },
        },
        log: silentLog,
      })
      snapshot.start()
    }

    function tick(atMs: number): void {
      test.log.append([
        packet(NIFTY, atMs, 23_501.1),
        ...STREAMED.map((leg) => {
          const { ltp, oi, volume, bid_price, ask_price } = LEGS.get(
            leg,
          ) as VendorLeg['market_data']
          return packet(leg, atMs, ltp, {
            openInterest: oi,
            dayVolume: volume,
            bidPrice: Math.round(bid_price * 100),
            askPrice: Math.round(ask_price * 100),
          })
        }),
        clockAt(atMs + 50),
      ])
    }

    async function quotes(tokens: readonly number[], { priority }: WaitOptions) {
      asked.push([...tokens])
      expect(priority).toBe('routine')
      if (failure !== undefined) throw failure
      return {
        quotes: OTHERS.filter(({ token }) => tokens.includes(token)).map(quoteOf),
        unknown: [],
      }
    }

    function quoteOf(leg: Instrument): Quote {
      const { ltp, oi, volume, bid_price, ask_price } = LEGS.get(leg) as VendorLeg['market_data']
      return {
        instrument_token: leg.token,
        ...{ exchange: leg.exchange, tradingsymbol: leg.tradingsymbol, ltp, oi, volume },
        ...{ bid: bid_price || null, ask: ask_price || null, bid_quantity: 65, ask_quantity: 65 },
        ...{ open: ltp, high: ltp, low: ltp, prev_close: ltp, last_trade_time: null },
        exchange_time: formatIst(minute(374)),
      }
    }

    const chain = () => test.ingest.chains.chain('NIFTY50', EXPIRY)
    const present = () => chain()?.analytics.metrics.strikesPresent

    it('has the PCR and max pain of all listed strikes, live and in its stored minute', async () => {
      await stream(minute(1) + 5_000)
      expect(chain()?.analytics.metrics).toMatchObject({ strikesPresent: 21, maxPain: 23_500 })
      expect(chain()?.analytics.metrics.pcrOi).toBeCloseTo(0.766498, 6)
      look()
      await until(() => present() === 112)
      expect(asked).toHaveLength(1)
      expect(new Set(asked[0])).toEqual(new Set(OTHERS.map(({ token }) => token)))
      expect(chain()?.analytics.metrics).toMatchObject(ALL_STRIKES)
      expect(chain()?.analytics.metrics.pcrOi).toBeCloseTo(0.9155455, 7)
      expect(chain()?.strikesStreamed).toBe(21)

      await snapshot.stop()
      await test.passed(minute(1))
      const [metrics] = await test.rows<{ pcr_oi: number }>(
        `SELECT pcr_oi, max_pain, strikes_listed, strikes_streamed, strikes_present, complete
         FROM fo_expiry_metrics WHERE bucket_time = to_timestamp($1)`,
        [minute(1) / 1_000],
      )
      expect(metrics).toMatchObject({
        ...{ max_pain: 23_400, complete: false },
        ...{ strikes_listed: 112, strikes_streamed: 21, strikes_present: 112 },
      })
      expect(metrics?.pcr_oi).toBeCloseTo(0.9155455, 7)
      const [stored] = await test.rows(
        `SELECT count(*)::int AS n, bool_or(complete) AS complete, sum(tick_count)::int AS ticks
         FROM fo_option_strike_bars WHERE source = 'snapshot'`,
      )
      expect(stored).toEqual({ n: OTHERS.length, complete: false, ticks: 0 })
    })

    it('asks once a period, also where it failed before, and never for what is streamed', async () => {
      await stream(minute(1) + 5_000)
      failure = new Error('nobody answers')
      look()
      await until(() => asked.length === 1)
      failure = undefined
      look()
      tick(minute(1) + 20_000)
      await test.settled()
      look()
      tick(minute(1) + 31_000)
      await test.settled()
      look()
      await until(() => present() === 112)
      look()
      expect(asked).toHaveLength(2)
    })

    it('gives way to the first packet of the minute', async () => {
      await stream(minute(1) + 5_000)
      look()
      await until(() => present() === 112)
      await until(async () => (await snapshots(OTHERS[0] as Instrument)).length === 1)
      const leg = OTHERS[0] as Instrument
      const key = `${leg.exchange}:${leg.tradingsymbol}`
      expect(test.ingest.chains.quote(key)?.source).toBe('snapshot')
      test.log.append(begins([leg], minute(1) + 30_000))
      test.log.append([packet(leg, minute(1) + 30_000, 777, { dayVolume: 65_000 })])
      await test.passed(minute(1))
      expect((await test.bars(leg)).at(-1)).toMatchObject({
        ...{ open: 777, low: 777, close: 777, source: 'live', complete: false, tick_count: 1 },
      })
      expect(test.ingest.chains.quote(key)?.source).toBe('live')
    })

    it('is no evidence of a price once it is old, but of open interest', async () => {
      await stream(minute(1) + 5_000)
      look()
      const { exchange, tradingsymbol } = OTHERS.find(
        (leg) => (LEGS.get(leg)?.bid_price ?? 0) > 0,
      ) as Instrument
      const quote = () => test.ingest.chains.quote(`${exchange}:${tradingsymbol}`)
      await until(() => quote()?.source === 'snapshot')
      const atMs = quote()?.quotedMs ?? 0
      expect(quote()?.legAt(atMs + 60_000)).toMatchObject({ bid: expect.any(Number) })
      expect(quote()?.legAt(atMs + 91_000)).toMatchObject({
        ...{ bid: null, ask: null, tradedInMinute: false, oi: expect.any(Number) },
      })
    })

    async function snapshots({ tradingsymbol }: Instrument) {
      return test.rows(
        `SELECT FROM fo_option_strike_bars WHERE source = 'snapshot' AND tradingsymbol = $1`,
        [tradingsymbol],
      )
    }
  })
})
