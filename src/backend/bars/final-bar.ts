/**
 * The final columns of one instrument's minute, from what the store holds of it, of the bar before it
 * and of coverage. Pure.
 *
 * A row shows the broker's candle unless the live feed turned out to have covered the whole minute.
 */
import { minuteVolume } from '../../market/bar.ts'
import type { Coverage } from '../../market/coverage.ts'
import { MINUTE_MS } from '../../market/ist.ts'
import type { LegInput } from '../../market/options/strike.ts'
import type { TickMode } from '../../market/tick.ts'
import type { BarColumns, BarSource, EarlierBar, StoredBar } from '../ports.ts'
import type { BookColumns } from './bar-rows.ts'
import { hasPackets, type LiveBar, liveOf } from './candle-row.ts'
import type { InstrumentBars } from './instrument-bars.ts'

export const FULL: ReadonlySet<TickMode> = new Set(['full'])

/** A bar with its final columns. */
export interface FinalBar {
  readonly bars: InstrumentBars
  readonly columns: BarColumns
  readonly book: BookColumns
  /** Close, volume or open interest differ from what was stored. */
  readonly changed: boolean
}

export interface FinalInput {
  readonly bars: InstrumentBars
  readonly minuteMs: number
  /** When the instrument was streamed, around the minute. */
  readonly coverage: Coverage
  readonly row: StoredBar | undefined
  /** The newest stored bar before the minute on its trading date. */
  readonly before: EarlierBar | undefined
  /** The broker is known to have no candle of the minute. */
  readonly isNone: boolean
}

/** Undefined where the minute has no row and is not due one. */
export function finalBar(input: FinalInput): FinalBar | undefined {
  const { bars, minuteMs, coverage, row } = input
  const session = bars.sessionAt(minuteMs)
  const inSession =
    session !== undefined && minuteMs >= session.openMs && minuteMs < session.closeMs
  const isCovered = inSession && coverage.touchesMinute(minuteMs)
  const source = sourceOf(coverage, minuteMs, row)
  // A flat row of a minute that a gap took away says what nobody knows.
  if (!isCovered && (row === undefined || (source === 'live' && !hasPackets(row)))) return undefined
  const final =
    source === 'live'
      ? liveColumns(input, row, session?.openMs)
      : candleColumns(input, row as StoredBar, source)
  const changed =
    row === undefined ||
    row.source !== source ||
    row.close !== final.columns.close ||
    row.volume !== final.columns.volume ||
    row.dayVolume !== final.columns.dayVolume ||
    row.oi !== final.book.oi
  return { bars, ...final, changed }
}

/** Settled over live and complete over a candle; a live row that is not complete has no candle. */
function sourceOf(coverage: Coverage, minuteMs: number, row: StoredBar | undefined): BarSource {
  if (row === undefined) return 'live'
  const isBelowLive = row.source === 'backfill' || row.source === 'repair'
  return isBelowLive && coverage.spansMinute(minuteMs, FULL) ? 'live' : row.source
}

type Columns = Pick<FinalBar, 'columns' | 'book'>

function liveColumns(
  { bars, minuteMs, coverage, before }: FinalInput,
  row: StoredBar | undefined,
  sessionOpenMs: number | undefined,
): Columns {
  const live: LiveBar | undefined = row && liveOf(row)
  const hasPacket = row !== undefined && row.tickCount > 0
  const isTraded = row !== undefined && row.openKey !== null
  // A minute without a packet repeats the one before it, which may have changed since it did.
  const isSilent = !hasPacket && !isTraded
  const price = (isSilent ? before?.close : live?.close) ?? before?.close ?? null
  const told = isSilent ? undefined : row
  const carried = hasPacket ? undefined : before
  const dayVolume = ownDayVolume(told) ?? carried?.dayVolume ?? null
  return {
    columns: {
      minuteMs,
      open: isTraded ? (live?.open ?? null) : price,
      high: isTraded ? (live?.high ?? null) : price,
      low: isTraded ? (live?.low ?? null) : price,
      close: isTraded ? (live?.close ?? null) : price,
      volume: volumeOf(bars, coverage, minuteMs, sessionOpenMs, told, before),
      dayVolume,
      baseVolume: told?.baseVolume ?? null,
      tickCount: row?.tickCount ?? 0,
      complete: coverage.spansMinute(minuteMs, FULL),
      source: 'live',
      openKey: row?.openKey ?? null,
      closeKey: row?.closeKey ?? null,
      quoteKey: row?.quoteKey ?? null,
    },
    book: {
      oi: carried === undefined ? (live?.oi ?? null) : carried.oi,
      bid: row?.bid ?? null,
      ask: row?.ask ?? null,
    },
  }
}

/** The largest cumulative volume that packets told; beneath a candle it may be one that was derived. */
function ownDayVolume(row: StoredBar | undefined): number | null {
  if (row === undefined) return null
  return row.source === 'live' || row.baseVolume !== null ? row.dayVolume : null
}

function candleColumns(
  { minuteMs, before, isNone }: FinalInput,
  row: StoredBar,
  source: BarSource,
): Columns {
  const flat = isNone ? (before?.close ?? row.close) : null
  const columns: BarColumns = {
    minuteMs,
    open: isNone ? flat : row.open,
    high: isNone ? flat : row.high,
    low: isNone ? flat : row.low,
    close: isNone ? flat : row.close,
    volume: isNone ? 0 : (row.volume ?? sinceBefore(row, before)),
    dayVolume: row.dayVolume,
    baseVolume: row.baseVolume,
    tickCount: row.tickCount,
    complete: false,
    source,
    openKey: row.openKey,
    closeKey: row.closeKey,
    quoteKey: row.quoteKey,
  }
  // Without a candle the broker tells no open interest either: packets may have, else it stood still.
  const oi = isNone ? (liveOf(row).oi ?? before?.oi ?? row.oi) : row.oi
  return { columns, book: { oi, bid: row.bid, ask: row.ask } }
}

/** Of two snapshots, a minute apart, the difference of the day's volumes. */
function sinceBefore(row: StoredBar, before: EarlierBar | undefined): number | null {
  if (before?.minuteMs !== row.minuteMs - MINUTE_MS) return null
  if (row.dayVolume === null || before.dayVolume === null) return null
  return Math.max(0, row.dayVolume - before.dayVolume)
}

/** Units traded in the minute; null where its packets do not tell. */
function volumeOf(
  bars: InstrumentBars,
  coverage: Coverage,
  minuteMs: number,
  sessionOpenMs: number | undefined,
  row: StoredBar | undefined,
  before: EarlierBar | undefined,
): number | null {
  if (row === undefined || bars.instrument.kind === 'index') return 0
  const dayVolume = ownDayVolume(row)
  if (dayVolume === null) return null
  const isKnownAtStart = coverage.coversStartOf(minuteMs)
  const atStart = minuteMs === sessionOpenMs ? 0 : (before?.dayVolume ?? null)
  return minuteVolume(dayVolume, row.baseVolume, isKnownAtStart ? atStart : null).volume
}

/** The bar as a leg of its chain. */
export function legOf(final: FinalBar | null | undefined): LegInput | null {
  if (!final) return null
  const { columns, book } = final
  return {
    lastPrice: columns.close,
    tradedInMinute: isTraded(columns),
    bid: book.bid,
    ask: book.ask,
    volume: columns.dayVolume,
    oi: book.oi,
  }
}

/** A candle of volume 0 repeats a price; of a snapshot's last price nobody knows when it was paid. */
function isTraded({ source, openKey, volume }: BarColumns): boolean {
  if (source === 'live') return openKey !== null
  return source !== 'snapshot' && (volume ?? 0) > 0
}
