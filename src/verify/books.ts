/**
 * The books of delivery as stored: what each producer, partition and epoch sums up to, and every
 * minute in which they do not balance or something is lost. Pure.
 *
 *   received = journaled + rejected + dropped        journaled = folded + Σ not_folded + lost
 */
import { formatIst } from '../market/ist.ts'
import type { StoreRow } from './store-tables.ts'

/** Packets and ticks of one producer's partition and epoch on the date. */
export interface BookSums {
  readonly producer: string
  readonly partition: number
  readonly epoch: number
  readonly received: number
  readonly rejected: number
  readonly dropped: number
  readonly journaled: number
  readonly folded: number
  readonly not_folded: Readonly<Record<string, number>>
  readonly lost: number
  /** Journaled, and folded with the next commit. */
  readonly in_flight: number
}

export interface BookFault {
  /** `t1, partition 0, epoch 1795000000, 2026-11-20T10:00:00+05:30` */
  readonly where: string
  readonly what: string
}

/** The ticks of a minute that are journaled and stand right behind the committed position. */
export type TicksAhead = (
  producer: string,
  partition: number,
  epoch: number,
  minuteMs: number,
) => number

interface Row extends Omit<BookSums, 'in_flight'> {
  readonly minute: number
}

const COUNTS = ['received', 'rejected', 'dropped', 'journaled', 'folded', 'lost'] as const

export function sumBooks(rows: readonly StoreRow[], ticksAhead: TicksAhead): BookSums[] {
  const sums = new Map<string, BookSums>()
  for (const row of rows as unknown as readonly Row[]) {
    const { producer, partition, epoch } = row
    const key = JSON.stringify([producer, partition, epoch])
    sums.set(key, added(sums.get(key), row, ticksAhead(producer, partition, epoch, row.minute)))
  }
  return [...sums.values()]
}

function added(sums: BookSums | undefined, row: Row, ahead: number): BookSums {
  const { producer, partition, epoch } = row
  const counts = Object.fromEntries(COUNTS.map((name) => [name, (sums?.[name] ?? 0) + row[name]]))
  const not_folded = { ...sums?.not_folded }
  for (const [reason, ticks] of Object.entries(row.not_folded)) {
    not_folded[reason] = (not_folded[reason] ?? 0) + ticks
  }
  const names = {
    producer,
    partition,
    epoch,
    not_folded,
    in_flight: (sums?.in_flight ?? 0) + ahead,
  }
  return { ...names, ...(counts as Record<(typeof COUNTS)[number], number>) }
}

export function bookFaults(rows: readonly StoreRow[], ticksAhead: TicksAhead): BookFault[] {
  return (rows as unknown as readonly Row[]).flatMap((row) => faultsOf(row, ticksAhead))
}

function faultsOf(row: Row, ticksAhead: TicksAhead): BookFault[] {
  const { producer, partition, epoch, minute, received, rejected, dropped, journaled } = row
  const where = `${producer}, partition ${partition}, epoch ${epoch}, ${formatIst(minute)}`
  const elsewhere = Object.values(row.not_folded).reduce((sum, ticks) => sum + ticks, 0)
  const ahead = ticksAhead(producer, partition, epoch, minute)
  const what: string[] = []
  if (received !== journaled + rejected + dropped) {
    const parts = `${journaled} journaled + ${rejected} rejected + ${dropped} dropped`
    what.push(`received ${received} is not ${parts}`)
  }
  if (journaled !== row.folded + elsewhere + row.lost + ahead) {
    const parts = `${row.folded} folded + ${elsewhere} not folded + ${row.lost} lost`
    what.push(`journaled ${journaled} is not ${parts}${ahead > 0 ? ` + ${ahead} in flight` : ''}`)
  }
  if (row.lost > 0) what.push(`${row.lost} records are lost`)
  return what.map((text) => ({ where, what: text }))
}
