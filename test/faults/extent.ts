/** How much the faults of one run are: short in the suite, long with `FAULTS=long` in the environment. */
export const isLong = process.env['FAULTS'] === 'long'

/** A minute of the market passes in six seconds. */
export const LOAD = isLong
  ? { instruments: 1_000, ticksPerSecond: 5_000, speed: 10 }
  : { instruments: 300, ticksPerSecond: 1_500, speed: 10 }
export const KILLS = isLong ? 10 : 1
const LONG_FAULT_MS = 30_000

/** @param shortMs how long the fault lasts in the suite */
export function faultLength(shortMs: number): number {
  return isLong ? LONG_FAULT_MS : shortMs
}
