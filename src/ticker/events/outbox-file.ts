/**
 * The outbox's file: one line an event, and marks of what need not be told any more.
 *
 *   fostream outbox 1
 *   8d0e1f22 {"event_id":"1795405200-17",…}
 *   1b5a77c0 {"told":"1795405200-17"}
 *
 * Lines are appended, each with its checksum; one that a crash has left torn or damaged is left out.
 * The file is written anew, as a whole, where it has grown too long for what it holds, and after a
 * failure, since nobody knows how it ends then.
 */
import { type FileHandle, open, rename } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { compareEventIds } from '../../contract/events.ts'
import { readWhole, replaceFile } from '../../kit/replace-file.ts'
import { OUTBOX_COMPACT_BYTES } from '../../limits.ts'

const FORMAT = 'fostream outbox 1'
const LINE = /^([0-9a-f]{8}) (.*)$/

/** An event as it is sent. */
export interface OutboxEntry {
  readonly id: string
  readonly text: string
}

export interface OutboxContent {
  /** What is owed, oldest first. */
  readonly entries: readonly OutboxEntry[]
  /** The newest event that ever was in it; undefined where there was none. */
  readonly newestId: string | undefined
}

export class OutboxFile {
  readonly #path: string
  #handle: FileHandle | undefined
  #bytes = 0
  #bytesWhenReplaced = 0
  /** What it ends with is known to be whole lines. */
  #isSound = false

  constructor(path: string) {
    this.#path = path
  }

  /** Throws where it is another kind of file or cannot be read. */
  async load(): Promise<OutboxContent & { readonly damagedLines: number }> {
    const [format, ...lines] = ((await readWhole(this.#path)) ?? FORMAT).split('\n')
    if (format !== FORMAT) throw new Error(`${this.#path} is not an outbox`)
    return contentOf(lines.filter((line) => line !== ''))
  }

  /** What cannot be read is kept for whoever looks into it. */
  async setAside(): Promise<void> {
    await rename(this.#path, `${this.#path}.unreadable`)
  }

  /** Adds events to what was there; `content` is all of it, these among it. Rejects where they are not on the disk. */
  async append(added: readonly OutboxEntry[], content: () => OutboxContent): Promise<void> {
    if (this.#mustReplace()) return this.replace(content())
    await this.#write(added.map(({ text }) => lineOf(text)).join(''))
    await this.#handle?.datasync()
  }

  /** Notes that nothing up to `id` is owed; not synced, since a lost mark costs no more than a repetition. */
  async mark(id: string, content: () => OutboxContent): Promise<void> {
    if (this.#mustReplace()) return this.replace(content())
    await this.#write(markOf(id))
  }

  async replace({ entries, newestId }: OutboxContent): Promise<void> {
    await this.close()
    const isEmpty = entries.length === 0 && newestId !== undefined
    const lines = isEmpty ? [markOf(newestId)] : entries.map(({ text }) => lineOf(text))
    const text = `${FORMAT}\n${lines.join('')}`
    await replaceFile(this.#path, text)
    this.#handle = await open(this.#path, 'a')
    this.#bytes = Buffer.byteLength(text)
    this.#bytesWhenReplaced = this.#bytes
    this.#isSound = true
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    this.#isSound = false
    await handle?.close()
  }

  #mustReplace(): boolean {
    return !this.#isSound || this.#bytes > 2 * this.#bytesWhenReplaced + OUTBOX_COMPACT_BYTES
  }

  async #write(text: string): Promise<void> {
    this.#isSound = false
    await this.#handle?.appendFile(text)
    this.#bytes += Buffer.byteLength(text)
    this.#isSound = true
  }
}

function contentOf(lines: readonly string[]): OutboxContent & { damagedLines: number } {
  let entries: OutboxEntry[] = []
  let newestId: string | undefined
  let damagedLines = 0
  for (const line of lines) {
    const text = checkedText(line)
    if (text === undefined) {
      damagedLines++
      continue
    }
    const { event_id, told } = JSON.parse(text) as { event_id?: string; told?: string }
    if (told !== undefined) entries = entries.filter(({ id }) => compareEventIds(id, told) > 0)
    if (event_id !== undefined) entries.push({ id: event_id, text })
    newestId = event_id ?? newestId ?? told
  }
  return { entries, newestId, damagedLines }
}

function lineOf(text: string): string {
  return `${checksumOf(text)} ${text}\n`
}

function markOf(id: string): string {
  return lineOf(JSON.stringify({ told: id }))
}

function checkedText(line: string): string | undefined {
  const [, checksum, text] = LINE.exec(line) ?? []
  return text !== undefined && checksum === checksumOf(text) ? text : undefined
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
