/**
 * The embedded store's folder on disk:
 *
 *   cluster/                        the engine's files
 *   cluster.set-aside-<time>/       a store that was not trusted any more, kept for whoever wants it
 *   state.json                      open, closed or damaged, and in which run of the machine
 *
 * The engine does not sync its files. They are synced once at an orderly close; after a crash of the
 * machine without that, nothing in `cluster` can be relied on.
 */
import { existsSync } from 'node:fs'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../../kit/clock.ts'
import { EMBEDDED_SET_ASIDE_KEPT } from '../../limits.ts'
import { currentBoot, isSameBoot } from './boot.ts'

/** How the store was left: in order, by a crash of its process, or by one of the machine. */
export type Unclean = 'no' | 'process' | 'machine'

interface State {
  readonly state: 'open' | 'closed' | 'damaged'
  readonly boot: string
  /** What was found damaged. */
  readonly reason?: string
}

const STATES = new Set<unknown>(['open', 'closed', 'damaged'])
const SET_ASIDE = '.set-aside-'

export class StoreFolder {
  readonly clusterPath: string
  readonly #path: string
  readonly #clock: Clock

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.clusterPath = join(path, 'cluster')
    this.#clock = clock
  }

  /** Whether there is anything; whether it is a store is for the engine to say. */
  hasCluster(): boolean {
    return existsSync(this.clusterPath)
  }

  /**
   * Why the store is not to be trusted; undefined where nothing speaks against it. Without its version
   * the engine would make a new cluster over the old one.
   */
  async damage(): Promise<string | undefined> {
    if (!existsSync(join(this.clusterPath, 'PG_VERSION'))) return 'PG_VERSION is missing'
    const state = await this.#readState()
    return state?.state === 'damaged' ? (state.reason ?? 'damaged') : undefined
  }

  /** The next start sets the store aside. */
  async markDamaged(reason: string): Promise<void> {
    await this.#writeState('damaged', reason)
  }

  /** How the last user of the folder left it. */
  async unclean(): Promise<Unclean> {
    const state = await this.#readState()
    if (state === undefined) return existsSync(this.clusterPath) ? 'machine' : 'no'
    if (state.state !== 'open') return 'no'
    return isSameBoot(state.boot, await currentBoot(this.#clock)) ? 'process' : 'machine'
  }

  async markOpen(): Promise<void> {
    await this.#writeState('open')
  }

  /** To be called when the engine has ended: what it wrote is synced first. */
  async markClosed(): Promise<void> {
    await syncTree(this.clusterPath)
    await this.#writeState('closed')
  }

  /** Renames the cluster and returns its new path; of earlier ones only the newest are kept. */
  async setAside(): Promise<string> {
    const time = new Date(this.#clock.nowMs()).toISOString().replaceAll(':', '-')
    const path = `${this.clusterPath}${SET_ASIDE}${time}`
    await rename(this.clusterPath, path)
    await this.#dropOldest(basename(path))
    return path
  }

  async #dropOldest(newest: string): Promise<void> {
    const prefix = `${basename(this.clusterPath)}${SET_ASIDE}`
    const names = (await readdir(this.#path)).filter((name) => name.startsWith(prefix))
    // By their times, but the one just named stays, even where the clock has been set back.
    const others = names.filter((name) => name !== newest).sort()
    for (const name of others.slice(0, Math.max(0, names.length - EMBEDDED_SET_ASIDE_KEPT))) {
      await rm(join(this.#path, name), { recursive: true, force: true })
    }
  }

  async #readState(): Promise<State | undefined> {
    try {
      return parseState(await readFile(this.#statePath, 'utf8'))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  async #writeState(state: State['state'], reason?: string): Promise<void> {
    const boot = await currentBoot(this.#clock)
    const text = JSON.stringify({ state, boot, ...(reason === undefined ? {} : { reason }) })
    const partial = `${this.#statePath}.partial`
    const file = await open(partial, 'w', 0o600)
    try {
      await file.writeFile(`${text}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, this.#statePath)
    await syncFolder(this.#path)
  }

  get #statePath(): string {
    return join(this.#path, 'state.json')
  }
}

/** Undefined where the text is no state: a torn file says nothing. */
function parseState(text: string): State | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { state, boot, reason } = value as Partial<State>
    if (state === undefined || !STATES.has(state) || typeof boot !== 'string') return undefined
    return typeof reason === 'string' ? { state, boot, reason } : { state, boot }
  } catch {
    return undefined
  }
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncTree(path)
    else if (entry.isFile()) await sync(path, 'r+')
  }
  await syncFolder(folder)
}

/** Makes a folder's entries last; Windows has no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await sync(folder, 'r')
}

async function sync(path: string, flags: 'r' | 'r+'): Promise<void> {
  const file = await open(path, flags)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
