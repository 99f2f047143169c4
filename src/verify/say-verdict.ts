/** A verdict as lines for a terminal. */
import { VERIFY_DIFFERENCES_SHOWN } from '../limits.ts'
import { formatIst } from '../market/ist.ts'
import type { BrokerVerdict } from './against-broker.ts'
import type { BookSums } from './books.ts'
import { sayDifference } from './compare-rows.ts'
import type { MissingRecords } from './log-follower.ts'
import { isFaultless, type Verdict } from './verify.ts'

export function sayVerdict(verdict: Verdict): string {
  const lines = [
    `Verified ${verdict.date} (${verdict.feed})`,
    '',
    'Books (received = journaled + rejected + dropped, journaled = folded + not folded + lost)',
    ...verdict.books.map(sayBook),
    ...section(
      'Out of balance or lost',
      verdict.bookFaults,
      ({ where, what }) => `${where}: ${what}`,
    ),
    ...section('Missing in the journal', verdict.missing, sayMissing),
    '',
    ...gapLines(verdict),
    '',
    ...coverageLines(verdict),
    '',
    ...refoldLines(verdict),
    '',
    isFaultless(verdict) ? 'Nothing is lost or unexplained.' : 'NOT AS IT MUST BE: see above.',
  ]
  return `${lines.join('\n')}\n`
}

export function sayBroker({ instruments, bars, counts, unexplained }: BrokerVerdict): string {
  const classes = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  const lines = [
    `Against the broker: ${bars} complete bars of ${instruments} instruments; differences: ${classes.join(', ') || 'none'}`,
    ...section(
      'Unexplained',
      unexplained,
      ({ tradingsymbol, minute, column, stored, broker }) =>
        `${tradingsymbol} ${minute}: ${column} is ${stored} in the store, ${broker} at the broker`,
    ),
  ]
  return `${lines.join('\n')}\n`
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

function coverageLines({ coverage }: Verdict): string[] {
  const rows = coverage.map((one) => [
    one.tradingsymbol,
    ...[one.covered, one.rows, one.complete, one.missing].map(String),
  ])
  const table = [['instrument', 'covered', 'rows', 'complete', 'missing'], ...rows]
  return [`Coverage of ${coverage.length} instruments, minutes`, ...aligned(table)]
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

function refoldLines(verdict: Verdict): string[] {
  const { rowsCompared, rowsGiven, rowsDue, recordsFolded, differences, differenceCounts } = verdict
  const counted = Object.values(differenceCounts).reduce((sum, count) => sum + count, 0)
  const byColumn = Object.entries(differenceCounts).map(([what, count]) => `  ${what}: ${count}`)
  return [
    `Folded ${recordsFolded} records a second time, compared ${rowsCompared} rows`,
    `  ${rowsGiven} rows are not the journal's to tell, ${rowsDue} are being finalised`,
    ...(counted > 0 ? ['Differences by column', ...byColumn] : []),
    ...section('Differences', differences, sayDifference, counted),
  ]
}
