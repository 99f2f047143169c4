/**
 * A verdict as lines for a terminal: what it comes to, what is wrong, what it rests on, and last, since
 * it is long, what is known of each instrument. What it comes to is said once more below that.
 */
import { VERIFY_DIFFERENCES_SHOWN } from '../limits.ts'
import { formatIst } from '../market/ist.ts'
import type { BrokerProgress, BrokerVerdict } from './against-broker.ts'
import type { BookSums } from './books.ts'
import { sayDifference } from './compare-rows.ts'
import { coverageBySeries } from './coverage-report.ts'
import type { MissingRecords } from './log-follower.ts'
import { isFaultless, type Verdict, type VerifyProgress } from './verify.ts'

export function sayVerdict(verdict: Verdict): string {
  const { date, feed, books, coverage } = verdict
  const parts = [
    [`Verified ${date} (${feed}): ${comesTo(verdict)}`, ...refoldLines(verdict)],
    faultLines(verdict),
    [
      'Books (received = journaled + rejected + dropped, journaled = folded + not folded + lost)',
      ...books.map(sayBook),
    ],
    gapLines(verdict),
    ...(coverage.length === 0 ? [] : [seriesLines(coverage), instrumentLines(coverage)]),
    [`${date}: ${comesTo(verdict)}`],
  ]
  return said(parts)
}

/** What a verification does now, and how far it is. */
export function sayProgress(progress: VerifyProgress): string {
  if (progress.doing === 'compare') {
    const { minutes, ofMinutes } = progress
    return `Verifying: comparing rows, ${minutes} of ${ofMinutes} minutes`
  }
  const { bytes, ofBytes } = progress
  // A little is written while the rest is read.
  const of = ofBytes === undefined ? '' : ` of ${megabytes(Math.max(bytes, ofBytes))}`
  return `Verifying: folding the journal, ${megabytes(bytes)}${of} MB`
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}

/** Parts with lines, one empty line between each two. */
function said(parts: readonly (readonly string[])[]): string {
  const texts = parts.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'))
  return `${texts.join('\n\n')}\n`
}

function comesTo(verdict: Verdict): string {
  if (isFaultless(verdict)) {
    const isEmpty = verdict.books.length === 0 && verdict.rowsCompared === 0
    const nothing = isEmpty ? ' Nothing was received or stored on that date.' : ''
    return `Nothing is lost or unexplained.${nothing}`
  }
  const { bookFaults, missing } = verdict
  const faults = [
    [bookFaults.length, 'fault of the books', 'faults of the books'],
    [missing.length, 'hole in the journal', 'holes in the journal'],
    [differencesOf(verdict), 'difference of a row', 'differences of rows'],
  ] as const
  const named = faults
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${count} ${count === 1 ? one : many}`)
  return `NOT AS IT MUST BE: ${named.join(', ')}.`
}

export function sayBroker({ instruments, bars, counts, unexplained }: BrokerVerdict): string {
  const classes = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  const lines = [
    `Against the broker: ${bars} complete bars of ${instruments} instruments; differences: ${classes.join(', ') || 'none'}`,
    ...section(
      'NOT AS IT MUST BE: unexplained',
      unexplained,
      ({ tradingsymbol, minute, column, stored, broker }) =>
        `${tradingsymbol} ${minute}: ${column} is ${stored} in the store, ${broker} at the broker`,
      counts.unexplained,
    ),
  ]
  return `\n${lines.join('\n')}\n`
}

export function sayBrokerProgress({ tradingsymbol, done, of, bars, differences }: BrokerProgress) {
  return `Against the broker: ${done} of ${of} instruments, ${bars} bars, ${differences} differences; last ${tradingsymbol}`
}

function faultLines(verdict: Verdict): string[] {
  const { bookFaults, missing, differences, differenceCounts } = verdict
  const byColumn = Object.entries(differenceCounts).map(([what, count]) => `  ${what}: ${count}`)
  return [
    ...section('Out of balance or lost', bookFaults, ({ where, what }) => `${where}: ${what}`),
    ...section('Missing in the journal', missing, sayMissing),
    ...(byColumn.length > 0 ? ['Differences by column', ...byColumn] : []),
    ...section('Differences', differences, sayDifference, differencesOf(verdict)),
  ]
}

function differencesOf({ differenceCounts }: Verdict): number {
  return Object.values(differenceCounts).reduce((sum, count) => sum + count, 0)
}

function section<Item>(
  title: string,
  items: readonly Item[],
  say: (item: Item) => string,
  count = items.length,
): string[] {
  if (items.length === 0) return []
  const shown = items.slice(0, VERIFY_DIFFERENCES_SHOWN).map((item) => `  ${say(item)}`)
  const rest = count - shown.length
  return [`${title}: ${count}`, ...shown, ...(rest > 0 ? [`  … and ${rest} more`] : [])]
}

function sayBook(book: BookSums): string {
  const { producer, partition, epoch, received, journaled, rejected, dropped } = book
  const reasons = Object.entries(book.not_folded).map(([reason, ticks]) => `${ticks} ${reason}`)
  const elsewhere = Object.values(book.not_folded).reduce((sum, ticks) => sum + ticks, 0)
  const flight = book.in_flight > 0 ? `, in flight ${book.in_flight}` : ''
  return (
    `  ${producer} partition ${partition} epoch ${epoch}: received ${received} = ` +
    `journaled ${journaled} + rejected ${rejected} + dropped ${dropped}; ` +
    `folded ${book.folded}, not folded ${elsewhere}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}, ` +
    `lost ${book.lost}${flight}`
  )
}

function sayMissing({ producer, partition, after, before, records }: MissingRecords): string {
  const until =
    before === undefined ? 'the committed position' : `${before.epoch}-${before.sequence}`
  const count = records === null ? 'records' : `${records} records`
  return `${producer}, partition ${partition}: ${count} lost between ${after.epoch}-${after.sequence} and ${until}`
}

function gapLines({ gaps, deadLetters, notSettled }: Verdict): string[] {
  const lines = section('Gaps', gaps, ({ reason, from, to, instruments, status }) => {
    const until = to === null ? 'now' : formatIst(to)
    return `${formatIst(from)} to ${until}: ${reason}, ${instruments} instruments, ${status}`
  })
  const letters = section(
    'Dead letters',
    deadLetters,
    ({ producer, partition, epoch, sequence, reason }) =>
      `${producer}, partition ${partition}, ${epoch}-${sequence}: ${reason}`,
  )
  const unsettled = section('Not settled by the broker', notSettled, (one) => {
    return `${one.symbol} ${one.expiry ?? 'underlying'}: ${one.reason}`
  })
  return [...(lines.length === 0 ? ['Gaps: none'] : lines), ...letters, ...unsettled]
}

function seriesLines(coverage: Verdict['coverage']): string[] {
  const rows = coverageBySeries(coverage).map((one) => [
    `${one.symbol} ${one.expiry ?? 'underlying'}`,
    ...[one.instruments, one.complete, one.partial, one.none].map(String),
  ])
  return [
    'Coverage by series, minutes (complete: all of it from the feed; partial: in part, or from history)',
    ...aligned([['series', 'instruments', 'complete', 'partial', 'none'], ...rows]),
  ]
}

function instrumentLines(coverage: Verdict['coverage']): string[] {
  const rows = coverage.map((one) => [
    one.tradingsymbol,
    ...[one.covered, one.rows, one.complete, one.missing].map(String),
  ])
  const table = [['instrument', 'covered', 'rows', 'complete', 'missing'], ...rows]
  return [`Coverage of each of ${coverage.length} instruments, minutes`, ...aligned(table)]
}

function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = (table[0] ?? []).map((_, i) =>
    Math.max(...table.map((row) => row[i]?.length ?? 0)),
  )
  return table.map((row) => {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    )
    return `  ${cells.join('  ')}`
  })
}

function refoldLines({ rowsCompared, rowsGiven, rowsDue, recordsFolded }: Verdict): string[] {
  return [
    `  Folded ${recordsFolded} records a second time, compared ${rowsCompared} rows;`,
    `  ${rowsGiven} rows are not the journal's to tell, ${rowsDue} are being finalised`,
  ]
}
