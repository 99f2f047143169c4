/**
 * How the simulated market divides time. It never closes: a trading day runs from IST midnight to
 * IST midnight, in 48 half hours of 30 minutes of 60 seconds; a second is the finest step of price.
 * IST midnight falls on a half hour of UTC, so all of these nest.
 */
import { DAY_MS, IST_OFFSET_MS, MINUTE_MS, SECOND_MS } from '../../market/ist.ts'

export const MINUTE_S = 60
export const MINUTES_PER_BLOCK = 30
export const BLOCK_S = 1_800
export const BLOCKS_PER_DAY = 48
export const DAY_S = 86_400
export const YEAR_S = 365 * DAY_S
const IST_OFFSET_S = IST_OFFSET_MS / SECOND_MS

/** Epoch second of an instant. */
export function secondOf(timeMs: number): number {
  return Math.floor(timeMs / SECOND_MS)
}

/** Days since 1970-01-01 in IST. */
export function dayOfSecond(second: number): number {
  return Math.floor((second + IST_OFFSET_S) / DAY_S)
}

/** The epoch second of IST midnight at the beginning of a day. */
export function startOfDay(day: number): number {
  return day * DAY_S - IST_OFFSET_S
}

export function minuteOfMs(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS)
}

export function dayOfMs(timeMs: number): number {
  return Math.floor((timeMs + IST_OFFSET_MS) / DAY_MS)
}
