/**
 * The writing half of a partition's session: commits what the readers have folded as often as the store
 * can take it, and lets candles and the finals of closed minutes have their turns in between.
 *
 *   build ─▶ (finals: once all is answered, one statement) ─▶ send ─┐
 *     ▲                                                             │
 *     └── while the store works on it, the next one is built ◀──────┘
 *
 * A commit is sent behind the one before it and takes effect only if that did. Candles and finals move
 * on from a position that is known to be stored: they wait for the answers. All of it goes through one
 * connection, in order: a read that is asked for after a commit was sent sees it.
 */
import type { Bell } from '../../kit/bell.ts'
import { pause } from '../../kit/pause.ts'
import {
  CANDLES_FOLLOW_WITHIN_MS,
  COMMITS_IN_FLIGHT,
  FINALS_APART_MS,
  OTHERS_REST_SHARE,
} from '../../limits.ts'
import { CandlesNotWrittenError } from '../candles/candle-writer.ts'
import type { WriteQueue, WriteTurn } from '../candles/write-queue.ts'
import type { DueMinute, PartitionStore, PreparedCommit, SourcePosition } from '../ports.ts'
import { buildCommit } from './build-commit.ts'
import { CommitPace } from './commit-pace.ts'
import { RefusedByStore, StartOver } from './doubts.ts'
import type { IngestParts } from './ingest-parts.ts'
import type { PartitionBooks } from './partition-books.ts'
import type { TakenRecords, Uncommitted } from './uncommitted.ts'

/** What the committer asks of the session whose other half it is. */
export interface CommitterSession {
  readonly store: PartitionStore
  readonly books: PartitionBooks
  readonly uncommitted: Uncommitted
  readonly writes: WriteQueue
  /** Rung with whatever may be news to the committer; it rings it for readers that wait for a commit. */
  readonly bell: Bell
  readonly failed: AbortSignal
  /** Nothing more will be folded. */
  readonly isFinished: boolean
  /** Every log has told its instruments: what is due of them can be written. */
  readonly isOpen: boolean
  /** Ticks wait for rows of the store. */
  readonly isLoading: boolean
  readonly onCommit: () => void
  fail(error: unknown): void
}

/** A commit that the store has not answered. */
interface InFlight {
  /** The position that it moves to. */
  readonly next: readonly SourcePosition[]
  readonly done: Promise<void>
}

export class Committer {
  readonly #parts: IngestParts
  readonly #session: CommitterSession
  /** What the store works on, and what is sent behind it. */
  readonly #inFlight: InFlight[] = []
  /** A commit is built and not sent yet. */
  #isBuilt = false
  readonly #pace = new CommitPace()
  readonly #turn: WriteTurn
  /** What ends the wait of a series' finals for candles: the timer that was set last. */
  readonly #holds = new Map<string, symbol>()
  /** The reading and computing of a minute's finals. */
  #planning: Promise<void> | undefined
  /** When finals were last written, monotonic. */
  #finalsAtMs = Number.NEGATIVE_INFINITY
  /** Neither candles nor finals are written. */
  #isResting = false
  /** Candles and finals take turns. */
  #isFinalsTurn = true

  constructor(parts: IngestParts, session: CommitterSession) {
    this.#parts = parts
    this.#session = session
    const { store, books } = session
    this.#turn = { store, books, chains: parts.chains, hold: (scope) => this.#hold(scope) }
  }

  /** Ends when the session has failed, or when all is committed that was folded until it finished. */
  async run(): Promise<void> {
    const { clock } = this.#parts
    const { uncommitted, bell, failed } = this.#session
    while (!failed.aborted) {
      const [first] = this.#inFlight
      const last = this.#inFlight.at(-1)
      if (last !== undefined && !this.#mayBuildAhead) {
        await last.done
        // Live commits go first: others only get a turn between two of them.
        if (!failed.aborted) await this.#writeOther()
      } else if (first !== undefined && this.#inFlight.length >= COMMITS_IN_FLIGHT) {
        await first.done
      } else if (!uncommitted.isChanged && last !== undefined) {
        const { done } = last
        await (this.#session.isFinished ? done : Promise.race([bell.heard(), done]))
      } else if (!uncommitted.isChanged) {
        if (this.#session.isFinished) break
        const { rings } = bell
        // Whatever came while this looked for something to write has called in vain.
        if (!(await this.#writeOther()) && rings === bell.rings) await this.#untilNews()
      } else {
        const waitMs = this.#session.isFinished ? 0 : this.#tooEarlyByMs
        if (waitMs <= 0) await this.#commit()
        else if (last !== undefined) {
          await Promise.race([pause(clock, waitMs, failed), last.done])
        } else if (!(await this.#writeOther())) {
          // While changes gather for the next commit others go on; they need no pause.
          await pause(clock, waitMs, failed)
        }
      }
    }
    await this.#planning
  }

  async #untilNews(): Promise<void> {
    const { failed, isFinished, bell } = this.#session
    if (!failed.aborted && !isFinished) await bell.heard()
  }

  /**
   * Not while a refused record is looked for: then commits are counted record by record. Nor beside
   * candles: they decide which rows packets are written into.
   */
  get #mayBuildAhead(): boolean {
    return (
      this.#session.uncommitted.suspect === undefined && this.#session.writes.first === undefined
    )
  }

  get #tooEarlyByMs(): number {
    const { changedBars } = this.#session.books
    return this.#pace.tooEarlyByMs(this.#parts.clock.elapsedMs(), changedBars.size)
  }

  /** Builds a commit and hands it to the store, behind the one that it works on. */
  async #commit(): Promise<void> {
    const { clock } = this.#parts
    const { books, failed, uncommitted } = this.#session
    const beganAtMs = clock.elapsedMs()
    const taken = uncommitted.take()
    const instruments = books.changedBars.size
    // What is with the store may go: whoever reads it again on this connection comes behind it.
    books.forgetOld()
    this.#isBuilt = true
    const { next, preparing } = this.#prepare(taken)
    this.#pace.built(beganAtMs, clock.elapsedMs(), instruments)
    const [prepared] = await Promise.allSettled([preparing])
    const before = this.#inFlight.at(-1)
    if (before !== undefined && (prepared.status === 'rejected' || this.#isFinalsTurnUnderLoad)) {
      // What is refused before it is sent is told after the commit before it has come to its end.
      await before.done
      if (!failed.aborted) await this.#writeFinals()
    }
    if (failed.aborted) return
    const send = await preparing
    const expected = this.#inFlight.at(-1)?.next ?? books.expected
    this.#pace.sent(clock.elapsedMs(), instruments)
    const done = this.#send(send, expected, next, taken).catch((error) => this.#session.fail(error))
    this.#inFlight.push({ next, done })
    this.#isBuilt = false
    this.#planNext()
  }

  /** Its rows are gone when this returns: some megabytes that would else outlive the next ticks. */
  #prepare({ deadLetters, records }: TakenRecords): {
    next: readonly SourcePosition[]
    preparing: Promise<PreparedCommit>
  } {
    const { chains, clock, metrics } = this.#parts
    const { books, store } = this.#session
    const commit = buildCommit(books, chains, metrics, deadLetters, clock, store.takesUpdates)
    const { next } = commit
    return { next, preparing: this.#guarded(async () => store.prepare(commit), next, records) }
  }

  async #send(
    send: PreparedCommit,
    expected: readonly SourcePosition[],
    next: readonly SourcePosition[],
    { records, oldestReceivedMs }: TakenRecords,
  ): Promise<void> {
    const { clock, counters, commitLatency, onCommitted } = this.#parts
    const { books, bell, onCommit } = this.#session
    const result = await this.#guarded(() => send(expected), next, records)
    if (result === 'superseded') throw new StartOver('the stored position is not ours')
    this.#inFlight.shift()
    this.#pace.answered(clock.elapsedMs())
    books.committed(next)
    counters.commits++
    if (oldestReceivedMs !== null) commitLatency.record(clock.nowMs() - oldestReceivedMs)
    onCommit()
    onCommitted(books)
    bell.ring()
  }

  /** One statement beside the live commits, of candles or of finals; false where there is none. */
  async #writeOther(): Promise<boolean> {
    if (!this.#mayWriteOther) return false
    const { clock } = this.#parts
    const beganAtMs = clock.elapsedMs()
    const isWritten = await this.#writeOtherInTurn()
    this.#restSince(beganAtMs)
    return isWritten
  }

  /**
   * Where commits follow one another without a pause finals would else never have a turn. Each one empties
   * the pipeline, so that with every commit they would hold up the ticks of some seconds of each minute.
   */
  get #isFinalsTurnUnderLoad(): boolean {
    const { books } = this.#session
    const { clock, minuteClose } = this.#parts
    if (clock.elapsedMs() - this.#finalsAtMs < FINALS_APART_MS) return false
    const due = books.nextDue()
    return due !== undefined && minuteClose.isPlanned(books, due)
  }

  async #writeFinals(): Promise<void> {
    if (this.#mayWriteOther) await this.#finaliseSome()
  }

  get #mayWriteOther(): boolean {
    const { isOpen, isLoading } = this.#session
    return isOpen && !isLoading && !this.#isResting
  }

  /** Where ticks waited for rows meanwhile, nothing stands in their way for a while. */
  #restSince(beganAtMs: number): void {
    if (!this.#session.isLoading) return
    const { clock } = this.#parts
    this.#isResting = true
    const ms = OTHERS_REST_SHARE * (clock.elapsedMs() - beganAtMs)
    void pause(clock, ms, this.#session.failed).then(() => {
      this.#isResting = false
      this.#session.bell.ring()
    })
  }

  async #writeOtherInTurn(): Promise<boolean> {
    this.#isFinalsTurn = !this.#isFinalsTurn
    return this.#isFinalsTurn
      ? (await this.#finaliseSome()) || (await this.#writeCandles())
      : (await this.#writeCandles()) || (await this.#finaliseSome())
  }

  /** Writes one statement's worth of what waits beside the log. */
  async #writeCandles(): Promise<boolean> {
    const { counters, stores, log } = this.#parts
    const { writes } = this.#session
    const write = writes.first
    if (write === undefined) return false
    const [step] = await Promise.allSettled([write.step(this.#turn)])
    if (step.status === 'rejected') {
      if (stores.classify(step.reason) !== 'data') throw step.reason
      log.error({ err: step.reason }, 'candles refused by the store')
      counters.refusedCandles++
      writes.shift()
      const cause = { cause: step.reason }
      write.fail(new CandlesNotWrittenError('refused', 'the store refuses the candles', cause))
      return true
    }
    if (step.value === 'superseded') throw new StartOver('the stored position is not ours')
    if (step.value === 'later') {
      writes.postpone()
      return false
    }
    counters.candleStatements++
    if (step.value === 'done') writes.shift()
    return true
  }

  #hold(scope: { readonly symbol: string; readonly expiry: string | null }): void {
    const { books, bell, failed } = this.#session
    const key = `${scope.symbol}|${scope.expiry ?? ''}`
    // Not by the clock: a timer may come a moment before its time.
    const timer = Symbol(key)
    this.#holds.set(key, timer)
    books.due.hold(scope)
    void pause(this.#parts.clock, CANDLES_FOLLOW_WITHIN_MS, failed).then(() => {
      if (this.#holds.get(key) !== timer) return
      books.due.release(scope)
      bell.ring()
    })
  }

  /** Writes one statement's worth of final values; false where none is ready. */
  async #finaliseSome(): Promise<boolean> {
    const { minuteClose, counters } = this.#parts
    const { store, books } = this.#session
    const due = books.nextDue()
    if (due === undefined) return false
    if (!minuteClose.isPlanned(books, due)) {
      this.#planNext()
      return false
    }
    const [step] = await Promise.allSettled([minuteClose.step(store, books, due)])
    if (step.status === 'rejected') {
      this.#refuseFinals(due, step.reason)
      return true
    }
    counters.finalStatements++
    this.#finalsAtMs = this.#parts.clock.elapsedMs()
    if (step.value === 'superseded') throw new StartOver('the stored position is not ours')
    this.#planNext()
    return true
  }

  /**
   * Reads and computes the next final values beside the live commits. It begins only where nothing that
   * is built waits to be sent: then all that made the minute due is before its reads. What makes it due
   * again meanwhile lets the plan lapse.
   */
  #planNext(): void {
    const { minuteClose } = this.#parts
    const { store, books, bell } = this.#session
    if (this.#planning !== undefined || this.#isBuilt || !this.#mayWriteOther) return
    const due = books.nextDue()
    if (due === undefined || minuteClose.isPlanned(books, due)) return
    this.#planning = minuteClose
      .plan(store, books, due)
      .catch((error) => this.#refuseFinals(due, error))
      .catch((error) => this.#session.fail(error))
      .finally(() => {
        this.#planning = undefined
        bell.ring()
      })
  }

  /** Throws what is no fault of the figures. */
  #refuseFinals(due: DueMinute, error: unknown): void {
    const { counters, stores, log } = this.#parts
    if (stores.classify(error) !== 'data') throw error
    // It stays in the stored queue and is tried again after the next start.
    log.error({ err: error, due }, 'final values refused by the store')
    counters.refusedFinals++
    this.#session.books.due.settle(due)
  }

  async #guarded<T>(
    write: () => Promise<T>,
    next: readonly SourcePosition[],
    records: number,
  ): Promise<T> {
    try {
      return await write()
    } catch (error) {
      if (this.#parts.stores.classify(error) !== 'data') throw error
      const { suspect } = this.#session.uncommitted
      const until = next[0]?.position ?? { epoch: 0, sequence: 0 }
      throw new RefusedByStore({
        step: records <= 1 ? 0 : Math.max(1, Math.floor(records / 2)),
        untilEpoch: suspect?.untilEpoch ?? until.epoch,
        untilSequence: suspect?.untilSequence ?? until.sequence,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
}
