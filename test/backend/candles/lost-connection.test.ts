import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Instrument } from '../../../src/market/instrument.ts'
import { barStore } from '../../../src/postgres/bar-writer.ts'
import { openStore, type Store } from '../../../src/postgres/connection.ts'
import { postgresUrl } from '../../services.ts'
import { silentLog } from '../../silent-log.ts'
import { TcpProxy } from '../../tcp-proxy.ts'
import { until } from '../../until.ts'
import { begins, clockAt, NIFTY, OPTIONS } from '../scenario.ts'
import { candle, IngestUnderTest, minute } from './ingest-under-test.ts'

const url = await postgresUrl()
const OPTION = OPTIONS[4] as Instrument
/** More than one statement holds. */
const MINUTES = 370

describe.skipIf(url === undefined)('a batch of candles whose connection is cut', () => {
  let store: Store
  let cutStore: Store
  let proxy: TcpProxy
  let test: IngestUnderTest

  beforeAll(async () => {
    const options = { applicationName: 'fostream test', log: silentLog }
    store = openStore({ kind: 'url', url: url ?? '' }, options)
    const target = new URL(url ?? '')
    proxy = await TcpProxy.start(target.href)
    target.hostname = '127.0.0.1'
    target.port = String(proxy.port)
    cutStore = openStore({ kind: 'url', url: target.href }, options)
    test = await IngestUnderTest.over(store)
  })
  afterEach(() => test.clear())
  afterAll(async () => {
    await test.close()
    await store.close()
    await cutStore.close()
    await proxy.stop()
  })

  async function dayIsOver(): Promise<void> {
    test.log.startEpoch(100)
    test.log.append([...begins([NIFTY], minute(380)), clockAt(minute(0))])
    test.start(barStore(cutStore, 'bars'))
    await test.passed(minute(MINUTES))
  }

  function day() {
    return test.write(
      OPTION,
      Array.from({ length: MINUTES }, (_, n) => candle(n, 70 + (n % 7), { volume: 65 })),
      { moreFollows: true },
    )
  }

  async function stored() {
    const [rows] = await test.rows(
      `SELECT count(*)::int AS n, sum(close)::float8 AS closes, max(day_volume)::int AS day
       FROM fo_option_strike_bars`,
    )
    return { ...rows, coverage: await test.coverage(OPTION) }
  }

  const WHOLE = {
    n: MINUTES,
    closes: Array.from({ length: MINUTES }, (_, n) => 70 + (n % 7)).reduce((a, b) => a + b),
    day: 65 * MINUTES,
    coverage: [{ from: minute(0), to: minute(MINUTES), source: 'broker' }],
  }

  it('is written whole, wherever the cut falls, and its promise waits for that', async () => {
    let cuts = 0
    for (const messages of [0, 3, 5, 6, 8, 11]) {
      await dayIsOver()
      proxy.cutAfter(messages)
      let isDone = false
      const written = day().finally(() => {
        isDone = true
      })
      await until(() => proxy.isRefusing || isDone)
      if (proxy.isRefusing) cuts++
      proxy.refuse(false)
      proxy.cutAfter(Number.MAX_SAFE_INTEGER)
      const outcome = await written
      expect(outcome, `cut after ${messages}`).toMatchObject({ tooEarly: [], kept: 0 })
      expect(await stored(), `cut after ${messages}`).toEqual(WHOLE)
      await test.clear()
    }
    expect(cuts).toBeGreaterThan(3)
  }, 60_000)

  it('is as good as never handed in where its writer has gone, and whole when handed in again', async () => {
    await dayIsOver()
    proxy.cutAfter(8)
    const lost = day()
    const failed = expect(lost).rejects.toMatchObject({ code: 'ended' })
    await until(() => proxy.isRefusing)
    await test.stop()
    await failed
    proxy.refuse(false)
    proxy.cutAfter(Number.MAX_SAFE_INTEGER)
    test.start(barStore(cutStore, 'bars'))
    expect(await day()).toEqual({ written: MINUTES, tooEarly: [], kept: 0 })
    expect(await stored()).toEqual(WHOLE)
  })

  it('is written by nobody who was superseded', async () => {
    await dayIsOver()
    const first = test.ingest
    await store.pool.query('UPDATE stream_offsets SET generation = generation + 1')
    await expect(day()).rejects.toMatchObject({ code: 'ended' })
    await expect(first.ended).rejects.toMatchObject({ code: 'superseded' })
    expect(await stored()).toMatchObject({ n: 0, coverage: [] })
  })
})
