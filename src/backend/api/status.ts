/** `GET /status`, `/health`, `/ready` and the stream's health: one view of all parts. */
import type {
  BackendStatus,
  EventsStatus,
  IngestStatus,
  LedgerTotals,
  UnderlyingStatus,
} from '../../contract/api/backend-status.ts'
import { calendarStatus } from '../../contract/api/calendar-status.ts'
import type { Health } from '../../contract/api/health.ts'
import type { HealthMessage } from '../../contract/api/stream.ts'
import type { Log } from '../../kit/log.ts'
import {
  API_LOOKBACK_DAYS,
  API_NAMES_SHOWN,
  API_PROBE_PERIOD_MS,
  API_PROBE_TIMEOUT_MS,
} from '../../limits.ts'
import { DAY_MS, formatIst, istDate, startOfDateMs } from '../../market/ist.ts'
import { instantOf } from '../chain/present-chain.ts'
import type { BackendReads, LedgerSums, SourcePosition, TableNewest } from '../ports.ts'
import { checkHealth, checkReady, healthMessage, type SeenParts } from './health-checks.ts'
import type { IngestView, LogHead, WriterView } from './ingest-view.ts'
import { LogProgress } from './log-progress.ts'
import { type MarketView, marketNowMs, seriesToCome } from './series-lookup.ts'
import type { Probed, StatusProbe } from './status-probe.ts'
import { within } from './within.ts'

export interface BusStatus {
  readonly kind: 'none' | 'redis'
  readonly status: 'up' | 'down'
  readonly error: string | null
}

export interface StatusSources {
  readonly market: MarketView
  readonly ingest: IngestView
  /** Of each writer, in their order. */
  readonly ownPartitions: readonly number[]
  /** Undefined where the log is another process's: then it is what the ticker told last. */
  readonly logHead: LogHead | undefined
  readonly reads: BackendReads
  readonly probe: StatusProbe
  readonly bus: () => BusStatus
  readonly events: () => EventsStatus
  readonly version: string
  readonly tickSource: 'log' | 'pubsub'
  readonly defaultSymbol: string
  readonly streamClients: () => number
  readonly log: Pick<Log, 'warn'>
}

/** The newest market time that is committed, of all partitions. */
export interface CommittedTime {
  readonly marketTimeMs: number | null
  readonly ageMs: number | null
}

interface Books {
  readonly ledger: LedgerSums
  readonly newest: readonly TableNewest[]
  readonly deadLetters: number
}

/** Commits that are this far behind the log's head are a catch-up, not a moment's work. */
const CATCHING_UP_RECORDS = 5_000

export class Status {
  readonly #from: StatusSources
  readonly #startedAtMs: number
  readonly #progress: LogProgress
  #books: Books | undefined
  #booksAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<Books> | undefined

  constructor(from: StatusSources) {
    this.#from = from
    this.#startedAtMs = from.market.clock.nowMs()
    this.#progress = new LogProgress(from.ingest, from.market.feed)
  }

  /** Once a second, whether anybody asks or not: how long the log stands cannot be seen afterwards. */
  look(): void {
    this.#progress.look(this.#from.market.clock.nowMs())
  }

  async health(): Promise<Health> {
    const probed = await this.#from.probe.refresh()
    return checkHealth(this.#parts(probed))
  }

  async ready(): Promise<Health> {
    const probed = await this.#from.probe.refresh()
    return checkReady(this.#parts(probed))
  }

  /** What the stream says, from what was seen last; asks anew for the next time. */
  said(): Omit<HealthMessage, 'op' | 'id' | 'channel' | 'stream_epoch' | 'sequence'> {
    const { market, probe } = this.#from
    const nowMs = market.clock.nowMs()
    // Never rejects; the answer is read at the next call.
    void probe.refresh()
    const parts = this.#parts(probe.last)
    const health = checkHealth(parts)
    const { marketTimeMs, ageMs } = this.committedTime()
    return {
      at: formatIst(nowMs),
      feed: market.feed,
      status: health.status,
      message: healthMessage(health),
      market_time: instantOf(marketTimeMs),
      market_time_age_ms: ageMs,
      calendar: calendarStatus(market.calendar, market.calendarMode, marketNowMs(market)),
      gaps_open: parts.gapsOpen,
    }
  }

  committedTime(): CommittedTime {
    const nowMs = this.#from.market.clock.nowMs()
    let newest: CommittedTime = { marketTimeMs: null, ageMs: null }
    this.#eachSource((source, writer) => {
      if (source.marketTimeMs === null || source.marketTimeMs <= (newest.marketTimeMs ?? 0)) return
      const ageMs = this.#progress.ageMs(writer, source, nowMs)
      newest = { marketTimeMs: source.marketTimeMs, ageMs }
    })
    return newest
  }

  /** Gaps that are open, as stored; before the store was asked, as the writers know them. */
  gapsOpen(): number {
    const stored = this.#from.probe.last?.gaps?.open
    const known = this.#from.ingest.writers.map(({ books }) => books?.gaps.openCount ?? 0)
    return stored ?? Math.max(0, ...known)
  }

  /** Today's books, read anew where that is due; undefined where the store never told them. */
  async refreshLedger(): Promise<LedgerTotals | undefined> {
    const books = await this.#readBooks()
    return books && ledgerTotals(books.ledger)
  }

  async status(): Promise<BackendStatus> {
    const { market, probe, bus, events, version, tickSource, defaultSymbol, streamClients } =
      this.#from
    const [probed, books] = await Promise.all([probe.refresh(), this.#readBooks()])
    const nowMs = market.clock.nowMs()
    const gaps = probed.gaps
    return {
      service: 'backend',
      version,
      status: checkHealth(this.#parts(probed)).status,
      started_at: formatIst(this.#startedAtMs),
      now: formatIst(nowMs),
      feed: market.feed,
      tick_source: tickSource,
      default_symbol: defaultSymbol,
      underlyings: this.#underlyings(),
      calendar: calendarStatus(market.calendar, market.calendarMode, marketNowMs(market)),
      ingest: this.#ingestStatus(nowMs),
      store: {
        kind: probed.description?.kind ?? 'postgresql',
        version: probed.description?.version ?? null,
        rebuilt_because: probed.description?.rebuiltBecause ?? null,
        ...probed.store,
      },
      bus: bus(),
      events: events(),
      tickers: [...probed.tickers],
      latency: this.#latency(),
      ledger: ledgerTotals(books?.ledger),
      gaps: {
        open: this.gapsOpen(),
        unrepaired: gaps?.closed ?? 0,
        unrepairable: gaps?.unrepairable ?? 0,
        oldest_open_from: instantOf(gaps?.oldestOpenFromMs ?? null),
      },
      freshness: (books?.newest ?? []).map(({ table, symbol, newestMs }) => ({
        table,
        symbol,
        newest: instantOf(newestMs),
        age_ms: newestMs === null ? null : Math.max(0, marketNowMs(market) - newestMs),
      })),
      dead_letters: books?.deadLetters ?? this.#from.ingest.counters.deadLetters,
      stream_clients: streamClients(),
    }
  }

  #parts(probed: Probed | undefined): SeenParts {
    const { market, ownPartitions, ingest, bus } = this.#from
    const nowMs = market.clock.nowMs()
    return {
      store: probed?.store,
      rebuiltBecause: probed?.description?.rebuiltBecause ?? null,
      tickers: probed?.tickers ?? [],
      bus: bus(),
      sessionOpen: market.calendar.isOpen('NFO', marketNowMs(market)),
      gapsOpen: this.gapsOpen(),
      writers: ingest.writers.map(({ books, storeError }, writer) => ({
        partition: ownPartitions[writer] ?? writer,
        isLoaded: books !== undefined,
        storeError,
        ageMs: this.#oldestAge(books?.expected ?? [], writer, nowMs),
      })),
    }
  }

  #oldestAge(sources: readonly SourcePosition[], writer: number, nowMs: number): number | null {
    const ages = sources.map((source) => this.#progress.ageMs(writer, source, nowMs))
    return ages.length === 0 || ages.includes(null)
      ? null
      : Math.max(...ages.map((age) => age ?? 0))
  }

  #underlyings(): UnderlyingStatus[] {
    const { market } = this.#from
    const { master } = market.chains
    const active = this.#activeBySymbol()
    return master.derivativeSymbols.map((symbol) => ({
      symbol,
      tradingsymbol: master.index(symbol)?.tradingsymbol ?? null,
      expiries: seriesToCome(market, symbol).length,
      instruments_active: active.get(symbol) ?? 0,
    }))
  }

  #activeBySymbol(): Map<string, number> {
    const active = new Map<string, number>()
    for (const { bars } of this.#from.market.chains.quotes()) {
      if (bars.coverage.current === undefined) continue
      const { symbol } = bars.instrument
      active.set(symbol, (active.get(symbol) ?? 0) + 1)
    }
    return active
  }

  #ingestStatus(nowMs: number): IngestStatus[] {
    const { ingest, ownPartitions, probe } = this.#from
    const logHead = this.#from.logHead ?? probe.last?.logHead
    return ingest.writers.flatMap((writer, index) =>
      (writer.books?.expected ?? []).map((source) => {
        const partition = ownPartitions[index] ?? index
        const { producer, generation, position, marketTimeMs } = source
        const head = logHead?.(producer, partition)
        const lag =
          head?.epoch === position.epoch ? Math.max(0, head.sequence - position.sequence) : null
        const ageMs = this.#progress.ageMs(index, source, nowMs)
        return {
          producer,
          partition,
          state: stateOf(writer, lag),
          epoch: position.epoch,
          sequence: position.sequence,
          generation,
          market_time: instantOf(marketTimeMs),
          age_ms: ageMs,
          lag_records: lag,
          lag_ms: lag === 0 ? 0 : lag === null ? null : ageMs,
          last_commit_at: instantOf(this.#progress.committedAtMs(index, source)),
          error: writer.storeError,
        }
      }),
    )
  }

  #latency(): BackendStatus['latency'] {
    const { count, p50Ms, p99Ms, maxMs } = this.#from.ingest.commitLatency.recent()
    return [{ hop: 'received_to_committed', count, p50_ms: p50Ms, p99_ms: p99Ms, max_ms: maxMs }]
  }

  #eachSource(visit: (source: SourcePosition, writer: number) => void): void {
    this.#from.ingest.writers.forEach((writer, index) => {
      for (const source of writer.books?.expected ?? []) visit(source, index)
    })
  }

  /** As read last where the store does not answer in time; undefined before the first time. */
  async #readBooks(): Promise<Books | undefined> {
    const { clock } = this.#from.market
    const isFresh = clock.elapsedMs() - this.#booksAtMs < API_PROBE_PERIOD_MS
    if (isFresh) return this.#books
    // One that is late goes on and is what the next status waits for.
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    try {
      const late = () => new Error('the ledgers were not read in time')
      return await within(clock, API_PROBE_TIMEOUT_MS, this.#reading, late)
    } catch (err) {
      this.#from.log.warn({ err }, 'the status is told without new ledgers')
      return this.#books
    }
  }

  async #read(): Promise<Books> {
    const { reads, market } = this.#from
    const nowMs = marketNowMs(market)
    const symbols = this.#symbolsShown()
    const { master } = market.chains
    const indices = [...symbols, 'INDIAVIX'].flatMap(
      (symbol) => master.index(symbol)?.tradingsymbol ?? [],
    )
    const ledger = await reads.ledgerSums(startOfDateMs(istDate(nowMs)))
    const newest = await reads.newestRows(indices, symbols, nowMs - API_LOOKBACK_DAYS * DAY_MS)
    const deadLetters = await reads.deadLetters()
    this.#books = { ledger, newest, deadLetters }
    this.#booksAtMs = market.clock.elapsedMs()
    return this.#books
  }

  /** What is streamed; while nothing is, the indices. */
  #symbolsShown(): string[] {
    const { master } = this.#from.market.chains
    const active = this.#activeBySymbol()
    const streamed = master.derivativeSymbols.filter((symbol) => active.has(symbol))
    const indices = master.derivativeSymbols.filter((symbol) => master.index(symbol) !== undefined)
    return (streamed.length > 0 ? streamed : indices).slice(0, API_NAMES_SHOWN)
  }
}

function stateOf({ books, storeError }: WriterView, lag: number | null): IngestStatus['state'] {
  if (storeError !== null) return 'blocked'
  if (books === undefined) return 'starting'
  return lag !== null && lag > CATCHING_UP_RECORDS ? 'catching_up' : 'live'
}

function ledgerTotals(sums: LedgerSums | undefined): LedgerTotals {
  const { sinceMs, notFolded, ...counts } = sums ?? NOTHING_BOOKED
  const { received, rejected, dropped, journaled, folded, lost } = counts
  const elsewhere = Object.values(notFolded).reduce((sum, count) => sum + count, 0)
  return {
    since: instantOf(sinceMs),
    received,
    rejected,
    dropped,
    journaled,
    folded,
    not_folded: { ...notFolded },
    lost,
    balanced:
      received === journaled + rejected + dropped && journaled === folded + elsewhere + lost,
  }
}

const NOTHING_BOOKED: LedgerSums = {
  sinceMs: null,
  received: 0,
  rejected: 0,
  dropped: 0,
  journaled: 0,
  folded: 0,
  lost: 0,
  notFolded: {},
}
