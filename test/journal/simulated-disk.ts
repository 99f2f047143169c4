/**
 * A disk in memory with a page cache: what was not synced may be gone after a power cut, a failed
 * sync loses what it should have written, and it can be full.
 */
import { dirname } from 'node:path'
import type { FolderEntry, JournalFile, JournalFiles, OpenMode } from '../../src/journal/files.ts'

class Inode {
  bytes = Buffer.alloc(0)
  durable = Buffer.alloc(0)
  /** Ranges that a failed sync left out; a later one does not make up for it. */
  readonly lost: (readonly [number, number])[] = []

  resize(length: number): void {
    const grown = Buffer.alloc(length)
    this.bytes.copy(grown)
    this.bytes = grown
  }

  sync(): void {
    this.durable = Buffer.from(this.bytes)
    const { length } = this.durable
    for (const [from, to] of this.lost) {
      this.durable.fill(0, Math.min(from, length), Math.min(to, length))
    }
  }
}

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}

export class SimulatedDisk implements JournalFiles {
  readonly files = new Map<string, Inode>()
  #durableFiles = new Map<string, Inode>()
  readonly #folders = new Set<string>()
  #life = 0
  capacityBytes = Number.POSITIVE_INFINITY
  /** So many of the next writes, syncs, opens and truncates fail with an I/O error. */
  failWrites = 0
  failSyncs = 0
  failOpens = 0
  failTruncates = 0
  /** A write takes at most so many bytes. */
  writeMaxBytes = Number.POSITIVE_INFINITY
  writes = 0
  nowMs = 0
  /** Every operation waits for this before it does anything. */
  gate: Promise<void> = Promise.resolve()

  get usedBytes(): number {
    return [...this.files.values()].reduce((sum, inode) => sum + inode.bytes.length, 0)
  }

  async open(path: string, mode: OpenMode): Promise<JournalFile> {
    await this.gate
    if (this.failOpens > 0) {
      this.failOpens--
      throw diskError('EIO')
    }
    const found = this.files.get(path)
    if (mode === 'create' && found) throw diskError('EEXIST')
    if (mode !== 'create' && !found) throw diskError('ENOENT')
    const inode = found ?? new Inode()
    this.files.set(path, inode)
    return this.#handle(inode)
  }

  async list(folder: string): Promise<FolderEntry[]> {
    const files = [...this.files].filter(([path]) => dirname(path) === folder)
    const folders = [...this.#folders].filter((path) => dirname(path) === folder)
    return [
      ...files.map(([path, { bytes }]) => this.#entry(folder, path, false, bytes.length)),
      ...folders.map((path) => this.#entry(folder, path, true, 0)),
    ]
  }

  async makeFolder(folder: string): Promise<void> {
    for (let path = folder; path !== dirname(path); path = dirname(path)) this.#folders.add(path)
  }

  async syncFolder(folder: string): Promise<void> {
    await this.gate
    for (const path of [...this.files.keys(), ...this.#durableFiles.keys()]) {
      if (dirname(path) !== folder) continue
      const inode = this.files.get(path)
      if (inode) this.#durableFiles.set(path, inode)
      else this.#durableFiles.delete(path)
    }
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path)
  }

  async freeBytes(): Promise<number> {
    return this.capacityBytes - this.usedBytes
  }

  async readText(path: string): Promise<string | undefined> {
    return this.files.get(path)?.bytes.toString()
  }

  async replaceText(path: string, text: string): Promise<void> {
    const inode = new Inode()
    inode.bytes = Buffer.from(text)
    if (this.usedBytes + inode.bytes.length > this.capacityBytes) throw diskError('ENOSPC')
    inode.sync()
    this.files.set(path, inode)
    this.#durableFiles.set(path, inode)
  }

  /** The disk as one process sees it: its operations end with the next power cut. */
  boot(): JournalFiles {
    const life = this.#life
    const alive = <A extends unknown[], T>(operation: (...args: A) => Promise<T>) => {
      return async (...args: A): Promise<T> => {
        if (life !== this.#life) throw diskError('EBADF')
        return operation.apply(this, args)
      }
    }
    return {
      open: alive(this.open),
      list: alive(this.list),
      makeFolder: alive(this.makeFolder),
      syncFolder: alive(this.syncFolder),
      remove: alive(this.remove),
      freeBytes: alive(this.freeBytes),
      readText: alive(this.readText),
      replaceText: alive(this.replaceText),
    }
  }

  /** The machine goes off and on again; `chance` (0 to 1) decides what of the unsynced is left. */
  powerCut(chance: () => number): void {
    this.#life++
    for (const [path, inode] of this.files) {
      if (!this.#durableFiles.has(path) && chance() < 0.5) this.files.delete(path)
      else leaveAfterPowerCut(inode, chance)
    }
    for (const [path, inode] of this.#durableFiles) {
      if (!this.files.has(path)) this.files.set(path, inode)
    }
    this.#durableFiles = new Map(this.files)
  }

  #entry(folder: string, path: string, isFolder: boolean, bytes: number): FolderEntry {
    return { name: path.slice(folder.length + 1), isFolder, bytes, modifiedMs: this.nowMs }
  }

  #handle(inode: Inode): JournalFile {
    const life = this.#life
    const alive = async () => {
      await this.gate
      if (life !== this.#life) throw diskError('EBADF')
    }
    return {
      write: async (buffers, position) => {
        await alive()
        return this.#write(inode, Buffer.concat(buffers), position)
      },
      read: async (into, position) => {
        await alive()
        return inode.bytes.copy(into, 0, position)
      },
      sync: async () => {
        await alive()
        this.#sync(inode)
      },
      truncate: async (bytes) => {
        await alive()
        if (this.failTruncates > 0) {
          this.failTruncates--
          throw diskError('EIO')
        }
        inode.resize(bytes)
      },
      close: async () => undefined,
    }
  }

  #write(inode: Inode, bytes: Buffer, position: number): number {
    this.writes++
    if (this.failWrites > 0) {
      this.failWrites--
      this.#put(inode, bytes.subarray(0, bytes.length >> 1), position)
      throw diskError('EIO')
    }
    const room = this.capacityBytes - this.usedBytes + inode.bytes.length - position
    const length = Math.min(bytes.length, room, this.writeMaxBytes)
    if (length <= 0) throw diskError('ENOSPC')
    this.#put(inode, bytes.subarray(0, length), position)
    return length
  }

  #put(inode: Inode, bytes: Buffer, position: number): void {
    if (position + bytes.length > inode.bytes.length) inode.resize(position + bytes.length)
    bytes.copy(inode.bytes, position)
  }

  #sync(inode: Inode): void {
    if (this.failSyncs > 0) {
      this.failSyncs--
      inode.lost.push([inode.durable.length, inode.bytes.length])
      throw diskError('EIO')
    }
    inode.sync()
  }
}

function leaveAfterPowerCut(inode: Inode, chance: () => number): void {
  const { durable, bytes } = inode
  const unsynced = Math.max(0, bytes.length - durable.length)
  const kept = Buffer.from(bytes.subarray(durable.length, durable.length + chance() * unsynced))
  // Pages reach the disk in any order: some of what is left may be zeros.
  if (chance() < 0.3) kept.fill(0, Math.floor(chance() * kept.length))
  if (chance() < 0.1) kept.fill(0, 0, Math.floor(chance() * kept.length))
  inode.bytes = Buffer.concat([durable, kept])
  inode.lost.length = 0
  inode.sync()
}
