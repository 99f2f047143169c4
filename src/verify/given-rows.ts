/**
 * Stored rows that the journal does not tell of: those that a broker's candle or a snapshot wrote, and those of
 * minutes before the journal begins. They are taken as they are; later rows rest on them.
 */
import type { MinuteRow } from './reference-fold/minute-rows.ts'
import type { StoreRow, StoreValue } from './store-tables.ts'

export function isFromCandle(row: StoreRow): boolean {
  return row['source'] !== undefined && row['source'] !== 'live'
}

/** Whether it also stands where the feed had the whole minute. */
export function isAboveLive(row: StoreRow): boolean {
  return row['source'] === 'settled' || row['source'] === 'live'
}

export function minuteOf(row: StoreRow): number {
  return Number(row['time'] ?? row['bucket_time'])
}

/** The tradingsymbol of a bar of any of the three tables; undefined of a row of a chain. */
export function nameOf(row: StoreRow): string | undefined {
  const name = row['tradingsymbol'] ?? ('exchange' in row ? row['symbol'] : undefined)
  return name === undefined ? undefined : String(name)
}

export function givenRow(row: StoreRow): MinuteRow {
  return {
    minuteMs: minuteOf(row),
    open: numberOf(row['open']),
    high: numberOf(row['high']),
    low: numberOf(row['low']),
    close: numberOf(row['close']),
    volume: numberOf(row['volume']),
    dayVolume: numberOf(row['day_volume']),
    baseVolume: numberOf(row['base_volume']),
    oi: numberOf(row['oi']),
    oiPrevClose: numberOf(row['oi_prev_close']),
    bid: numberOf(row['bid']),
    ask: numberOf(row['ask']),
    tickCount: Number(row['tick_count']),
    complete: row['complete'] === null ? null : row['complete'] === true,
    isTraded: isTraded(row),
  }
}

/** A candle of volume 0 repeats a price, and when a snapshot's last price was paid nobody knows. */
function isTraded(row: StoreRow): boolean {
  return row['source'] !== 'snapshot' && Number(row['volume']) > 0
}

function numberOf(value: StoreValue | undefined): number | null {
  return typeof value === 'number' ? value : null
}
