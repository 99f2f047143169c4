/**
 * When the figures of open minutes are written: expiry metrics at most once a second, the
 * distribution every five seconds, and only of series that changed. The series take turns, so that no
 * commit carries many of them and keeps ticks waiting. Their final values come with the close of the
 * minute.
 */
import {
  DISTRIBUTION_PERIOD_MS,
  DISTRIBUTIONS_PER_COMMIT,
  METRICS_PER_COMMIT,
  METRICS_PERIOD_MS,
} from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { Instrument } from '../../market/instrument.ts'
import { instrumentKey } from '../../market/instrument.ts'
import type { Series } from '../../market/instrument-master.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { DistributionRow, ExpiryMetricsRow } from '../ports.ts'
import { distributionRows, metricsRow } from './chain-rows.ts'
import type { LiveChains } from './live-chains.ts'
import type { LiveChain } from './live-series.ts'

interface Written {
  readonly version: number
  /** Monotonic. */
  readonly atMs: number
}

const NEVER: Written = { version: -1, atMs: Number.NEGATIVE_INFINITY }

export class LiveMetrics {
  readonly #chains: LiveChains
  readonly #calendar: MarketCalendar
  readonly #isMine: (symbol: string) => boolean
  /** By series. */
  readonly #metrics = new Map<string, Written>()
  readonly #distribution = new Map<string, Written>()

  constructor(chains: LiveChains, calendar: MarketCalendar, isMine: (symbol: string) => boolean) {
    this.#chains = chains
    this.#calendar = calendar
    this.#isMine = isMine
  }

  takeMetrics(nowMs: number, marketMs: number | null): ExpiryMetricsRow[] {
    const chains = this.#take(this.#metrics, METRICS_PERIOD_MS, METRICS_PER_COMMIT, nowMs, marketMs)
    return chains.map((chain) => metricsRow(chain, null))
  }

  takeDistribution(nowMs: number, marketMs: number | null): DistributionRow[] {
    const previousOi = (instrument: Instrument) =>
      marketMs === null
        ? null
        : (this.#chains
            .quote(instrumentKey(instrument.exchange, instrument.tradingsymbol))
            ?.bars.previousOiAt(marketMs) ?? null)
    return this.#take(
      this.#distribution,
      DISTRIBUTION_PERIOD_MS,
      DISTRIBUTIONS_PER_COMMIT,
      nowMs,
      marketMs,
    ).flatMap((chain) => distributionRows(chain, previousOi))
  }

  /** Up to `most` chains that changed since they were written, those written longest ago first. */
  #take(
    written: Map<string, Written>,
    periodMs: number,
    most: number,
    nowMs: number,
    marketMs: number | null,
  ): LiveChain[] {
    if (marketMs === null) return []
    const openMinuteMs = floorToMinute(marketMs)
    const due = this.#chains
      .liveSeries()
      .map((series) => this.#turnOf(series, written))
      .filter(({ series, version, last }) => {
        const isDue = nowMs - last.atMs >= periodMs && version !== last.version
        return isDue && this.#isWritten(series, openMinuteMs)
      })
      .sort((a, b) => a.last.atMs - b.last.atMs)
    return due.slice(0, most).flatMap(({ series, key, version }) => {
      written.set(key, { version, atMs: nowMs })
      const chain = this.#chains.chain(series.symbol, series.expiry)
      if (chain === undefined || chain.minuteMs < openMinuteMs) return []
      // Without a bar in the minute its close may never be due, and what was written of it would stay.
      return this.#chains.hasBars(series.symbol, series.expiry, chain.minuteMs) ? [chain] : []
    })
  }

  #turnOf(series: Series, written: ReadonlyMap<string, Written>) {
    const { symbol, expiry } = series
    const key = `${symbol}|${expiry}`
    const version = this.#chains.seriesVersion(symbol, expiry)
    return { series, key, version, last: written.get(key) ?? NEVER }
  }

  /** Before the open and after the series' close there is no minute to write. */
  #isWritten({ symbol, segment, expiry }: Series, minuteMs: number): boolean {
    return (
      this.#isMine(symbol) &&
      this.#calendar.isOpen(segment, minuteMs) &&
      minuteMs < this.#calendar.expiryCloseMs(segment, expiry)
    )
  }
}
