/**
 * The embedded store: a PostgreSQL engine inside this process, for use where nobody has set up a
 * server. It is spoken to through streams that the `pg` driver takes for sockets.
 *
 * A store that a crash of the machine left behind, that does not open or was found damaged, is set
 * aside and a new one is begun; the caller fills it again from the journal. A dead engine is started
 * anew, and clients connect again as they would to a restarted server. Damage that shows while the
 * store is in use ends it (`lost`): whoever opens it again gets a new one.
 */
import type { Duplex } from 'node:stream'
import { backoffDelayMs } from '../../kit/backoff.ts'
import type { Clock } from '../../kit/clock.ts'
import { acquireFolderLock } from '../../kit/folder-lock.ts'
import type { Log } from '../../kit/log.ts'
import { Releasers } from '../../kit/releasers.ts'
import {
  EMBEDDED_OUTSIDE_PAUSE_MS,
  EMBEDDED_RESTART_FIRST_MS,
  EMBEDDED_RESTART_MAX_MS,
} from '../../limits.ts'
import type { UnreadableStoreError } from './engine.ts'
import { EngineThread, StatementOverrunError } from './engine-thread.ts'
import { PortStream } from './port-stream.ts'
import { BUILT_SEED, copySeed, prepareSeed } from './seed.ts'
import { StoreFolder, type Unclean } from './store-folder.ts'
import { openTcpDoor, type Room } from './tcp-door.ts'

export interface EmbeddedOptions {
  /** Made where it does not exist; belongs to this store alone. */
  readonly dataDir: string
  /** Where given, other programs on this machine may connect: a port, 0 for any. */
  readonly tcpPort?: number
  /** An empty cluster to begin with; by default the one that the build made, if it did. */
  readonly seed?: string
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
}

export interface SetAside {
  /** Where the old store is now. */
  readonly path: string
  readonly reason: string
}

export interface EmbeddedStore {
  /** How the last process left the store. After `machine` this one is new and empty. */
  readonly unclean: Unclean
  /** True where the store is new and empty. */
  readonly created: boolean
  /** The former store, where it had to be given up. */
  readonly setAside: SetAside | undefined
  /** The TCP port, where one was asked for. */
  readonly tcpPort: number | undefined
  readonly dataDir: string
  /** Resolves when the store is found damaged while in use: close it and open it again. */
  readonly lost: Promise<StoreLostError>
  /** The most statements that one client ever had waiting. */
  readonly jobsHighWater: number
  /** A connection for `new pg.Client({ stream })`; it fails like a socket while the engine is away. */
  connectStream(): Duplex
  /** Ends all connections and the engine, and syncs the files. Twice is fine. */
  close(): Promise<void>
}

/** The store is damaged, which showed while it was in use; opened again, it is set aside. */
export class StoreLostError extends Error {
  override readonly name = 'StoreLostError'
  readonly code = 'store_lost'
  readonly retryable = true
}

/**
 * Rejects where no store can be opened or made, where the TCP port is taken, and with
 * `FolderLockedError` where another process has the folder.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedStore> {
  const releasers = new Releasers()
  try {
    return await open(options, releasers)
  } catch (error) {
    await releasers.release()
    throw error
  }
}

async function open(options: EmbeddedOptions, releasers: Releasers): Promise<EmbeddedStore> {
  const { dataDir, tcpPort, clock } = options
  const lock = await acquireFolderLock(dataDir, 'an embedded store')
  releasers.push('folder lock', () => lock.release())
  const folder = new StoreFolder(dataDir, clock)
  const unclean = await folder.unclean()
  const { thread, created, setAside } = await openEngine(options, folder, unclean)
  const supervisor = new EngineSupervisor(thread, folder, options)
  releasers.push('engine', () => supervisor.close())
  const door =
    tcpPort === undefined ? undefined : await openTcpDoor(tcpPort, supervisor.outside(), clock)
  if (door !== undefined) releasers.push('TCP port', () => door.close())
  return {
    unclean,
    created,
    setAside,
    tcpPort: door?.port,
    dataDir,
    lost: supervisor.lost,
    get jobsHighWater() {
      return supervisor.jobsHighWater
    },
    connectStream: () => supervisor.connect(),
    close: () => releasers.release(),
  }
}

interface Opened {
  readonly thread: EngineThread
  readonly created: boolean
  readonly setAside: SetAside | undefined
}

async function openEngine(
  options: EmbeddedOptions,
  folder: StoreFolder,
  unclean: Unclean,
): Promise<Opened> {
  if (!folder.hasCluster()) return { ...(await openNew(options, folder)), setAside: undefined }
  if (unclean === 'machine') {
    return giveUp(options, folder, 'the machine went down while the store was open')
  }
  const damage = await folder.damage()
  if (damage !== undefined) return giveUp(options, folder, `the store is damaged: ${damage}`)
  await folder.markOpen()
  try {
    const thread = await EngineThread.start(folder.clusterPath, options.clock)
    return { thread, created: false, setAside: undefined }
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return giveUp(options, folder, `the store does not open: ${error.message}`)
  }
}

/** A full disk or too little memory is no reason to give a store up. */
function isUnreadable(error: unknown): error is Error {
  const code = 'STORE_UNREADABLE' satisfies UnreadableStoreError['code']
  return error instanceof Error && 'code' in error && error.code === code
}

async function giveUp(
  options: EmbeddedOptions,
  folder: StoreFolder,
  reason: string,
): Promise<Opened> {
  const setAside = { path: await folder.setAside(), reason }
  options.log.error({ ...setAside }, 'Embedded store set aside, a new one is begun')
  return { ...(await openNew(options, folder)), setAside }
}

async function openNew(
  { clock, log, seed = BUILT_SEED }: EmbeddedOptions,
  folder: StoreFolder,
): Promise<Pick<Opened, 'thread' | 'created'>> {
  await folder.markOpen()
  if (!(await copySeed(seed, folder.clusterPath))) {
    log.info('Creating the embedded store, which takes some seconds')
    await prepareSeed(folder.clusterPath)
  }
  return { thread: await EngineThread.start(folder.clusterPath, clock), created: true }
}

/** Keeps one engine running until it is closed. */
class EngineSupervisor {
  readonly lost: Promise<StoreLostError>
  readonly #folder: StoreFolder
  readonly #clock: Clock
  readonly #log: EmbeddedOptions['log']
  #thread: EngineThread | undefined
  #startedAtMs = 0
  /** Starts in a row after which the engine did not live for long. */
  #attempts = 0
  #restarting: Promise<void> = Promise.resolve()
  #endPause: () => void = () => undefined
  #closing: Promise<void> | undefined
  #tellLost: (error: StoreLostError) => void = () => undefined
  #isLost = false
  /** Monotonic: until then nobody is let in from outside. */
  #outsideFromMs = 0
  /** Of the engines before this one. */
  #jobsHighWater = 0

  constructor(thread: EngineThread, folder: StoreFolder, { clock, log }: EmbeddedOptions) {
    this.#folder = folder
    this.#clock = clock
    this.#log = log
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve
    })
    this.#adopt(thread)
  }

  get jobsHighWater(): number {
    return Math.max(this.#jobsHighWater, this.#thread?.jobsHighWater ?? 0)
  }

  connect(): PortStream {
    const thread = this.#closing === undefined ? this.#thread : undefined
    return new PortStream(thread?.connect())
  }

  /** The same for programs that are not ours. */
  outside(): Room {
    return {
      closedBecause: () => this.#closedBecause(),
      connectStream: () => {
        const unread = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
        return new PortStream(this.#thread?.connect(unread), unread)
      },
    }
  }

  #closedBecause(): string | undefined {
    if (this.#thread === undefined) return 'the embedded store is starting'
    if (this.#clock.elapsedMs() >= this.#outsideFromMs) return undefined
    return 'a statement of another program took too long and could not be cancelled; wait half a minute'
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#endPause()
    await this.#restarting
    const isInOrder = (await this.#thread?.close()) ?? false
    if (this.#isLost) return
    if (isInOrder) await this.#folder.markClosed()
    else this.#log.warn('Embedded store closed without its last checkpoint')
  }

  #adopt(thread: EngineThread): void {
    this.#thread = thread
    this.#startedAtMs = this.#clock.elapsedMs()
    void thread.ended.then((reason) => this.#ended(reason))
  }

  #ended(reason: Error | undefined): void {
    if (this.#closing !== undefined) return
    this.#jobsHighWater = this.jobsHighWater
    this.#thread = undefined
    const isOutside = reason instanceof StatementOverrunError && reason.isOutside
    if (isUnreadable(reason)) {
      this.#restarting = this.#lose(reason)
      return
    }
    const nowMs = this.#clock.elapsedMs()
    if (isOutside) this.#outsideFromMs = nowMs + EMBEDDED_OUTSIDE_PAUSE_MS
    if (isOutside || nowMs - this.#startedAtMs > EMBEDDED_RESTART_MAX_MS) this.#attempts = 0
    this.#log.error({ err: reason }, 'Embedded store engine ended, starting it again')
    this.#restarting = this.#restart()
  }

  async #lose({ message }: Error): Promise<void> {
    this.#isLost = true
    this.#log.error({ reason: message }, 'Embedded store is damaged')
    try {
      await this.#folder.markDamaged(message)
    } catch (err) {
      this.#log.error({ err }, 'Embedded store could not be marked as damaged')
    }
    this.#tellLost(new StoreLostError(`the embedded store is damaged: ${message}`))
  }

  async #restart(): Promise<void> {
    while (this.#closing === undefined && this.#thread === undefined && !this.#isLost) {
      await this.#pause(this.#attempts++)
      if (this.#closing === undefined) await this.#tryToStart()
    }
  }

  async #tryToStart(): Promise<void> {
    try {
      this.#adopt(await EngineThread.start(this.#folder.clusterPath, this.#clock))
      this.#log.info('Embedded store engine started again')
    } catch (error) {
      this.#log.error({ err: error }, 'Embedded store engine did not start')
      if (isUnreadable(error)) await this.#lose(error)
    }
  }

  #pause(attempt: number): Promise<void> {
    const delayMs = backoffDelayMs(RESTART, attempt, () => 1)
    return new Promise((resolve) => {
      const cancel = this.#clock.after(delayMs, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }
}

const RESTART = { firstMs: EMBEDDED_RESTART_FIRST_MS, capMs: EMBEDDED_RESTART_MAX_MS }
