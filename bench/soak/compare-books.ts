/**
 * The exchange's books against the journal's: what a connection was sent was received as a prefix,
 * each packet once and in order, and what is missing behind it was told as a gap.
 */
import type { Journalled, JournalledConnection, Stretch } from './journalled.ts'
import type { SentBooks, SentConnection } from './sent-books.ts'

export interface Comparison {
  readonly faults: readonly string[]
  readonly sent: number
  readonly journalled: number
  readonly rejected: number
  /** Sent and not received; all of them in gaps, or there are faults. */
  readonly missing: number
}

/** Market time of ticker and exchange may differ by that. */
const CLOCK_TOLERANCE_MS = 1_500
/** What a connection was sent last may be read so long after it has closed. */
const UNREAD_MAX_MS = 5_000
/** The old socket is told to stop with the first packet of the new one. */
const TAKEN_OVER_MS = 2_000
const FAULTS_SHOWN = 3

/** @param marketMinusWallMs of the exchange; arrivals are stamped in wall time */
export function compareBooks(
  sent: Pick<SentBooks, 'connections'>,
  journalled: Journalled,
  marketMinusWallMs: number,
): Comparison {
  const faults = [...journalled.faults]
  const free = new Set(journalled.connections.values())
  const totals = { sent: 0, journalled: 0, rejected: 0, missing: 0 }
  for (const connection of sent.connections.values()) {
    const book = bookOf(connection, free, marketMinusWallMs)
    if (book !== undefined) free.delete(book)
    faults.push(...prefixFaults(connection, book))
    const received = book?.lastOrdinal ?? 0
    const fedElsewhere = (token: number, atMs: number) =>
      isFed(token, atMs - marketMinusWallMs, book, journalled)
    faults.push(...untoldFaults(connection, received, journalled, fedElsewhere))
    totals.sent += connection.packets.length
    totals.journalled += book?.journaled ?? 0
    totals.rejected += book?.rejected ?? 0
    totals.missing += connection.packets.length - received
  }
  for (const { epoch, connection, tokens } of free) {
    if (tokens.length > 0) faults.push(`connection ${connection} of epoch ${epoch} was never open`)
  }
  return { ...totals, faults }
}

/** Of the connections that could be this one, the one whose first tick is nearest to its opening. */
function bookOf(
  { openedMs, closedMs, packets }: SentConnection,
  free: ReadonlySet<JournalledConnection>,
  marketMinusWallMs: number,
): JournalledConnection | undefined {
  const fits = [...free].filter(
    ({ tokens, lastOrdinal, firstReceivedMs }) =>
      tokens.length > 0 &&
      lastOrdinal <= packets.length &&
      firstReceivedMs + marketMinusWallMs >= openedMs - CLOCK_TOLERANCE_MS &&
      firstReceivedMs + marketMinusWallMs <= closedMs + UNREAD_MAX_MS &&
      skipped(tokens, packets) !== undefined,
  )
  return fits.sort((a, b) => a.firstReceivedMs - b.firstReceivedMs)[0]
}

/** Packets that `tokens` leaves out up to its end; undefined where it is not in this order. */
function skipped(tokens: readonly number[], packets: SentConnection['packets']) {
  let at = 0
  for (const token of tokens) {
    while (at < packets.length && packets[at]?.token !== token) at++
    if (at >= packets.length) return undefined
    at++
  }
  return at - tokens.length
}

function prefixFaults(
  { connection, account, packets }: SentConnection,
  book: JournalledConnection | undefined,
): string[] {
  if (book === undefined) return []
  const name = `connection ${connection} of ${account}`
  const faults: string[] = []
  const left = skipped(book.tokens, packets.slice(0, book.lastOrdinal))
  if (left === undefined) faults.push(`${name}: its ticks are not the first that were sent`)
  if (book.tokens.length !== book.journaled) {
    faults.push(`${name}: ${book.tokens.length} ticks, ${book.journaled} in the books`)
  }
  const broken = packets.slice(0, book.lastOrdinal).filter(({ kind }) => kind !== 'whole').length
  if (book.rejected < broken) {
    faults.push(`${name}: ${book.rejected} rejected, but ${broken} were broken`)
  }
  if (book.dropped > 0) faults.push(`${name}: ${book.dropped} dropped`)
  return faults
}

/** Whether another connection took the instrument over: what the old one sends on is sent twice. */
function isFed(
  token: number,
  wallMs: number,
  left: JournalledConnection | undefined,
  { connections }: Journalled,
): boolean {
  const others = [...connections.values()].filter((other) => other !== left)
  return others.some(({ arrivals }) =>
    arrivals.get(token)?.some((atMs) => Math.abs(atMs - wallMs) <= TAKEN_OVER_MS),
  )
}

/**
 * What was not received although the log says that the instrument was known then, and nobody else
 * brought it.
 */
function untoldFaults(
  { connection, account, packets }: SentConnection,
  received: number,
  { covered, gaps }: Journalled,
  fedElsewhere: (token: number, atMs: number) => boolean,
): string[] {
  const untold = packets.slice(received).filter(({ token, time_ms }) => {
    const isCovered = holds(covered.get(token), time_ms, -CLOCK_TOLERANCE_MS)
    if (!isCovered || holds(gaps.get(token), time_ms, CLOCK_TOLERANCE_MS)) return false
    return !fedElsewhere(token, time_ms)
  })
  if (untold.length === 0) return []
  const shown = untold.slice(0, FAULTS_SHOWN).map(({ token, time_ms, ordinal }) => {
    return `${ordinal}: ${token} at ${new Date(time_ms).toISOString()}`
  })
  const of = `${untold.length} of ${packets.length - received} missing packets`
  return [`connection ${connection} of ${account}: ${of} in no gap (${shown.join('; ')})`]
}

function holds(stretches: readonly Stretch[] | undefined, atMs: number, slackMs: number): boolean {
  return (stretches ?? []).some(
    ({ fromMs, toMs }) => atMs >= fromMs - slackMs && atMs <= toMs + slackMs,
  )
}
