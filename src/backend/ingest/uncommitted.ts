/** What the readers have folded and the committer has in no commit yet. */
import type { BatchHeader } from '../../contract/journal-record.ts'
import { UNCOMMITTED_RECORDS_MAX } from '../../limits.ts'
import type { DeadLetterRow } from '../ports.ts'
import type { Suspect } from './doubts.ts'
import type { IngestCounters } from './ingest-parts.ts'

export interface TakenRecords {
  readonly records: number
  /** Of the tick that was received first; null where there is none. */
  readonly oldestReceivedMs: number | null
  readonly deadLetters: readonly DeadLetterRow[]
}

export class Uncommitted {
  readonly #counters: IngestCounters
  readonly #deadLetters: DeadLetterRow[] = []
  #oldestReceivedMs: number | null = null
  #records = 0
  #isChanged = false
  suspect: Suspect | undefined

  constructor(counters: IngestCounters, suspect: Suspect | undefined) {
    this.#counters = counters
    this.suspect = suspect
  }

  get records(): number {
    return this.#records
  }

  /** Whether there is anything to commit. */
  get isChanged(): boolean {
    return this.#isChanged
  }

  /** True where a commit of the next record alone was refused. */
  get isNextRefused(): boolean {
    return this.suspect?.step === 0 && this.#records === 0
  }

  /** Counts one record; true where no more may be folded before a commit. */
  add(header: BatchHeader, sequence: number): boolean {
    const counters = this.#counters
    counters.records++
    this.#records++
    this.#isChanged = true
    if (this.#records > counters.uncommittedHighWater) counters.uncommittedHighWater = this.#records
    return this.#records >= this.#cap(header, sequence)
  }

  noteReceived(receivedAtMs: number): void {
    if (this.#oldestReceivedMs === null || receivedAtMs < this.#oldestReceivedMs) {
      this.#oldestReceivedMs = receivedAtMs
    }
  }

  /** The record that was looked for goes into the next commit as a dead letter. */
  setAside(deadLetter: DeadLetterRow): void {
    this.#deadLetters.push(deadLetter)
    this.suspect = undefined
  }

  take(): TakenRecords {
    const taken = {
      records: this.#records,
      oldestReceivedMs: this.#oldestReceivedMs,
      deadLetters: this.#deadLetters.splice(0),
    }
    this.#records = 0
    this.#isChanged = false
    this.#oldestReceivedMs = null
    return taken
  }

  /** While a refused record is looked for, commits hold few records; else as many as memory may. */
  #cap({ epoch }: BatchHeader, sequence: number): number {
    const { suspect } = this
    if (suspect === undefined) return UNCOMMITTED_RECORDS_MAX
    const { untilEpoch, untilSequence } = suspect
    const isPassed = epoch > untilEpoch || (epoch === untilEpoch && sequence > untilSequence)
    if (isPassed) this.suspect = undefined
    return isPassed ? UNCOMMITTED_RECORDS_MAX : suspect.step
  }
}
