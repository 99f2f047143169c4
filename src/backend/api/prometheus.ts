/** The backend's own figures on the Prometheus page: read from plain integers when it is asked for. */
import type { LedgerTotals } from '../../contract/api/backend-status.ts'
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { FoldCounters } from '../ingest/partition-books.ts'
import type { IngestView } from './ingest-view.ts'

export interface ScrapedFigures {
  /** Today's books as read last; undefined before the first time. */
  readonly ledger: () => LedgerTotals | undefined
  readonly ingest: IngestView
  readonly gapsOpen: () => number
  /** undefined while it was not asked yet. */
  readonly databaseUp: () => boolean | undefined
  readonly streamClients: () => number
  /** Most reads of the store that ever waited. */
  readonly readsHighWater: () => number
}

/** The Prometheus page; what needs asking is asked by the caller before. */
export type Scrape = () => Promise<string>

/** Registers the figures; `metrics` may hold those of other roles of the process too. */
export function scraper(metrics: Metrics, figures: ScrapedFigures): Scrape {
  const { ingest, ledger, gapsOpen, databaseUp, streamClients, readsHighWater } = figures
  const ticks = metrics.counters(
    'fostream_ticks_total',
    'Records of the log, by what became of them: read (folded or applied), skipped (known already), late, ahead, unknown_token, dead_letter.',
    'stage',
  )
  const lost = metrics.counter(
    'fostream_lost_ticks_total',
    'Ticks that the journal no longer had when they were to be read.',
  )
  metrics.gauges(
    'fostream_ledger_ticks',
    "Today's books of delivery: received, rejected, dropped, journaled, folded, not_folded, lost.",
    'stage',
    () => ledgerStages(ledger()),
  )
  metrics.gauge('fostream_ledger_balanced', "1 while today's books balance.", () => {
    const totals = ledger()
    return totals === undefined ? undefined : Number(totals.balanced)
  })
  metrics.gauge('fostream_gaps_open', 'Gaps in the feed that still run.', gapsOpen)
  metrics.gauge('fostream_database_up', '1 while the store answers.', () => {
    const up = databaseUp()
    return up === undefined ? undefined : Number(up)
  })
  metrics.gauge(
    'fostream_uncommitted_high_water_records',
    'Most records that were folded and in no commit yet.',
    () => ingest.counters.uncommittedHighWater,
  )
  metrics.gauge(
    'fostream_candle_writes_high_water',
    'Most writes of candles and snapshots that ever waited, of the fullest partition.',
    () => Math.max(0, ...ingest.writers.map(({ writes }) => writes.highWater)),
  )
  metrics.gauge(
    'fostream_api_reads_high_water',
    'Most requests that ever waited to read the store.',
    readsHighWater,
  )
  metrics.gauge('fostream_stream_clients', 'Open live streams.', streamClients)
  return async () => {
    const { records, skippedRecords, lostRecords, deadLetters } = ingest.counters
    ticks('read').value = records
    ticks('skipped').value = skippedRecords
    ticks('dead_letter').value = deadLetters
    ticks('late').value = sum(ingest, ({ late }) => late)
    ticks('ahead').value = sum(ingest, ({ ahead }) => ahead)
    ticks('unknown_token').value = sum(ingest, ({ unknownTokens }) => unknownTokens)
    lost.value = lostRecords
    const hops = hopLines([['received_to_committed', ingest.commitLatency]])
    return `${await metrics.text()}\n${hops}`
  }
}

function ledgerStages(totals: LedgerTotals | undefined): [stage: string, ticks: number][] {
  if (totals === undefined) return []
  const { received, rejected, dropped, journaled, folded, lost } = totals
  const not_folded = Object.values(totals.not_folded).reduce((sum, ticks) => sum + ticks, 0)
  return Object.entries({ received, rejected, dropped, journaled, folded, not_folded, lost })
}

/** Powers of two of microseconds, 64 µs to 33.6 s, as the other histograms of the page. */
const FIRST_EXPONENT = 6
const EXPONENTS = 20
const HOP = 'fostream_hop_seconds'

/** The histogram belongs to the writer, so its lines are written here and not by the registry. */
function hopLines(hops: readonly (readonly [hop: string, histogram: LatencyHistogram])[]): string {
  const lines = hops.flatMap(([hop, histogram]) => [
    ...Array.from({ length: EXPONENTS }, (_, i) => {
      const exponent = FIRST_EXPONENT + i
      const below = histogram.countBelow(exponent)
      return `${HOP}_bucket{le="${2 ** exponent / 1e6}",hop="${hop}"} ${below}`
    }),
    `${HOP}_bucket{le="+Inf",hop="${hop}"} ${histogram.count}`,
    `${HOP}_sum{hop="${hop}"} ${histogram.sumMs / 1000}`,
    `${HOP}_count{hop="${hop}"} ${histogram.count}`,
  ])
  const head = [`# HELP ${HOP} How long a hop of a tick's way takes.`, `# TYPE ${HOP} histogram`]
  return `${[...head, ...lines].join('\n')}\n`
}

function sum({ writers }: IngestView, figure: (counters: FoldCounters) => number): number {
  return writers.reduce((total, { books }) => total + (books ? figure(books.counters) : 0), 0)
}
