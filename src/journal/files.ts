/**
 * The file operations that the journal needs, so that a test can put a disk in their place that is
 * full, fails, or loses what was not synced.
 */

import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhole, replaceFile, syncFolder } from '../kit/replace-file.ts'
import { isMissing } from './journal-error.ts'

export interface JournalFile {
  /** Writes at `position`; returns how many bytes were written, which may be fewer than given. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>
  /** Fills `into` from `position` on; returns how many bytes there were. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Forces the file's bytes to the disk. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

export interface FolderEntry {
  readonly name: string
  readonly isFolder: boolean
  readonly bytes: number
  readonly modifiedMs: number
}

/** `create` fails where the file exists. */
export type OpenMode = 'read' | 'update' | 'create'

export interface JournalFiles {
  open(path: string, mode: OpenMode): Promise<JournalFile>
  /** Files and folders in `folder`; none where it does not exist. */
  list(folder: string): Promise<FolderEntry[]>
  makeFolder(folder: string): Promise<void>
  /** Forces the folder's entries to the disk. */
  syncFolder(folder: string): Promise<void>
  /** Removes a file; no error where there is none. */
  remove(path: string): Promise<void>
  /** Bytes that can still be written on the disk that holds `folder`. */
  freeBytes(folder: string): Promise<number>
  /** Undefined where there is no such file. */
  readText(path: string): Promise<string | undefined>
  /** Puts `text` in the file's place at once: the old or the new text is there, never a part. */
  replaceText(path: string, text: string): Promise<void>
}

const FLAGS = { read: 'r', update: 'r+', create: 'wx+' } as const

export const nodeFiles: JournalFiles = {
  async open(path, mode) {
    return new NodeFile(await open(path, FLAGS[mode]))
  },

  async list(folder) {
    const names = await readdir(folder).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    const entries = await Promise.all(names.map((name) => entryOf(folder, name)))
    return entries.filter((entry) => entry !== undefined)
  },

  async makeFolder(folder) {
    await mkdir(folder, { recursive: true })
  },

  syncFolder,

  async remove(path) {
    await rm(path, { force: true })
  },

  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },

  readText: readWhole,
  replaceText: replaceFile,
}

/** Undefined for what was removed since the folder was read. */
async function entryOf(folder: string, name: string): Promise<FolderEntry | undefined> {
  try {
    const entry = await stat(join(folder, name))
    const { size, mtimeMs } = entry
    return { name, isFolder: entry.isDirectory(), bytes: size, modifiedMs: mtimeMs }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

class NodeFile implements JournalFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    return (await this.#handle.writev(buffers, position)).bytesWritten
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Writes all of `buffers` at `position`, in as many writes as it takes; returns their bytes. */
export async function writeFully(
  file: JournalFile,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<number> {
  let rest = buffers
  let written = 0
  while (rest.length > 0) {
    const count = await file.write(rest, position + written)
    if (count === 0) throw new Error('the disk took nothing of what was written')
    written += count
    rest = withoutFirst(rest, count)
  }
  return written
}

function withoutFirst(buffers: readonly Uint8Array[], byteCount: number): readonly Uint8Array[] {
  let missing = byteCount
  let index = 0
  for (; index < buffers.length; index++) {
    const { length } = buffers[index] as Uint8Array
    if (missing < length) break
    missing -= length
  }
  if (missing === 0) return buffers.slice(index)
  return [(buffers[index] as Uint8Array).subarray(missing), ...buffers.slice(index + 1)]
}
