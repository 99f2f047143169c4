/**
 * The control records that one frame's ticks call for, gathered so that 500 instruments that begin
 * in one frame make one record in each partition and not 500.
 */
import type { CoveredRecord, GapCloseRecord } from '../../contract/journal-record.ts'
import type { TickMode } from '../../market/tick.ts'
import type { PartitionFeed } from './partition-feed.ts'
import type { OpenGap, Stream } from './stream.ts'

interface Gathered {
  readonly announced: Stream[]
  readonly gapEnds: Map<string, GapCloseRecord['ends'][number][]>
  readonly begin: CoveredRecord['begin'][number][]
  readonly end: CoveredRecord['end'][number][]
}

export class FrameStarts {
  readonly #byPartition: ReadonlyMap<PartitionFeed, Gathered>
  #isEmpty = true

  constructor(partitions: readonly PartitionFeed[]) {
    this.#byPartition = new Map(
      partitions.map((partition) => [
        partition,
        { announced: [], gapEnds: new Map(), begin: [], end: [] },
      ]),
    )
  }

  announce(stream: Stream): void {
    stream.isAnnounced = true
    this.#of(stream).announced.push(stream)
  }

  /** The stream is covered in `mode` from now on; a stretch in another mode ends. */
  cover(stream: Stream, fromMs: number, mode: TickMode): void {
    const { token } = stream.instrument
    const { begin, end } = this.#of(stream)
    if (stream.coveredMode !== undefined) end.push({ token, toMs: fromMs })
    begin.push({ token, mode, fromMs })
  }

  endGap(stream: Stream, gap: OpenGap, toMs: number, mode: TickMode): void {
    const { gapEnds } = this.#of(stream)
    const ends = gapEnds.get(gap.gapId) ?? []
    ends.push({ token: stream.instrument.token, toMs, mode })
    gapEnds.set(gap.gapId, ends)
  }

  write(): void {
    if (this.#isEmpty) return
    this.#isEmpty = true
    for (const [partition, gathered] of this.#byPartition) writeTo(partition, gathered)
  }

  #of({ partition }: Stream): Gathered {
    this.#isEmpty = false
    return this.#byPartition.get(partition) as Gathered
  }
}

function writeTo(partition: PartitionFeed, { announced, gapEnds, begin, end }: Gathered): void {
  for (const { instrument } of announced) partition.control({ kind: 'instrument', instrument })
  for (const [gapId, ends] of gapEnds) partition.control({ kind: 'gap_close', gapId, ends })
  if (begin.length > 0 || end.length > 0) {
    partition.control({ kind: 'covered', begin: [...begin], end: [...end] })
  }
  announced.length = 0
  gapEnds.clear()
  begin.length = 0
  end.length = 0
}
