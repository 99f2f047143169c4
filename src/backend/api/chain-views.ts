/**
 * The live chains as they are served: presented, windowed and serialised once for everybody who asks.
 *
 * A chain changes with every tick, thousands of times a second, so it is made anew at most every
 * `API_CHAIN_REBUILD_MS`, and only when somebody asks; between, the last one is handed out as the same
 * object, by which the stream sees that nothing changed.
 */
import { API_CHAIN_REBUILD_MS, API_CHAIN_WINDOWS_KEPT, API_CHAINS_KEPT } from '../../limits.ts'
import { floorToMinute } from '../../market/ist.ts'
import type { LiveChain } from '../chain/live-series.ts'
import {
  chainAgeMs,
  type PresentedChain,
  presentChain,
  strikeDistribution,
  windowOf,
} from '../chain/present-chain.ts'
import { type MarketView, marketNowMs } from './series-lookup.ts'

interface Kept {
  readonly live: LiveChain
  readonly whole: PresentedChain
  /** By strikes each side; null = all. */
  readonly windows: Map<number | null, KeptWindow>
  /** The minute in which it was presented: what only time changes is no older. */
  readonly minuteMs: number
  checkedAtMs: number
}

interface KeptWindow {
  readonly presented: PresentedChain
  /** The answer without its opening brace and its age. */
  rest: Buffer | undefined
}

export class ChainViews {
  readonly #market: MarketView
  readonly #kept = new Map<string, Kept>()
  /** How many chains were presented; a test sees by it that none is made for nobody. */
  presented = 0

  constructor(market: MarketView) {
    this.#market = market
  }

  /** The chain as it stands; undefined where the series is not listed. */
  chain(symbol: string, expiry: string, eachSide: number | null): PresentedChain | undefined {
    return this.#window(symbol, expiry, eachSide)?.presented
  }

  /** The REST answer of the same, as JSON. */
  json(symbol: string, expiry: string, eachSide: number | null): Buffer | undefined {
    const window = this.#window(symbol, expiry, eachSide)
    if (window === undefined) return undefined
    window.rest ??= restOf(window.presented)
    const age = Buffer.from(`{"age_ms":${this.ageMs(window.presented)},`)
    return Buffer.concat([age, window.rest], age.length + window.rest.length)
  }

  ageMs(presented: PresentedChain): number | null {
    return chainAgeMs(presented, this.#market.feed, this.#market.clock.nowMs())
  }

  #window(symbol: string, expiry: string, eachSide: number | null): KeptWindow | undefined {
    const kept = this.#current(symbol, expiry)
    if (kept === undefined) return undefined
    let window = kept.windows.get(eachSide)
    if (window === undefined) {
      window = { presented: windowOf(kept.whole, eachSide), rest: undefined }
      makeRoom(kept.windows, API_CHAIN_WINDOWS_KEPT)
      kept.windows.set(eachSide, window)
    }
    return window
  }

  #current(symbol: string, expiry: string): Kept | undefined {
    const { chains, clock } = this.#market
    const key = `${symbol}|${expiry}`
    const kept = this.#kept.get(key)
    const nowMs = clock.elapsedMs()
    if (kept !== undefined && nowMs - kept.checkedAtMs < API_CHAIN_REBUILD_MS) return kept
    const live = chains.chain(symbol, expiry)
    const minuteMs = floorToMinute(marketNowMs(this.#market))
    if (kept?.live === live && kept?.minuteMs === minuteMs) {
      kept.checkedAtMs = nowMs
      return kept
    }
    this.#kept.delete(key)
    if (live === undefined) return undefined
    makeRoom(this.#kept, API_CHAINS_KEPT)
    const made: Kept = {
      live,
      whole: this.#present(live),
      windows: new Map(),
      minuteMs,
      checkedAtMs: nowMs,
    }
    this.#kept.set(key, made)
    return made
  }

  #present(live: LiveChain): PresentedChain {
    const { chains } = this.#market
    const { symbol, expiry } = live.series
    this.presented++
    const quotes = {
      quote: (key: string) => chains.quote(key),
      spot: chains.spot(symbol),
      future: chains.future(symbol, expiry),
      indiaVix: chains.spot('INDIAVIX'),
    }
    const nowMs = marketNowMs(this.#market)
    return presentChain(live, quotes, this.#market, chains.marketTimeMs, nowMs)
  }
}

function restOf(presented: PresentedChain): Buffer {
  const { age_ms: _, ...rest } = strikeDistribution(presented, null)
  return Buffer.from(JSON.stringify(rest).slice(1))
}

/** The one that was kept first goes. */
function makeRoom<Key>(kept: Map<Key, unknown>, cap: number): void {
  const first = kept.keys().next()
  if (kept.size >= cap && !first.done) kept.delete(first.value)
}
