/**
 * What the underlyings cost, for the window of strikes: the live quotes where they are fresh, else the
 * broker's, asked for through a ticker and only now and then. A price of 0 is none.
 */
import type { Log } from '../../kit/log.ts'
import { AUTO_QUOTE_AGE_MS, AUTO_QUOTE_TIMEOUT_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import { FRESH_QUOTE_MS } from '../../market/quote.ts'
import type { LiveChains } from '../chain/live-chains.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'
import { TickerError } from '../tickers/ticker-error.ts'
import { type AutoSettings, type UnderlyingPrices, underlyingInstruments } from './window.ts'

export interface MarketPricesDeps {
  readonly chains: Pick<LiveChains, 'master' | 'quote'>
  readonly tickers: Pick<TickerClient, 'quotes'>
  readonly calendar: MarketCalendar
  /** Monotonic, ms. */
  readonly elapsedMs: () => number
  readonly log: Pick<Log, 'warn'>
}

export class MarketPrices {
  readonly #deps: MarketPricesDeps
  /** By token: what the broker said last, and when that was. */
  readonly #asked = new Map<number, { readonly price: number; readonly atMs: number }>()
  /** By token: when the broker answered last, with a price or without. */
  readonly #answeredAtMs = new Map<number, number>()
  #fault: TickerError | undefined

  constructor(deps: MarketPricesDeps) {
    this.#deps = deps
  }

  /** Why the broker's prices could not be asked for the last time. */
  get fault(): TickerError | undefined {
    return this.#fault
  }

  /** By symbol; an underlying of which nothing is known is absent. Rejects where the caller gave up. */
  async known(
    settings: AutoSettings,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, UnderlyingPrices>> {
    const { master } = this.#deps.chains
    const listed = settings.underlyings.map((symbol) => ({
      symbol,
      instruments: underlyingInstruments(
        master,
        symbol,
        settings.expiries,
        nowMs,
        this.#deps.calendar,
      ),
    }))
    const missing = listed.filter(
      ({ instruments }) => pricesOf(instruments, this.#priceAt(nowMs)) === undefined,
    )
    if (missing.length > 0)
      await this.#ask(
        missing.flatMap(({ instruments }) => instruments),
        signal,
      )
    return new Map(
      listed.flatMap(({ symbol, instruments }) => {
        const prices = pricesOf(instruments, this.#priceAt(nowMs))
        return prices === undefined ? [] : [[symbol, prices] as const]
      }),
    )
  }

  #priceAt(nowMs: number): (instrument: Instrument) => number | undefined {
    return (instrument) => this.#live(instrument, nowMs) ?? this.#recent(instrument.token)
  }

  /** What a stored row says of yesterday is no price; what was the last of the session is one. */
  #live({ exchange, tradingsymbol, segment }: Instrument, nowMs: number): number | undefined {
    const quote = this.#deps.chains.quote(instrumentKey(exchange, tradingsymbol))
    if (quote === undefined || quote.receivedAtMs === null) return undefined
    const isFresh = nowMs - quote.quotedMs <= FRESH_QUOTE_MS
    if (!isFresh && this.#deps.calendar.isOpen(segment, nowMs)) return undefined
    return quote.lastPrice !== null && quote.lastPrice > 0 ? quote.lastPrice : undefined
  }

  #recent(token: number): number | undefined {
    const known = this.#asked.get(token)
    if (known === undefined) return undefined
    return this.#deps.elapsedMs() - known.atMs <= 2 * AUTO_QUOTE_AGE_MS ? known.price : undefined
  }

  /** A broker that does not answer changes nothing, and is asked again. */
  async #ask(instruments: readonly Instrument[], signal: AbortSignal): Promise<void> {
    const { tickers, elapsedMs, log } = this.#deps
    const answeredAtMs = (token: number) =>
      this.#answeredAtMs.get(token) ?? Number.NEGATIVE_INFINITY
    const tokens = instruments
      .map(({ token }) => token)
      .filter((token) => elapsedMs() - answeredAtMs(token) >= AUTO_QUOTE_AGE_MS)
    if (tokens.length === 0) return
    try {
      const options = {
        priority: 'new_subscription',
        timeoutMs: AUTO_QUOTE_TIMEOUT_MS,
        signal,
      } as const
      const { quotes } = await tickers.quotes(tokens, options)
      for (const token of tokens) this.#answeredAtMs.set(token, elapsedMs())
      for (const { instrument_token: token, ltp } of quotes) {
        if (ltp > 0) this.#asked.set(token, { price: ltp, atMs: elapsedMs() })
      }
      this.#fault = undefined
    } catch (err) {
      if (!(err instanceof TickerError)) throw err
      if (this.#fault === undefined) {
        log.warn({ err }, 'Prices for the window of strikes are not known yet')
      }
      this.#fault = err
    }
  }
}

/** The nearest future stands for an index that is not listed, as with a commodity. */
function pricesOf(
  instruments: readonly Instrument[],
  priceOf: (instrument: Instrument) => number | undefined,
): UnderlyingPrices | undefined {
  const [first] = instruments
  const spot = first && priceOf(first)
  if (spot === undefined) return undefined
  const futures = instruments.flatMap((each): [string, number][] => {
    const price = each.kind === 'future' ? priceOf(each) : undefined
    return price === undefined || each.expiry === null ? [] : [[each.expiry, price]]
  })
  return { spot, futures: new Map(futures) }
}
