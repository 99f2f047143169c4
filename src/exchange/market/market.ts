/**
 * The simulated market as a whole: a function of (seed, time). Two markets of one seed answer every
 * question alike, in whatever order they are asked.
 */
import { alwaysOpenCalendar, exchangeCalendar, type MarketCalendar } from '../../market/calendar.ts'
import { dateOfDay, istDate } from '../../market/ist.ts'
import type { Contract } from './contract.ts'
import { keyOf } from './hash.ts'
import { InstrumentState } from './instrument-state.ts'
import { frontFuture, type ListingRules, listContracts } from './listing.ts'
import { Tape } from './tape.ts'
import { buildUnderlyings, type UnderlyingMarket } from './underlying-market.ts'
import { VOLATILITY_INDEX } from './underlying-models.ts'

/** What is listed on one date. */
export interface Listing {
  readonly date: string
  readonly contracts: readonly Contract[]
  readonly byToken: ReadonlyMap<number, Contract>
  /** By `exchange:tradingsymbol`. */
  readonly byName: ReadonlyMap<string, Contract>
}

export class Market {
  /** Never closed: the trading day is the IST date. */
  readonly calendar: MarketCalendar = alwaysOpenCalendar()
  private readonly rules: ListingRules
  /** The same market with a memory of its own: history must not push today out of the other. */
  private readonly past: ReadonlyMap<string, UnderlyingMarket>
  private latest: Listing | undefined

  constructor(seed: string) {
    const seedKey = keyOf(seed)
    this.rules = {
      seedKey,
      underlyings: buildUnderlyings(seedKey),
      holidays: exchangeCalendar(),
      sessions: this.calendar,
    }
    this.past = buildUnderlyings(seedKey)
  }

  /** The listing of the IST date of an instant. */
  listing(timeMs: number): Listing {
    const date = istDate(timeMs)
    if (this.latest?.date !== date) this.latest = buildListing(this.rules, date)
    return this.latest
  }

  /** A reader of the contract's trades, of its own: it stands in one day at a time. */
  tape(contract: Contract): Tape {
    return tapeOf(contract, this.rules.underlyings)
  }

  /** The same for days gone by. */
  pastTape(contract: Contract): Tape {
    return tapeOf(contract, this.past)
  }

  /** The tape of the future that was nearest to expiry on a day; undefined where none was listed. */
  frontTape(future: Contract, day: number): Tape | undefined {
    const front = frontFuture(this.rules, future.instrument.symbol, dateOfDay(day))
    return front === undefined ? undefined : this.pastTape(front)
  }

  /** Everything that a full packet says of the contract at an instant. */
  snapshot(contract: Contract, timeMs: number): InstrumentState {
    const state = new InstrumentState(this.tape(contract))
    state.advance(timeMs)
    return state
  }
}

function tapeOf(contract: Contract, underlyings: ReadonlyMap<string, UnderlyingMarket>): Tape {
  const { symbol } = contract.instrument
  // The volatility index is that of NIFTY's options.
  const market = underlyings.get(symbol === VOLATILITY_INDEX ? 'NIFTY50' : symbol)
  if (market === undefined) throw new RangeError(`no market for ${symbol}`)
  return new Tape(contract, market)
}

function buildListing(rules: ListingRules, date: string): Listing {
  const contracts = listContracts(rules, date)
  const byToken = new Map(contracts.map((contract) => [contract.instrument.token, contract]))
  if (byToken.size !== contracts.length) throw new Error(`two contracts of ${date} share a token`)
  const byName = new Map(
    contracts.map((contract) => {
      const { exchange, tradingsymbol } = contract.instrument
      return [`${exchange}:${tradingsymbol}`, contract]
    }),
  )
  return { date, contracts, byToken, byName }
}
