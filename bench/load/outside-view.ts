/**
 * Received → committed as somebody outside the program sees it: the position in the store is asked
 * for again and again, and the journal tells afterwards when each tick up to it had been received.
 * A tick became visible between two questions, so there is a longest and a shortest time it can have
 * taken; nothing that the program says of itself is used.
 */
import type pg from 'pg'
import { forEachRecord } from '../../src/contract/journal-batch.ts'
import { readAll } from '../../src/journal/read-all.ts'
import { LatencyHistogram, type LatencySummary } from '../../src/kit/latency-histogram.ts'

interface Look {
  /** Wall clock before the question and after the answer, epoch ms. */
  readonly askedAtMs: number
  readonly answeredAtMs: number
  readonly sequence: number
}

export interface OutsideFigures {
  /** What it took at the longest, and at the shortest. */
  readonly longest: LatencySummary
  readonly shortest: LatencySummary
  readonly ticks: number
}

const POSITION = {
  name: 'position',
  text: 'SELECT epoch::float8 AS epoch, sequence::float8 AS sequence FROM stream_offsets',
}

export class OutsideView {
  readonly #client: pg.Client
  readonly #periodMs: number
  readonly #looks: Look[] = []
  #isLooking = true
  readonly #looking: Promise<void>

  /** Looks every `periodMs` until `stop`. */
  constructor(client: pg.Client, periodMs: number) {
    this.#client = client
    this.#periodMs = periodMs
    this.#looking = this.#look()
  }

  async stop(): Promise<void> {
    this.#isLooking = false
    await this.#looking
  }

  /**
   * Of the ticks that were received while it looked.
   *
   * @param journal folder of the journals of all producers, no longer written
   */
  async figures(journal: string): Promise<OutsideFigures> {
    const [longest, shortest] = [new LatencyHistogram(), new LatencyHistogram()]
    const fromMs = this.#looks[0]?.answeredAtMs ?? 0
    const toMs = this.#looks.at(-1)?.askedAtMs ?? 0
    let at = 0
    const seen = (receivedAtMs: number, sequence: number) => {
      if (receivedAtMs < fromMs || receivedAtMs > toMs) return
      while ((this.#looks[at]?.sequence ?? Number.POSITIVE_INFINITY) < sequence) at++
      const [before, after] = [this.#looks[at - 1], this.#looks[at]]
      // Not committed when it was last looked: as long as that it took at the least.
      const untilMs = after?.answeredAtMs ?? toMs
      longest.record(untilMs - receivedAtMs)
      shortest.record((before?.askedAtMs ?? receivedAtMs) - receivedAtMs)
    }
    for await (const item of readAll(journal)) {
      if (item.kind !== 'batch') throw new Error('the journal of the measurement is damaged')
      forEachRecord(item.header, item.bytes, item.header.firstSequence, {
        tick: ({ receivedAtMs }, sequence) => seen(receivedAtMs, sequence),
        control: () => undefined,
      })
    }
    return { longest: longest.summary(), shortest: shortest.summary(), ticks: longest.count }
  }

  async #look(): Promise<void> {
    while (this.#isLooking) {
      const askedAtMs = nowMs()
      const { rows } = await this.#client.query<{ sequence: number }>(POSITION)
      const sequence = rows[0]?.sequence
      if (sequence !== undefined) {
        this.#looks.push({ askedAtMs, answeredAtMs: nowMs(), sequence })
      }
      await new Promise((resolve) => setTimeout(resolve, this.#periodMs))
    }
  }
}

/** The wall clock with fractions of a millisecond. */
function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
