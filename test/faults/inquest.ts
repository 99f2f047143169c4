/**
 * What holds after a fault: everybody's books agree, from the exchange's ledger over the journal to
 * the tables. The ticker is stopped for it, so that the log has an end.
 */
import { compareBooks } from '../../bench/soak/compare-books.ts'
import { Journalled } from '../../bench/soak/journalled.ts'
import { comparePositions, type Position } from '../../src/contract/journal-record.ts'
import { until } from '../until.ts'
import { verdict } from '../whole/verdict.ts'
import { getJson, type SplitPlatform } from './split-platform.ts'

export interface Inquest {
  /** Exchange against journal: prefixes, order, and missing packets that are in no gap. */
  readonly bookFaults: readonly string[]
  /** Table rows that differ from what a second fold of the journal says. */
  readonly rowFaults: readonly string[]
  /** Minutes whose ledger does not balance. */
  readonly unbalanced: number
  readonly lost: number
  readonly deadLetters: number
  readonly sent: number
  readonly missing: number
}

/** A database that can be asked. */
export interface Queried {
  readonly query: <Row extends object>(sql: string) => Promise<Row[]>
}

const WITHIN_MS = 180_000

/** Stops the ticker, lets the backend write the rest, and starts the ticker again. */
export async function inquire(platform: SplitPlatform): Promise<Inquest> {
  const clock = await marketClock(platform)
  await platform.ticker.stop()
  try {
    await platform.readSent()
    const journalled = await Journalled.read(platform.journal)
    for (const book of journalled.connections.values()) {
      book.firstReceivedMs = clock(book.firstReceivedMs)
    }
    await drained(platform, journalled.newest)
    const { differences } = await verdict(platform.dataDir, platform.database.url, [
      platform.journal,
    ])
    const sums = await ledgerSums(platform)
    const { connections } = platform.sent
    const sent = { connections: new Map(connections) }
    await platform.ticker.start()
    // What was under way when the ticker was told to stop is in the gap that its next start opens.
    const { gaps, covered } = await journalAfter(platform.journal, journalled)
    Object.assign(journalled, { gaps, covered })
    const books = compareBooks(sent, journalled, 0)
    return {
      bookFaults: books.faults,
      rowFaults: differences,
      ...sums,
      sent: books.sent,
      missing: books.missing,
    }
  } finally {
    if (!platform.ticker.isRunning) await platform.ticker.start()
  }
}

/** The journal with the gap of the start after `before`. */
async function journalAfter(folder: string, before: Journalled): Promise<Journalled> {
  let after = before
  const known = gapIdsOf(before)
  await until(async () => {
    after = await Journalled.read(folder)
    return [...gapIdsOf(after)].some((id) => !known.has(id))
  }, WITHIN_MS)
  return after
}

function gapIdsOf({ gaps }: Journalled): ReadonlySet<string> {
  return new Set([...gaps.values()].flatMap((list) => list.map(({ gapId }) => gapId)))
}

/** Of all tickers and partitions. */
export async function ledgerSums({
  query,
}: Queried): Promise<Pick<Inquest, 'unbalanced' | 'lost' | 'deadLetters'>> {
  const [sums] = await query<{ unbalanced: number; lost: number; deadLetters: number }>(`
    SELECT count(*) FILTER (
             WHERE received <> journaled + rejected + dropped
                OR journaled <> folded + lost
                   + (SELECT coalesce(sum(v::bigint), 0) FROM jsonb_each_text(not_folded) AS e(k, v))
           )::int AS unbalanced,
           coalesce(sum(lost), 0)::int AS lost,
           (SELECT count(*)::int FROM dead_letters) AS "deadLetters"
    FROM delivery_ledger`)
  return sums ?? { unbalanced: 0, lost: 0, deadLetters: 0 }
}

/** The whole log is committed and no final value is due. */
export async function drained(platform: SplitPlatform, last: Position): Promise<void> {
  let seen = 'nothing'
  const isDrained = async () => {
    const committed = await platform.committed()
    const [due] = await platform.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM finalise_queue',
    )
    seen = JSON.stringify({ last, committed, due: due?.n })
    return comparePositions(committed, last) >= 0 && due?.n === 0
  }
  await until(isDrained, WITHIN_MS).catch((cause) => {
    throw new Error(`the backend has not written everything: ${seen}`, { cause })
  })
}

/** Wall time to market time of the exchange, epoch ms. */
export async function marketClock({ exchangeUrl, speed }: SplitPlatform) {
  const wallMs = Date.now()
  const { market_time_ms } = await getJson<{ market_time_ms: number }>(
    `${exchangeUrl}/control/clock`,
  )
  return (atMs: number) => market_time_ms + (atMs - wallMs) * speed
}
