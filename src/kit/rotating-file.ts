/**
 * A file for lines that is rotated by size: `backend.log` becomes `backend.log.1`, that `.2`, and so
 * on up to a cap. Written synchronously, so that the last line before a crash is there. A full disk
 * must not stop a role: lines that cannot be written are counted and the count is written later.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

export interface RotatingFileOptions {
  readonly path: string
  readonly maxBytes: number
  /** Rotated files kept beside the current one. */
  readonly filesKept: number
  /** The line that tells how many lines were lost, written when writing works again. */
  readonly lossLine: (lostLines: number) => string
}

export class RotatingFile {
  readonly #options: RotatingFileOptions
  #descriptor: number | undefined
  #bytes = 0
  #lostLines = 0

  /** Throws when the folder or the file cannot be made: a role without its log must not start. */
  constructor(options: RotatingFileOptions) {
    this.#options = options
    mkdirSync(dirname(options.path), { recursive: true })
    this.#open()
  }

  /** Lines not written since writing last worked. */
  get lostLines(): number {
    return this.#lostLines
  }

  /** Appends `line`, which ends with a line break. */
  write(line: string): void {
    try {
      if (this.#lostLines > 0) this.#append(this.#options.lossLine(this.#lostLines))
      this.#lostLines = 0
      this.#append(line)
    } catch {
      // The log cannot tell of its own failure: the count is told when it can. Opened anew, the file
      // is looked at for half a line.
      this.#lostLines += 1
      this.close()
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #append(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#options.maxBytes) this.#rotate()
    const descriptor = this.#descriptor ?? this.#open()
    let written = 0
    while (written < bytes.length) written += writeSync(descriptor, bytes, written)
    this.#bytes += bytes.length
  }

  #open(): number {
    const descriptor = openSync(this.#options.path, 'a+')
    this.#descriptor = descriptor
    this.#bytes = fstatSync(descriptor).size
    if (endsInsideALine(descriptor, this.#bytes)) this.#bytes += writeSync(descriptor, '\n')
    return descriptor
  }

  #rotate(): void {
    const { path, filesKept } = this.#options
    this.close()
    rmSync(`${path}.${filesKept}`, { force: true })
    for (let number = filesKept - 1; number >= 1; number -= 1) {
      renameWherePresent(`${path}.${number}`, `${path}.${number + 1}`)
    }
    renameWherePresent(path, `${path}.1`)
  }
}

/** A crash or a full disk may have left half a line. */
function endsInsideALine(descriptor: number, size: number): boolean {
  const last = Buffer.alloc(1)
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
}

function renameWherePresent(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
