/**
 * The ticker on the real journal. The packets are two that Zerodha captured from its own stream
 * (kiteconnect-mocks, INFY on 5 July 2021); their values are those of the files beside them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { forEachRecord } from '../../src/contract/journal-batch.ts'
import {
  type ControlRecord,
  type JournalRecord,
  LOG_START,
} from '../../src/contract/journal-record.ts'
import { openJournal } from '../../src/journal/open-journal.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { FrameWriter } from '../../src/kite/frame-writer.ts'
import { TICKER_DUMP_LEAST_ROWS, TICKER_GAP_LOOKBACK_MS } from '../../src/limits.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { referenceData } from '../reference-data.ts'
import { silentLog } from '../silent-log.ts'
import { startBroker } from './support/broker-server.ts'
import { frameOf, NIFTY, option, START_S } from './support/contracts.ts'
import { onRelease, releaseAll, runTicker, temporaryFolder } from './support/start-test-ticker.ts'

const quotePacket = referenceData('kiteconnect-mocks/ticker_quote.packet')
const fullPacket = referenceData('kiteconnect-mocks/ticker_full.packet')
const WITHIN = { timeout: 60_000, interval: 10 }

const INFY: Instrument = {
  ...NIFTY,
  token: 408_065,
  tradingsymbol: 'INFY',
  name: 'INFOSYS',
  symbol: 'INFY',
  segment: 'NSE',
  kind: 'equity',
  lotSize: 1,
  tickSize: 0.05,
}
const CALL = option(26_000, 'CE')

afterEach(releaseAll)

describe.skipIf(quotePacket === undefined || fullPacket === undefined)('captured packets', () => {
  it('reach the journal with their exact values', async () => {
    const { records, broker } = await run([INFY], temporaryFolder())
    for (const path of [quotePacket, fullPacket]) {
      const writer = new FrameWriter()
      writer.packet(Buffer.from(readFileSync(path ?? '', 'utf8').trim(), 'base64'))
      broker.peer.send(writer.take())
    }
    await vi.waitFor(() => expect(ticksOf(records)).toHaveLength(2), WITHIN)
    const common = { token: 408_065, isIndex: false, connection: 1 }
    const day = { dayOpen: 156_915, dayHigh: 157_500, dayLow: 156_105, previousClose: 156_780 }
    expect(ticksOf(records)).toMatchObject([
      {
        ...common,
        ...day,
        mode: 'quote',
        lastPrice: 157_315,
        lastQuantity: 1,
        averagePrice: 157_033,
        dayVolume: 1_175_986,
        lastTradeTimeS: undefined,
        exchangeTimeS: undefined,
        openInterest: undefined,
      },
      {
        ...common,
        ...day,
        mode: 'full',
        lastPrice: 157_370,
        lastQuantity: 7,
        averagePrice: 157_037,
        dayVolume: 1_192_471,
        lastTradeTimeS: 1_625_461_887,
        exchangeTimeS: 1_625_461_887,
        openInterest: 0,
        bidPrice: 157_340,
        bidQuantity: 5,
        askPrice: 157_370,
        askQuantity: 172,
      },
    ])
    const kinds = records.map(({ kind }) => kind).filter((kind) => kind !== 'clock')
    expect(kinds).toEqual(['epoch_start', 'instrument', 'covered', 'tick', 'covered', 'tick'])
  })
})

describe('a restart on the same journal', () => {
  it('says which instruments were streaming, and since when ticks may be missing', async () => {
    const dir = temporaryFolder()
    const first = await run([CALL, NIFTY], dir)
    first.broker.peer.send(frameOf([CALL.token, NIFTY.token]))
    await vi.waitFor(() => expect(ticksOf(first.records)).toHaveLength(2), WITHIN)
    await first.stop()
    const second = await run([CALL, NIFTY], dir)
    const controls = () => second.records.filter((record) => record.kind !== 'tick')
    await vi.waitFor(() => expect(gapsOf(controls())).toHaveLength(1), WITHIN)
    second.broker.peer.send(frameOf([CALL.token, NIFTY.token]))
    await vi.waitFor(() => expect(ticksOf(second.records)).toHaveLength(2), WITHIN)
    const kinds = second.records.map(({ kind }) => kind).filter((kind) => kind !== 'clock')
    expect(kinds).toEqual([
      'epoch_start',
      'instrument',
      'instrument',
      'gap_open',
      'gap_close',
      'tick',
      'tick',
    ])
    const [gap] = gapsOf(controls())
    expect(gap).toMatchObject({ reason: 'restart', tokens: [CALL.token, NIFTY.token] })
    const last = first.records.findLast((record) => record.kind === 'clock')
    const brokenOffMs = last?.kind === 'clock' ? last.marketTimeMs : 0
    // By the exchange's second in the last packet, which may lie before the ticker's own time.
    const fromMs = (gap?.fromMs ?? 0) + TICKER_GAP_LOOKBACK_MS
    expect(fromMs).toBeGreaterThanOrEqual(START_S * 1000)
    expect(fromMs).toBeLessThanOrEqual(brokenOffMs + 50)
    await second.stop()
  })
})

/** With them the dump is long enough to be taken for one. */
const SHARES: readonly Instrument[] = Array.from({ length: TICKER_DUMP_LEAST_ROWS }, (_, i) => ({
  ...NIFTY,
  token: (900_000 + i) * 256 + 1,
  tradingsymbol: `FILLER${i}`,
  name: `FILLER ${i}`,
  symbol: `FILLER ${i}`,
  segment: 'NSE',
  kind: 'equity',
}))

async function run(instruments: readonly Instrument[], dir: string) {
  const journal = await openJournal({
    dir: join(dir, 'journal'),
    producer: 't1',
    partitions: 1,
    feed: 'simulated',
    maxAgeMs: 60_000,
    maxBytes: 1e9,
    clock: systemClock,
    log: silentLog,
  })
  const broker = await startBroker([...instruments, ...SHARES])
  onRelease(() => broker.stop())
  onRelease(() => journal.close())
  const records: JournalRecord[] = []
  const abort = new AbortController()
  onRelease(() => abort.abort())
  const from = { epoch: journal.epoch - 1, sequence: Number.MAX_SAFE_INTEGER }
  const reading = read(journal.tail(0, journal.epoch > 0 ? from : LOG_START, abort.signal), records)
  const { ticker } = await runTicker({ broker, dataDir: dir, deps: { journal } })
  const wanted = instruments.map(({ token }) => ({ instrument_token: token }))
  await ticker.subscriptions.subscribe({ instruments: wanted }, 'api', undefined)
  await vi.waitFor(() => expect(broker.carried().size).toBe(instruments.length), WITHIN)
  const stop = async () => {
    await ticker.stop('test')
    await journal.close()
    await reading
    await broker.stop()
  }
  return { broker, records, stop }
}

async function read(
  tail: ReturnType<Awaited<ReturnType<typeof openJournal>>['tail']>,
  records: JournalRecord[],
): Promise<void> {
  for await (const item of tail) {
    if (item.kind !== 'batch') continue
    forEachRecord(item.header, item.bytes, item.header.firstSequence, {
      tick: (tick) => records.push({ kind: 'tick', tick }),
      control: (record) => records.push(record),
    })
  }
}

function ticksOf(records: readonly JournalRecord[]) {
  return records.flatMap((record) => (record.kind === 'tick' ? [record.tick] : []))
}

function gapsOf(records: readonly JournalRecord[]) {
  return records.filter(
    (record): record is Extract<ControlRecord, { kind: 'gap_open' }> => record.kind === 'gap_open',
  )
}
