/** A ticker's journal over HTTP, read from one place to another and not live, for verification. */
import type { JournalInfo } from '../contract/api/journal.ts'
import type { Position } from '../contract/journal-record.ts'
import { FrameDecoder, JournalStreamError } from '../contract/journal-stream.ts'
import type { ReadBatch } from './folder-journal.ts'
import { askInfo, openRequest, type TickerAddress } from './remote-journal.ts'

export class RemoteBatches {
  readonly producer: string
  readonly partitions: readonly number[]
  /** Of the ticker's start. */
  readonly epoch: number
  readonly #address: TickerAddress

  private constructor(address: TickerAddress, info: JournalInfo) {
    this.#address = address
    this.producer = info.producer
    this.partitions = info.partitions
    this.epoch = info.epoch
  }

  /** Rejects where nobody answers like a ticker. */
  static async open(address: TickerAddress, signal: AbortSignal): Promise<RemoteBatches> {
    return new RemoteBatches(address, await askInfo(address, signal))
  }

  /** As `FolderJournal.read`. Rejects with `JournalStreamError` where the ticker goes away. */
  async *read(
    partition: number,
    from: Position,
    to: Position,
  ): AsyncGenerator<ReadBatch, void, void> {
    const path = `journal/${partition}?from=${placeOf(from)}&to=${placeOf(to)}`
    const { signal } = new AbortController()
    const answer = await openRequest(this.#address, 'GET', path, signal)
    const decoder = new FrameDecoder()
    try {
      for await (const piece of answer) {
        for (const frame of decoder.push(piece as Uint8Array)) {
          if (frame.kind === 'end') return
          if (frame.kind === 'failed') throw new JournalStreamError(frame.message)
          if (frame.kind === 'batch') yield frame
        }
      }
      throw new JournalStreamError('the connection was cut')
    } finally {
      answer.destroy()
    }
  }
}

function placeOf({ epoch, sequence }: Position): string {
  return `${epoch}-${sequence}`
}
