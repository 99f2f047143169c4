/** Processor time of processes and their threads, as Linux tells it; unknown elsewhere. */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

const TICKS_PER_SECOND = 100
/** Places after the name, which stands in brackets and may hold anything. */
const USER_TIME = 11
const SYSTEM_TIME = 12
/** In the line of the whole machine. */
const STOLEN_TIME = 8

/** Seconds of processor time so far; undefined where they cannot be had. */
export function cpuSeconds(pid: number): number | undefined {
  return secondsIn(`/proc/${pid}/stat`)
}

/** The same of the process's first thread alone, on which its JavaScript runs. */
export function mainThreadSeconds(pid: number): number | undefined {
  return secondsIn(`/proc/${pid}/task/${pid}/stat`)
}

/** Processor time that the whole machine has spent on anything, over all cores. */
export function machineCpuSeconds(): number {
  const busyMs = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq)
  return busyMs.reduce((sum, ms) => sum + ms, 0) / 1000
}

/** Time in which a core had work and the machine's own host gave it to somebody else, over all cores. */
export function stolenCpuSeconds(): number | undefined {
  const total = textOf('/proc/stat')?.split('\n')[0]?.split(/\s+/)
  return total === undefined ? undefined : Number(total[STOLEN_TIME]) / TICKS_PER_SECOND
}

/** Resident memory in MB. */
export function residentMb(pid: number): number | undefined {
  const status = textOf(`/proc/${pid}/status`)
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1]
  return kb === undefined ? undefined : Number(kb) / 1024
}

/** Pids of the process and of everything it has started. */
export function familyOf(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    (textOf(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean),
  )
  return [pid, ...children.flatMap((child) => familyOf(Number(child)))]
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function secondsIn(path: string): number | undefined {
  const fields = textOf(path)?.split(') ')[1]?.split(' ')
  if (fields === undefined) return undefined
  return (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) / TICKS_PER_SECOND
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
