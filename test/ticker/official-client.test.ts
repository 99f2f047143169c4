/**
 * The ticker beside the official client, on the same instruments of the same exchange, each on an
 * account of its own: both decode the same packets to the same values, and after a disconnect the
 * ticker is back within its contract, whatever the official client does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Exchange, startExchange } from '../../src/exchange/serve.ts'
import { systemClock } from '../../src/kit/clock.ts'
import type { JournalledTick } from '../../src/market/tick.ts'
import { kiteBroker } from '../../src/ticker/broker.ts'
import { silentLog } from '../silent-log.ts'
import { AROUND_THE_MONEY } from './support/around-the-money.ts'
import {
  ACCOUNT,
  onRelease,
  releaseAll,
  runTicker,
  temporaryFolder,
} from './support/start-test-ticker.ts'

const SCRIPT = fileURLToPath(new URL('official-stream.mjs', import.meta.url))
const WITHIN = { timeout: 60_000, interval: 20 }
const COMPARED_PACKETS = 300
/** The contract: reconnected within 3 s of a drop. */
const BACK_WITHIN_MS = 3_000
const DISCONNECTS = 2

/** What the official client says of a tick, as far as both tell it; prices in rupees. */
interface OfficialTick {
  readonly instrument_token: number
  readonly mode: string
  readonly last_price: number
  readonly ohlc: Record<'open' | 'high' | 'low' | 'close', number>
  readonly exchange_timestamp: string | null
  readonly last_trade_time?: string
  readonly last_traded_quantity?: number
  readonly average_traded_price?: number
  readonly volume_traded?: number
  readonly oi?: number
  readonly depth?: Record<'buy' | 'sell', readonly { price: number; quantity: number }[]>
}

afterEach(releaseAll)

describe('beside the official client', () => {
  it('decodes the same packets, and is back within 3 s of every drop', async ({ annotate }) => {
    const ground = await open()
    const { journal, ticker, official, control } = ground
    await vi.waitFor(() => {
      expect(official.ticks.length).toBeGreaterThan(COMPARED_PACKETS + 2 * ground.tokens.length)
    }, WITHIN)
    await control('/rate', { ticks_per_second: 0 })
    await vi.waitFor(async () => {
      const { connections } = await control('/ledger')
      const sent = (account: string) =>
        connections.find((each: { account: string }) => each.account === account).packets
      expect(journal.ticks()).toHaveLength(sent('sim1'))
      expect(official.ticks).toHaveLength(sent('sim2'))
    }, WITHIN)

    let compared = 0
    for (const token of ground.tokens) {
      const ours = journal.ticks().filter((tick) => tick.token === token)
      // The first in each mode is the state at the subscription, which was later than ours.
      const theirs = official.ticks.filter((tick) => tick.instrument_token === token)
      const since = theirs.filter(({ mode }) => mode === 'full').slice(1)
      compared += since.length
      expect(since.length).toBeLessThan(ours.length)
      expect(ours.slice(ours.length - since.length).map(valuesOf)).toEqual(
        since.map(officialValuesOf),
      )
    }
    expect(compared).toBeGreaterThanOrEqual(COMPARED_PACKETS)

    await control('/rate', { ticks_per_second: null })
    for (let i = 0; i < DISCONNECTS; i++) {
      const all = AROUND_THE_MONEY
      await vi.waitFor(async () => expect((await carriedInFull(ground)).theirs).toBe(all), WITHIN)
      const droppedAtMs = performance.now()
      await control('/faults', { fault: 'disconnect' })
      await vi.waitFor(
        async () => expect((await carriedInFull(ground)).ours).toBe(ground.tokens.length),
        { timeout: BACK_WITHIN_MS, interval: 20 },
      )
      const tookMs = Math.round(performance.now() - droppedAtMs)
      const { theirs } = await carriedInFull(ground)
      await annotate(`drop ${i + 1}: back in ${tookMs} ms; the official client carried ${theirs}`)
    }
    await vi.waitFor(() => expect(ticker.status().gaps_open).toEqual([]), WITHIN)
  }, 240_000)
})

async function open() {
  const exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 9,
    speed: 1,
    ticksPerSecond: undefined,
    stateDir: temporaryFolder(),
    clock: systemClock,
    log: silentLog,
  })
  onRelease(() => exchange.stop())
  const [ours, theirs] = exchange.accounts
  if (ours === undefined || theirs === undefined) throw new Error('two accounts are needed')
  const { journal, ticker } = await runTicker({
    config: {
      accounts: [{ ...ACCOUNT, ...ours }],
      startMarketTimeMs: exchange.marketTimeMs(),
    },
    deps: {
      broker: kiteBroker({
        webSocketRoot: exchange.url.replace('http', 'ws'),
        restRoot: exchange.url,
        clock: systemClock,
      }),
    },
  })
  const all = AROUND_THE_MONEY
  await vi.waitFor(() => expect(ticker.status().totals.subscriptions_active).toBe(all), WITHIN)
  const control = controlOf(exchange)
  const { connections } = await control('/subscriptions')
  const tokens = Object.keys(connections[0].subscriptions).map(Number)
  expect(tokens).toHaveLength(all)
  const official = startOfficial({ url: exchange.url, ...theirs, tokens })
  return { journal, ticker, official, control, tokens }
}

function controlOf({ url }: Exchange) {
  return async (path: string, body?: unknown) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const request = body === undefined ? {} : { ...init, body: JSON.stringify(body) }
    const response = await fetch(`${url}/control${path}`, request)
    expect(response.ok).toBe(true)
    return JSON.parse(await response.text())
  }
}

function startOfficial(order: unknown): { readonly ticks: OfficialTick[] } {
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onRelease(() => child.kill('SIGKILL'))
  const ticks: OfficialTick[] = []
  if (child.stdout === null) throw new Error('the official client has no output')
  createInterface({ input: child.stdout }).on('line', (line) => {
    // The official client prints for people, too.
    if (!line.startsWith('{')) return
    const event = JSON.parse(line) as { kind: string; ticks?: OfficialTick[] }
    ticks.push(...(event.ticks ?? []))
  })
  return { ticks }
}

/** Instruments that each account's open connection carries in full mode. */
async function carriedInFull({ control }: Awaited<ReturnType<typeof open>>) {
  const { connections } = await control('/subscriptions')
  const carried = (account: string) =>
    connections
      .filter((each: { account: string }) => each.account === account)
      .flatMap((each: { subscriptions: Record<string, string> }) =>
        Object.values(each.subscriptions).filter((mode) => mode === 'full'),
      ).length
  return { ours: carried('sim1'), theirs: carried('sim2') }
}

// ---------------------------------------------------------------- the same words for both

function valuesOf(tick: JournalledTick) {
  const { lastPrice, dayOpen, dayHigh, dayLow, previousClose, exchangeTimeS } = tick
  const common = { lastPrice, dayOpen, dayHigh, dayLow, previousClose, exchangeTimeS }
  if (tick.isIndex) return common
  return {
    ...common,
    lastTradeTimeS: tick.lastTradeTimeS,
    lastQuantity: tick.lastQuantity,
    averagePrice: tick.averagePrice,
    dayVolume: tick.dayVolume,
    openInterest: tick.openInterest,
    bidPrice: tick.bidPrice ?? 0,
    bidQuantity: tick.bidQuantity ?? 0,
    askPrice: tick.askPrice ?? 0,
    askQuantity: tick.askQuantity ?? 0,
  }
}

function officialValuesOf(tick: OfficialTick) {
  const common = {
    lastPrice: paise(tick.last_price),
    dayOpen: paise(tick.ohlc.open),
    dayHigh: paise(tick.ohlc.high),
    dayLow: paise(tick.ohlc.low),
    previousClose: paise(tick.ohlc.close),
    exchangeTimeS: epochSecond(tick.exchange_timestamp),
  }
  if (tick.depth === undefined) return common
  const [bid, ask] = [tick.depth.buy[0], tick.depth.sell[0]]
  return {
    ...common,
    lastTradeTimeS: epochSecond(tick.last_trade_time),
    lastQuantity: tick.last_traded_quantity,
    averagePrice: paise(tick.average_traded_price),
    dayVolume: tick.volume_traded,
    openInterest: tick.oi,
    bidPrice: paise(bid?.price),
    bidQuantity: bid?.quantity,
    askPrice: paise(ask?.price),
    askQuantity: ask?.quantity,
  }
}

function paise(rupees: number | undefined): number {
  return Math.round((rupees ?? Number.NaN) * 100)
}

function epochSecond(time: string | null | undefined): number {
  return Date.parse(time ?? '') / 1000
}
