/**
 * The embedded store's folder on disk:
 *
 *   cluster/                        the engine's files
 *   cluster.set-aside-<time>/       a store that was not trusted any more, kept for whoever wants it
 *   state.json                      open or closed, and in which run of the machine
 *
 * The engine does not sync its files. They are synced once at an orderly close; after a crash of the
 * machine without that, nothing in `cluster` can be relied on.
 */
import { existsSync } from 'node:fs'
import { open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../kit/clock.ts'
import { currentBoot, isSameBoot } from './boot.ts'

/** How the store was left: in order, by a crash of its process, or by one of the machine. */
export type Unclean = 'no' | 'process' | 'machine'

interface State {
  readonly state: 'open' | 'closed'
  readonly boot: string
}

export class StoreFolder {
  readonly clusterPath: string
  readonly #path: string
  readonly #clock: Clock

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.clusterPath = join(path, 'cluster')
    this.#clock = clock
  }

  hasCluster(): boolean {
    return existsSync(join(this.clusterPath, 'PG_VERSION'))
  }

  /** How the last user of the folder left it. */
  async unclean(): Promise<Unclean> {
    const state = await this.#readState()
    if (state === undefined) return existsSync(this.clusterPath) ? 'machine' : 'no'
    if (state.state === 'closed') return 'no'
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

  /** Renames the cluster and returns its new path; nothing is ever deleted. */
  async setAside(): Promise<string> {
    const time = new Date(this.#clock.nowMs()).toISOString().replaceAll(':', '-')
    const path = `${this.clusterPath}.set-aside-${time}`
    await rename(this.clusterPath, path)
    return path
  }

  async #readState(): Promise<State | undefined> {
    try {
      return parseState(await readFile(this.#statePath, 'utf8'))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  async #writeState(state: State['state']): Promise<void> {
    const text = JSON.stringify({ state, boot: await currentBoot(this.#clock) } satisfies State)
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
    const { state, boot } = value as Partial<State>
    const isState = (state === 'open' || state === 'closed') && typeof boot === 'string'
    return isState ? { state, boot } : undefined
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
