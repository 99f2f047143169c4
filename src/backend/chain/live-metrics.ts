/**
 * When the figures of open minutes are written: expiry metrics at most four times a second, the
 * distribution every five seconds, and only of series that changed. Their final values come with
 * the close of the minute.
 */
import { DISTRIBUTION_PERIOD_MS, METRICS_PERIOD_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import { instrumentKey } from '../../market/instrument.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { DistributionRow, ExpiryMetricsRow } from '../ports.ts'
import { distributionRows, metricsRow } from './chain-rows.ts'
import type { LiveChain, LiveChains } from './live-chains.ts'

export class LiveMetrics {
  readonly #chains: LiveChains
  readonly #calendar: MarketCalendar
  readonly #isMine: (symbol: string) => boolean
  readonly #metricsWritten = new Map<string, number>()
  readonly #distributionWritten = new Map<string, number>()
  #metricsAtMs = Number.NEGATIVE_INFINITY
  #distributionAtMs = Number.NEGATIVE_INFINITY

  constructor(chains: LiveChains, calendar: MarketCalendar, isMine: (symbol: string) => boolean) {
    this.#chains = chains
    this.#calendar = calendar
    this.#isMine = isMine
  }

  takeMetrics(nowMs: number, marketMs: number | null): ExpiryMetricsRow[] {
    if (marketMs === null || nowMs - this.#metricsAtMs < METRICS_PERIOD_MS) return []
    this.#metricsAtMs = nowMs
    return this.#changed(this.#metricsWritten, marketMs).map((chain) => metricsRow(chain, null))
  }

  takeDistribution(nowMs: number, marketMs: number | null): DistributionRow[] {
    if (marketMs === null || nowMs - this.#distributionAtMs < DISTRIBUTION_PERIOD_MS) return []
    this.#distributionAtMs = nowMs
    const previousOi = (instrument: Instrument) =>
      this.#chains
        .quote(instrumentKey(instrument.exchange, instrument.tradingsymbol))
        ?.bars.previousOiAt(marketMs) ?? null
    return this.#changed(this.#distributionWritten, marketMs).flatMap((chain) =>
      distributionRows(chain, previousOi),
    )
  }

  /** Chains that changed since they were written, in the minute that is open now. */
  #changed(written: Map<string, number>, marketMs: number): LiveChain[] {
    const openMinuteMs = floorToMinute(marketMs)
    const changed: LiveChain[] = []
    for (const { symbol, expiry, segment } of this.#chains.liveSeries()) {
      if (!this.#isMine(symbol) || !this.#isOpen(segment, expiry, openMinuteMs)) continue
      const key = `${symbol}|${expiry}`
      const version = this.#chains.seriesVersion(symbol, expiry)
      if (written.get(key) === version) continue
      written.set(key, version)
      const chain = this.#chains.chain(symbol, expiry)
      if (chain === undefined || chain.minuteMs < openMinuteMs) continue
      if (chain.input.some(({ call, put }) => call !== null || put !== null)) changed.push(chain)
    }
    return changed
  }

  /** Before the open and after the series' close there is no minute to write. */
  #isOpen(segment: string, expiry: string, minuteMs: number): boolean {
    return (
      this.#calendar.isOpen(segment, minuteMs) &&
      minuteMs < this.#calendar.expiryCloseMs(segment, expiry)
    )
  }
}
