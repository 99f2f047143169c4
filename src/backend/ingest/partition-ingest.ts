/**
 * The writer of one partition: reads the log of every producer from the committed position, folds,
 * and commits what changed together with the new position, as often as the store can take it.
 *
 *   claim ─▶ load ─▶ tail ─▶ fold ─▶ commit ─▶ finals of closed minutes ─┐
 *     ▲                       ▲__________________________________________│
 *     └── any doubt (lost connection, refused row, foreign position): forget all memory, begin again
 */
import { pause } from '../../kit/pause.ts'
import { STORE_RETRY_FIRST_MS, STORE_RETRY_MAX_MS } from '../../limits.ts'
import { DAY_MS } from '../../market/ist.ts'
import { WriteQueue } from '../candles/write-queue.ts'
import type { PartitionStore, SourcePosition, TickLog } from '../ports.ts'
import { AnotherLog, RefusedByStore, StartOver, SupersededError, type Suspect } from './doubts.ts'
import type { IngestParts } from './ingest-parts.ts'
import { IngestSession } from './ingest-session.ts'
import { PartitionBooks } from './partition-books.ts'

export class PartitionIngest {
  readonly #parts: IngestParts
  readonly #stopping = new AbortController()
  readonly #generations = new Map<string, number>()
  #suspect: Suspect | undefined
  #books: PartitionBooks | undefined
  #done: Promise<void> | undefined
  #storeError: string | null = null
  /** What is to be written beside the log: candles and snapshots. */
  readonly writes = new WriteQueue()

  constructor(parts: IngestParts) {
    this.#parts = parts
  }

  /** Runs until stopped; rejects only when the partition was taken over or the program is wrong. */
  start(): Promise<void> {
    this.#done ??= this.#run().finally(() => this.writes.end())
    return this.#done
  }

  /** Commits what is folded and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled([this.#done])
  }

  get books(): PartitionBooks | undefined {
    return this.#books
  }

  /** Why nothing is being committed now; null while all is well. */
  get storeError(): string | null {
    return this.#storeError
  }

  async #run(): Promise<void> {
    let pauseMs = STORE_RETRY_FIRST_MS
    for (;;) {
      await this.#firstLog()
      if (this.#stopping.signal.aborted) return
      try {
        await this.#session(() => {
          pauseMs = STORE_RETRY_FIRST_MS
          this.#storeError = null
        })
      } catch (error) {
        if (error instanceof AnotherLog) continue
        if (error instanceof SupersededError) throw error
        if (!this.#isCurable(error)) throw error
        this.#parts.counters.restarts++
        this.#storeError = error instanceof Error ? error.message : String(error)
        this.#parts.log.warn(
          { err: error, partition: this.#parts.partition },
          'ingest begins again from the store',
        )
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, STORE_RETRY_MAX_MS)
      }
    }
  }

  /** Resolves when there is something to read, or the stop. */
  #firstLog(): Promise<void> {
    const { logs } = this.#parts
    const { signal } = this.#stopping
    return new Promise((resolve) => {
      if (logs.current.length > 0 || signal.aborted) return resolve()
      const done = () => {
        stopListening()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const stopListening = logs.onAdded(done)
      signal.addEventListener('abort', done)
    })
  }

  #isCurable(error: unknown): boolean {
    if (error instanceof StartOver) return true
    return this.#parts.stores.classify(error) === 'connection'
  }

  /** One life of the memory: from a claim or a re-read position to the first doubt, or the stop. */
  async #session(onCommit: () => void): Promise<void> {
    const { stores, partition, consumer, log } = this.#parts
    const logs = this.#parts.logs.current
    const store = await stores.openPartition(partition)
    let stopListening = () => {}
    try {
      const sources = await this.#claim(store, logs)
      const books = await this.#load(store, sources)
      this.#books = books
      const session = new IngestSession(this.#parts, {
        ...{ logs, store, books, writes: this.writes, suspect: this.#suspect },
        onCommit: () => {
          onCommit()
          for (const { producer, position } of books.expected) {
            logs.find((l) => l.producer === producer)?.committed(consumer, partition, position)
          }
        },
      })
      const onAdded = () => session.fail(new AnotherLog('another ticker was found'))
      stopListening = this.#parts.logs.onAdded(onAdded)
      if (this.#parts.logs.current.length > logs.length) onAdded()
      log.info({ partition, positions: sources.map((s) => s.position) }, 'ingest started')
      await session.run(this.#stopping.signal)
      this.#suspect = session.uncommitted.suspect
    } catch (error) {
      if (error instanceof RefusedByStore) {
        this.#suspect = error.suspect
        throw new StartOver(`the store refused a row: ${error.suspect.reason}`)
      }
      throw error
    } finally {
      stopListening()
      await store.close()
    }
  }

  /** Claims what this process has not claimed before, and checks that the rest is still its own. */
  async #claim(
    store: PartitionStore,
    logs: readonly TickLog[],
  ): Promise<readonly SourcePosition[]> {
    const producers = logs.map((l) => l.producer)
    const held = producers.filter((producer) => this.#generations.has(producer))
    const fresh = producers.filter((producer) => !this.#generations.has(producer))
    const known = held.length === 0 ? [] : await store.positions(held)
    for (const { producer, generation } of known) {
      if (generation !== this.#generations.get(producer)) {
        throw new SupersededError(supersededMessage(this.#parts, generation))
      }
    }
    const { sources: claimed } = fresh.length === 0 ? { sources: [] } : await store.claim(fresh)
    for (const { producer, generation } of claimed) this.#generations.set(producer, generation)
    return [...known, ...claimed]
  }

  async #load(store: PartitionStore, sources: readonly SourcePosition[]): Promise<PartitionBooks> {
    const { partition, sessionOf, chains, isMine } = this.#parts
    const marketMs = Math.min(...sources.map((s) => s.marketTimeMs ?? 0))
    const sinceMs = marketMs - DAY_MS
    const [coverage, openGaps, due] = [
      await store.loadCoverage(sinceMs),
      await store.loadOpenGaps(),
      (await store.loadDue()).filter(({ symbol }) => isMine(symbol)),
    ]
    const ledger = []
    for (const { producer } of sources) ledger.push(...(await store.loadLedger(producer, sinceMs)))
    chains.reset(partition)
    const atMostOnce = this.#atMostOnce()
    const state = {
      ...{ partition, sources, coverage, coverageFromMs: sinceMs },
      ...{ openGaps, ledger, due, atMostOnce },
    }
    const books = new PartitionBooks(state, sessionOf, chains)
    for (const { exchange, tradingsymbol } of coverage) {
      const instrument = chains.master.byKey(exchange, tradingsymbol)
      if (instrument && isMine(instrument.symbol)) books.know(instrument)
    }
    return books
  }

  #atMostOnce(): Set<string> {
    const logs = this.#parts.logs.current.filter(({ isAtMostOnce }) => isAtMostOnce === true)
    return new Set(logs.map(({ producer }) => producer))
  }

  #pause(ms: number): Promise<void> {
    return pause(this.#parts.clock, ms, this.#stopping.signal)
  }
}

/** Says also what becomes of the partitions that nobody has taken over. */
function supersededMessage(
  { partition, otherPartitions }: IngestParts,
  generation: number,
): string {
  const taken = `another backend writes partition ${partition} (generation ${generation})`
  if (otherPartitions.length === 0) return taken
  const rest = otherPartitions.join(',')
  return `${taken}; the log keeps partition ${rest} for a backend that is started with BACKEND_PARTITIONS=${rest}`
}
