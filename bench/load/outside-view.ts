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
import type { JournalledTick } from '../../src/market/tick.ts'

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

/** When a tick began to wait, epoch ms. */
export type BeganAt = (tick: JournalledTick) => number

const POSITION = {
  name: 'position',
  text: 'SELECT epoch::float8 AS epoch, sequence::float8 AS sequence FROM stream_offsets',
}

export class OutsideView {
  readonly #client: pg.Client
  readonly #periodMs: number
  readonly #looks: Look[] = []
  #isLooking = true
  #toMs: number | undefined
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

  /** Ticks that begin to wait from now on do not count; it looks on until those before have come. */
  endCount(): void {
    this.#toMs = nowMs()
  }

  /**
   * Of the ticks that began to wait while it looked.
   *
   * @param journal folder of the journals of all producers, no longer written
   */
  async figures(journal: string): Promise<OutsideFigures> {
    const [figures] = await outsideFigures([this], journal, ({ receivedAtMs }) => receivedAtMs)
    if (figures === undefined) throw new Error('the view has no figures')
    return figures
  }

  counter(): ViewCounter {
    return new ViewCounter(this.#looks, this.#toMs)
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

/** Takes the ticks of the journal in its order. */
class ViewCounter {
  readonly #longest = new LatencyHistogram()
  readonly #shortest = new LatencyHistogram()
  readonly #looks: readonly Look[]
  readonly #fromMs: number
  readonly #toMs: number
  #at = 0

  constructor(looks: readonly Look[], toMs: number | undefined) {
    this.#looks = looks
    this.#fromMs = looks[0]?.answeredAtMs ?? 0
    this.#toMs = toMs ?? looks.at(-1)?.askedAtMs ?? 0
  }

  get figures(): OutsideFigures {
    const [longest, shortest] = [this.#longest.summary(), this.#shortest.summary()]
    return { longest, shortest, ticks: longest.count }
  }

  seen(beganAtMs: number, sequence: number): void {
    if (beganAtMs < this.#fromMs || beganAtMs > this.#toMs) return
    while ((this.#looks[this.#at]?.sequence ?? Number.POSITIVE_INFINITY) < sequence) this.#at++
    const [before, after] = [this.#looks[this.#at - 1], this.#looks[this.#at]]
    // Not committed when it was last looked: as long as that it took at the least.
    const untilMs = after?.answeredAtMs ?? this.#looks.at(-1)?.askedAtMs ?? beganAtMs
    this.#longest.record(untilMs - beganAtMs)
    this.#shortest.record((before?.askedAtMs ?? beganAtMs) - beganAtMs)
  }
}

/** What each of several views has seen, of one reading of the journal (see `OutsideView.figures`). */
export async function outsideFigures(
  views: readonly OutsideView[],
  journal: string,
  beganAt: BeganAt,
): Promise<readonly OutsideFigures[]> {
  const counters = views.map((view) => view.counter())
  for await (const item of readAll(journal)) {
    if (item.kind !== 'batch') throw new Error('the journal of the measurement is damaged')
    forEachRecord(item.header, item.bytes, item.header.firstSequence, {
      tick: (tick, sequence) => {
        const beganAtMs = beganAt(tick)
        for (const counter of counters) counter.seen(beganAtMs, sequence)
      },
      control: () => undefined,
    })
  }
  return counters.map(({ figures }) => figures)
}

/** The wall clock with fractions of a millisecond. */
function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
