/** Reads of lines by moneyness and of the ledger of gaps, on every kind of store. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { BackendReads, GapQuery } from '../../src/backend/ports.ts'
import { MINUTE_MS, msOfIst } from '../../src/market/ist.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { storeReads } from '../../src/postgres/read-store.ts'
import { EXPIRY, NIFTY, OPEN_MS, OPTIONS, option } from '../backend/scenario.ts'
import { describeStores } from './stores.ts'

const SERIES = { symbol: 'NIFTY50', expiry: EXPIRY }
const [FIRST] = OPTIONS

await describeStores('reads', (store) => {
  let reads: BackendReads

  beforeAll(async () => {
    const client = await store().connect()
    await migrate(client)
    await client.end()
    reads = storeReads(store())
  })

  describe('of strikes over time', () => {
    beforeAll(async () => {
      await store().pool.query(
        `INSERT INTO fo_expiry_metrics (symbol, expiry, bucket_time, atm_strike, updated_at)
         SELECT 'NIFTY50', $1, $2::timestamptz + n * interval '1 minute',
           CASE WHEN n = 2 THEN NULL ELSE 24500 + 50 * (n / 3) END, now()
         FROM generate_series(0, 5) AS n`,
        [EXPIRY, new Date(OPEN_MS).toISOString()],
      )
      await store().pool.query(
        `INSERT INTO fo_strike_distribution (symbol, expiry, strike, bucket_time, call_ltp, put_ltp,
           call_oi, put_oi, call_iv, put_iv, updated_at)
         SELECT 'NIFTY50', $1, strike, $2::timestamptz + n * interval '1 minute', strike + n,
           CASE WHEN n = 1 THEN NULL ELSE strike - n END, 650 * n, 1300, 0.1 + n / 100.0, NULL, now()
         FROM generate_series(0, 5) AS n, unnest('{24450,24500,24550}'::float8[]) AS strike`,
        [EXPIRY, new Date(OPEN_MS).toISOString()],
      )
      await store().pool.query(
        `INSERT INTO fo_option_strike_bars (tradingsymbol, symbol, option_type, expiry, bucket_time,
           strike, instrument_token, volume, updated_at, tick_count, source)
         SELECT 'NIFTY26NOV24500' || side, 'NIFTY50', side, $1,
           $2::timestamptz + n * interval '1 minute', 24500, 1, 65 * n, now(), 1,
           CASE WHEN n < 2 THEN 'backfill' ELSE 'live' END
         FROM generate_series(0, 3) AS n, unnest('{CE,PE}'::text[]) AS side
         WHERE side = 'CE' OR n > 1`,
        [EXPIRY, new Date(OPEN_MS).toISOString()],
      )
    })

    it('bring the ATM strike of each minute, ascending, up to a limit', async () => {
      const atms = (toMinute: number, limit = 9) =>
        reads.atmStrikes('NIFTY50', EXPIRY, OPEN_MS, OPEN_MS + toMinute * MINUTE_MS, limit)
      expect((await atms(9)).map(({ atmStrike }) => atmStrike)).toEqual([
        24_500,
        24_500,
        null,
        24_550,
        24_550,
        24_550,
      ])
      expect((await atms(1))[0]).toEqual({ minuteMs: OPEN_MS, atmStrike: 24_500 })
      expect(await atms(9, 2)).toHaveLength(2)
      expect(await reads.atmStrikes('NIFTY50', '2026-12-01', 0, OPEN_MS * 2, 9)).toEqual([])
    })

    it('bring both sides of the strikes that are asked for and of no other', async () => {
      const strikes = [{ strike: 24_450, call: null, put: null }]
      const rows = await reads.strikeFigures(
        SERIES,
        strikes,
        'ltp',
        OPEN_MS,
        OPEN_MS + 2 * MINUTE_MS,
      )
      expect(rows.toSorted((a, b) => a.minuteMs - b.minuteMs)).toEqual([
        { minuteMs: OPEN_MS, strike: 24_450, call: 24_450, put: 24_450 },
        { minuteMs: OPEN_MS + MINUTE_MS, strike: 24_450, call: 24_451, put: null },
      ])
      const iv = await reads.strikeFigures(SERIES, strikes, 'iv', OPEN_MS, OPEN_MS + 1)
      expect(iv).toEqual([{ minuteMs: OPEN_MS, strike: 24_450, call: 0.1, put: null }])
    })

    it('take the volume of the minute from the bars, backfilled or live', async () => {
      const strike = { strike: 24_500, call: 'NIFTY26NOV24500CE', put: 'NIFTY26NOV24500PE' }
      const rows = await reads.strikeFigures(
        SERIES,
        [strike],
        'volume',
        OPEN_MS,
        OPEN_MS + 9 * MINUTE_MS,
      )
      const ascending = rows.toSorted((a, b) => a.minuteMs - b.minuteMs)
      expect(ascending.map(({ call, put }) => [call, put])).toEqual([
        [0, null],
        [65, null],
        [130, 130],
        [195, 195],
      ])
    })

    it('read every figure that a line may be of', async () => {
      const figures = ['ltp', 'oi', 'oi_change', 'iv', 'delta', 'gamma', 'theta', 'vega'] as const
      const strikes = [{ strike: 24_500, call: null, put: null }]
      for (const figure of figures) {
        const rows = await reads.strikeFigures(SERIES, strikes, figure, OPEN_MS, OPEN_MS + 1)
        expect(rows).toHaveLength(1)
      }
    })
  })

  describe('of what was listed', () => {
    const later = option(24_700, 'CE', 40)

    beforeAll(async () => {
      const instruments = createInstrumentStore(store().pool)
      const apply = (date: string, diff: Partial<Parameters<typeof instruments.apply>[0]>) =>
        instruments.apply({ date, added: [], changed: [], removed: [], ...diff })
      await apply('2026-11-19', { added: [NIFTY, ...OPTIONS] })
      await apply('2026-11-20', { added: [later], changed: OPTIONS.slice(0, 1) })
      await apply('2026-11-24', { removed: OPTIONS })
    })

    it('know the strikes of an expired series', async () => {
      const strikes = await reads.listedStrikes('NIFTY50', EXPIRY)
      expect(strikes.map(({ strike }) => strike)).toEqual([
        24_400, 24_450, 24_500, 24_550, 24_600, 24_700,
      ])
      expect(strikes[0]).toEqual({
        strike: 24_400,
        call: 'NIFTY26NOV24400CE',
        put: 'NIFTY26NOV24400PE',
      })
      expect(strikes.at(-1)?.put).toBeNull()
      expect(await reads.listedStrikes('NIFTY50', '2027-01-01')).toEqual([])
    })

    it('know an expired contract by its name, each exchange once', async () => {
      const name = FIRST?.tradingsymbol ?? ''
      expect(await reads.everListed(name)).toEqual([FIRST])
      expect(await reads.everListed('NIFTY 50')).toEqual([NIFTY])
      expect(await reads.everListed("' OR 1=1 --")).toEqual([])
    })
  })

  describe('of gaps', () => {
    const at = (time: string) => msOfIst('2026-11-20', time)
    const asked = (over: Partial<GapQuery> = {}) =>
      reads.gaps({
        fromMs: at('09:00'),
        toMs: at('16:00'),
        status: undefined,
        tradingsymbol: undefined,
        limit: 10,
        ...over,
      })
    const ids = async (over: Partial<GapQuery> = {}) => (await asked(over)).map(({ id }) => id)

    beforeAll(async () => {
      const names = (...list: string[]) =>
        JSON.stringify(list.map((tradingsymbol) => ({ exchange: 'NFO', tradingsymbol, to: null })))
      const gap = (
        [id, partition, status]: readonly [string, number, string],
        from: string,
        to: string | null,
        list: string,
      ) =>
        store().pool.query(
          `INSERT INTO feed_gaps (id, producer, partition, account, connection, reason, status,
             "from", "to", instruments, rows, opened_at, closed_at, repaired_at)
           VALUES ($1, 't1', $2, 'a1', 2, 'mute', $3, $4, $5, $6, 7, $4, $5, $5)`,
          [
            id,
            partition,
            status,
            new Date(at(from)).toISOString(),
            to === null ? null : new Date(at(to)).toISOString(),
            list,
          ],
        )
      await gap(['g1', 0, 'closed'], '09:30', '09:32', names('B', 'A'))
      await gap(['g1', 1, 'open'], '09:31', null, names('C'))
      await gap(['g2', 0, 'repaired'], '10:00', '10:05', names('A'))
      await gap(['g3', 0, 'unrepairable'], '11:00', '11:05', '[]')
      await gap(['g4', 0, 'repaired'], '12:00', '12:05', names('D'))
      await gap(['g4', 1, 'closed'], '12:00', '12:07', names('E'))
    })

    it('are one entry each, newest first, as far as the least far of their parts', async () => {
      const gaps = await asked()
      expect(gaps.map(({ id, status }) => [id, status])).toEqual([
        ['g4', 'closed'],
        ['g3', 'unrepairable'],
        ['g2', 'repaired'],
        ['g1', 'open'],
      ])
      expect(gaps[3]).toEqual({
        id: 'g1',
        producer: 't1',
        account: 'a1',
        connection: 2,
        reason: 'mute',
        status: 'open',
        fromMs: at('09:30'),
        toMs: null,
        instruments: 3,
        tradingsymbols: ['A', 'B', 'C'],
        rows: 14,
        error: null,
        openedAtMs: at('09:30'),
        closedAtMs: null,
        repairedAtMs: null,
      })
      expect(gaps[2]).toMatchObject({ toMs: at('10:05'), repairedAtMs: at('10:05') })
      expect(gaps[1]).toMatchObject({ tradingsymbols: [], instruments: 0, repairedAtMs: null })
      expect(gaps[0]).toMatchObject({ toMs: at('12:07'), repairedAtMs: null })
    })

    it('are the same whole gap, whichever part of it was asked for', async () => {
      const whole = await asked()
      expect(await asked({ tradingsymbol: 'C' })).toEqual([whole[3]])
      expect(await asked({ tradingsymbol: 'D' })).toEqual([whole[0]])
      expect(await asked({ fromMs: at('12:06') })).toEqual([whole[0], whole[3]])
      expect(await ids({ tradingsymbol: 'D', status: 'repaired' })).toEqual([])
    })

    it('are those of a status, an instrument, a time, and so many', async () => {
      expect(await ids({ status: 'repaired' })).toEqual(['g2'])
      expect(await ids({ status: 'open' })).toEqual(['g1'])
      expect(await ids({ tradingsymbol: 'A' })).toEqual(['g2', 'g1'])
      expect(await ids({ tradingsymbol: '"}]\' OR true --' })).toEqual([])
      expect(await ids({ limit: 2 })).toEqual(['g4', 'g3'])
      expect(await ids({ fromMs: at('10:05') })).toEqual(['g4', 'g3', 'g1'])
      expect(await ids({ toMs: at('11:00') })).toEqual(['g2', 'g1'])
    })
  })
})
