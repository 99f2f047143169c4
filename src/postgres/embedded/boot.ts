/**
 * Which run of the machine this is, to tell a crash of the process (whose writes the system still
 * has) from one of the machine (whose unsynced writes are gone).
 */
import { readFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import type { Clock } from '../../kit/clock.ts'

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'
/** Two readings of the boot time in one run of the machine differ by rounding and clock steps. */
const SAME_BOOT_WITHIN_S = 60
const BOOT_TIME = /^booted at (\d+)$/

/** The system's own id where it has one, else the second of the boot. */
export async function currentBoot(clock: Clock): Promise<string> {
  try {
    return (await readFile(BOOT_ID_FILE, 'utf8')).trim()
  } catch {
    // Only Linux has the file.
    return `booted at ${Math.round(clock.nowMs() / 1000 - uptime())}`
  }
}

export function isSameBoot(a: string, b: string): boolean {
  const [timeA, timeB] = [a, b].map((boot) => BOOT_TIME.exec(boot)?.[1])
  if (timeA === undefined || timeB === undefined) return a === b
  return Math.abs(Number(timeA) - Number(timeB)) <= SAME_BOOT_WITHIN_S
}
