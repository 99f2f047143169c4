/** What several processes used of the machine between two moments. */
import {
  cpuSeconds,
  machineCpuSeconds,
  mainThreadSeconds,
  residentMb,
  stolenCpuSeconds,
} from './process-cpu.ts'

interface Moment {
  readonly atMs: number
  readonly machine: number
  readonly stolen: number | undefined
  readonly byName: ReadonlyMap<string, number | undefined>
}

/** Pids, or how to find them now. */
type Pids = readonly number[] | (() => Promise<readonly number[]>)

/** Processes by the name they have in the table; several may share one. */
export type Watched = Readonly<Record<string, Pids>>

export class UsageMeter {
  readonly #watched: Watched
  readonly #mainThreadOf: readonly [name: string, pid: number]
  #from: Moment | undefined

  /** @param mainThreadOf a process whose first thread is shown by itself */
  constructor(watched: Watched, mainThreadOf: readonly [name: string, pid: number]) {
    this.#watched = watched
    this.#mainThreadOf = mainThreadOf
  }

  async begin(): Promise<void> {
    this.#from = await this.#now()
  }

  /**
   * Shares of one core since `begin`, by name; `elsewhere` is all the rest, `stolen` what the host of a
   * virtual machine took from us.
   */
  async end(): Promise<Readonly<Record<string, number | undefined>>> {
    const [from, to] = [this.#from, await this.#now()]
    if (from === undefined) throw new Error('the meter was not begun')
    const seconds = (to.atMs - from.atMs) / 1000
    const shares: Record<string, number | undefined> = {}
    let elsewhere: number | undefined = (to.machine - from.machine) / seconds
    for (const [name, after] of to.byName) {
      const before = from.byName.get(name)
      const share =
        after === undefined || before === undefined ? undefined : (after - before) / seconds
      shares[name] = share
      if (name.endsWith(MAIN_THREAD)) continue
      elsewhere = elsewhere === undefined || share === undefined ? undefined : elsewhere - share
    }
    const stolen =
      to.stolen === undefined || from.stolen === undefined
        ? undefined
        : (to.stolen - from.stolen) / seconds
    return { ...shares, elsewhere, stolen }
  }

  async #now(): Promise<Moment> {
    const byName = new Map<string, number | undefined>()
    for (const [name, pids] of Object.entries(this.#watched)) {
      const now = typeof pids === 'function' ? await pids() : pids
      byName.set(name, sum(now.map(cpuSeconds)))
    }
    const [name, pid] = this.#mainThreadOf
    byName.set(`${name}${MAIN_THREAD}`, mainThreadSeconds(pid))
    return {
      atMs: performance.now(),
      machine: machineCpuSeconds(),
      stolen: stolenCpuSeconds(),
      byName,
    }
  }
}

const MAIN_THREAD = "'s main thread"

/** The largest resident memory of a process, looked at once a second until `stop`. */
export class MemoryWatch {
  largestMb: number | undefined
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    const look = () => {
      const mb = residentMb(pid)
      if (mb !== undefined) this.largestMb = Math.max(this.largestMb ?? 0, mb)
    }
    look()
    this.#timer = setInterval(look, 1000).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  let total = 0
  for (const value of values) {
    if (value === undefined) return undefined
    total += value
  }
  return total
}
