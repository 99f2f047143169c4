/**
 * What the very first start subscribes to, so that there is a chain to look at: NIFTY 50, INDIA VIX,
 * the nearest NIFTY future, and the ATM ± 10 strikes of the nearest NIFTY expiry.
 */
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { TICKER_BROKER_RETRY_FIRST_MS, TICKER_BROKER_RETRY_MAX_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { nearestExpiry } from '../../market/expiry.ts'
import type { Instrument } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { strikeWindow } from '../../market/options/moneyness.ts'

/** Who holds what nobody has asked for. */
export const FIRST_HOLDER = 'auto'

const SYMBOL = 'NIFTY50'
const OTHER_INDICES = ['INDIAVIX']
const STRIKES_EACH_SIDE = 10
const BACKOFF = { firstMs: TICKER_BROKER_RETRY_FIRST_MS, capMs: TICKER_BROKER_RETRY_MAX_MS }

/** The indices and the nearest future: what needs no price to be chosen. */
export function firstUnderlyings(
  master: InstrumentMaster,
  nowMs: number,
  calendar: MarketCalendar,
): Instrument[] {
  const indices = [SYMBOL, ...OTHER_INDICES].flatMap((symbol) => master.index(symbol) ?? [])
  const futures = master.futures(SYMBOL).flatMap((instrument) => {
    return instrument.expiry === null ? [] : [{ instrument, expiry: instrument.expiry }]
  })
  const nearest = nearestExpiry(futures, nowMs, calendar, 'NFO')
  return nearest === undefined ? indices : [...indices, nearest.instrument]
}

/** Calls and puts around `spot` (rupees), the nearest to it first. */
export function firstOptions(
  master: InstrumentMaster,
  spot: number,
  nowMs: number,
  calendar: MarketCalendar,
): Instrument[] {
  const series = nearestExpiry(master.expiries(SYMBOL), nowMs, calendar, 'NFO')
  if (series === undefined) return []
  const strikes = series.strikes.map(({ strike }) => strike)
  const window = new Set(strikeWindow(strikes, spot, STRIKES_EACH_SIDE))
  return series.strikes
    .filter(({ strike }) => window.has(strike))
    .sort((a, b) => Math.abs(a.strike - spot) - Math.abs(b.strike - spot))
    .flatMap(({ call, put }) => [call, put].filter((option) => option !== null))
}

export interface FirstStartDeps {
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly calendar: MarketCalendar
  readonly marketTimeMs: () => number
  readonly master: () => InstrumentMaster
  /** The last price of an instrument, rupees; undefined where the broker does not know it. */
  readonly lastPrice: (instrument: Instrument) => Promise<number | undefined>
  readonly subscribe: (instruments: readonly Instrument[]) => void
}

/** Subscribes at once what it can, and the options as soon as the broker tells the spot. */
export class FirstStart {
  readonly #deps: FirstStartDeps
  #attempt = 0
  #cancelRetry: (() => void) | undefined
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(deps: FirstStartDeps) {
    this.#deps = deps
  }

  run(): Promise<void> {
    const { master, marketTimeMs, calendar, subscribe } = this.#deps
    subscribe(firstUnderlyings(master(), marketTimeMs(), calendar))
    return this.#subscribeOptions()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    await this.#running
  }

  #subscribeOptions(): Promise<void> {
    this.#running = this.#trySubscribeOptions()
    return this.#running
  }

  async #trySubscribeOptions(): Promise<void> {
    const { master, marketTimeMs, calendar, subscribe } = this.#deps
    const index = master().index(SYMBOL)
    if (index === undefined) return
    const spot = await this.#spotOf(index)
    if (this.#isStopped) return
    if (spot !== undefined) subscribe(firstOptions(master(), spot, marketTimeMs(), calendar))
    else this.#retryLater()
  }

  /** A price of 0 is none. */
  async #spotOf(index: Instrument): Promise<number | undefined> {
    try {
      const spot = await this.#deps.lastPrice(index)
      return spot !== undefined && spot > 0 ? spot : undefined
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'Spot for the first subscriptions is not known yet')
      return undefined
    }
  }

  #retryLater(): void {
    const { clock, random } = this.#deps
    const delayMs = backoffDelayMs(BACKOFF, this.#attempt++, random)
    this.#cancelRetry = clock.after(delayMs, () => {
      void this.#subscribeOptions()
    })
  }
}
