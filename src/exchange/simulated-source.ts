/** The REST answers of the simulated market. */
import type { Clock } from '../kit/clock.ts'
import { EXCHANGE_QUOTED_STATES } from '../limits.ts'
import type { Instrument } from '../market/instrument.ts'
import { KiteRefusal } from './kite-answer.ts'
import { candleJson, candlesOf, parseHistoryRequest } from './kite-history.ts'
import { ltpOf, ohlcOf, quoteOf } from './kite-quotes.ts'
import type { KiteSource, Query, QuoteKind } from './kite-source.ts'
import { BoundedCache } from './market/bounded-cache.ts'
import type { Contract } from './market/contract.ts'
import { InstrumentState } from './market/instrument-state.ts'
import type { Market } from './market/market.ts'
import type { MarketClock } from './market-clock.ts'
import { Slices } from './slices.ts'

export interface SimulatedSourceOptions {
  readonly market: Market
  readonly marketClock: MarketClock
  readonly clock: Clock
}

const SHOWN = { quote: quoteOf, ohlc: ohlcOf, ltp: ltpOf } as const

export class SimulatedSource implements KiteSource {
  private readonly market: Market
  private readonly marketClock: MarketClock
  private readonly slices: Slices
  private readonly states = new BoundedCache<Contract, InstrumentState>(
    EXCHANGE_QUOTED_STATES,
    (contract) => new InstrumentState(this.market.tape(contract)),
  )

  constructor({ market, marketClock, clock }: SimulatedSourceOptions) {
    this.market = market
    this.marketClock = marketClock
    this.slices = new Slices(clock)
  }

  listed(): readonly Instrument[] {
    const { contracts } = this.market.listing(this.marketClock.nowMs())
    return contracts.map(({ instrument }) => instrument)
  }

  async history(token: number, interval: string, query: Query): Promise<readonly string[]> {
    const { market } = this
    const nowMs = this.marketClock.nowMs()
    const contract = market.listing(nowMs).byToken.get(token)
    const asked = parseHistoryRequest(contract, interval, query)
    const rows: string[] = []
    await this.inSlices(function* () {
      for (const piece of candlesOf(market, asked, nowMs)) {
        for (const candle of piece) rows.push(candleJson(candle, asked.hasOpenInterest))
        yield
      }
    })
    return rows
  }

  async quotes(
    keys: readonly string[],
    kind: QuoteKind,
  ): Promise<Readonly<Record<string, unknown>>> {
    const nowMs = this.marketClock.nowMs()
    const { byName, byToken } = this.market.listing(nowMs)
    const { states } = this
    const shown: Record<string, unknown> = {}
    await this.inSlices(function* () {
      for (const key of keys) {
        const contract = byName.get(key) ?? byToken.get(Number(key))
        if (contract === undefined) continue
        const state = states.get(contract)
        state.advance(nowMs)
        shown[key] = SHOWN[kind](state)
        yield
      }
    })
    return shown
  }

  private inSlices(steps: () => Iterable<unknown>): Promise<void> {
    if (this.slices.isFull) {
      throw new KiteRefusal(503, 'NetworkException', 'The exchange is busy')
    }
    return this.slices.run(steps())
  }
}
