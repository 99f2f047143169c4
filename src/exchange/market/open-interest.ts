/**
 * Open interest as the exchange publishes it: a step about every three minutes, at moments that
 * differ from contract to contract. Between the levels of two midnights it wanders along a bridge,
 * of which any step is known by halving.
 */
import { planHalving } from './halving.ts'
import { derive, normal } from './hash.ts'
import { DAY_S } from './market-time.ts'

export const STEPS_PER_DAY = 512
const STEP_S = DAY_S / STEPS_PER_DAY
const WANDER = 0.05
const STEPS = planHalving(STEPS_PER_DAY)

export interface OpenInterestDay {
  readonly key: number
  /** Lots at the midnights around the day. */
  readonly opening: number
  readonly closing: number
  /** How long before the midnight the first step began, in seconds. */
  readonly shiftSeconds: number
}

/** Lots are held for less than this before the day's first step, for any contract. */
export function stepShift(contractKey: number): number {
  return (derive(contractKey, 2) >>> 0) % Math.floor(STEP_S)
}

/** The step that a second of the day (0 … 86,399) belongs to. */
export function stepOf(day: OpenInterestDay, secondOfDay: number): number {
  return Math.floor((secondOfDay + day.shiftSeconds) / STEP_S)
}

/** Lots held during a step. */
export function lotsHeld(day: OpenInterestDay, step: number): number {
  let low = 0
  let high = STEPS_PER_DAY
  let lowValue = day.opening
  let highValue = day.closing
  while (low !== step && high !== step) {
    const mid = (low + high) >> 1
    const midValue = between(day, low, mid, high, lowValue, highValue)
    if (step < mid) {
      high = mid
      highValue = midValue
    } else {
      low = mid
      lowValue = midValue
    }
  }
  return wholeLots(step === high ? highValue : lowValue)
}

/** Lots held during each step of the day; `into` takes 513 numbers. */
export function lotsHeldAllDay(day: OpenInterestDay, into: Float64Array): void {
  into[0] = day.opening
  into[STEPS_PER_DAY] = day.closing
  for (let i = 0; i < STEPS.mid.length; i++) {
    const low = STEPS.low[i] as number
    const mid = STEPS.mid[i] as number
    const high = STEPS.high[i] as number
    into[mid] = between(day, low, mid, high, into[low] as number, into[high] as number)
  }
  for (let step = 0; step <= STEPS_PER_DAY; step++) into[step] = wholeLots(into[step] as number)
}

function between(
  day: OpenInterestDay,
  low: number,
  mid: number,
  high: number,
  lowValue: number,
  highValue: number,
): number {
  const share = (mid - low) / (high - low)
  const wander = WANDER * (day.opening + day.closing) * 0.5
  const deviation = wander * Math.sqrt((share * (high - mid)) / STEPS_PER_DAY)
  return lowValue + (highValue - lowValue) * share + deviation * normal(derive(day.key, mid))
}

function wholeLots(value: number): number {
  return Math.max(0, Math.round(value))
}
