/**
 * The file of the own copy: groups of lines, each of which was saved in one go and counts as a whole or
 * not at all. Of a subscription the last line counts; an event that is not told yet stands in the group
 * of the decision that it tells of, so that a crash cannot part them.
 *
 *   fostream subscriptions 3
 *   {"instrument":{…},"mode":"full",…}
 *   {"untold":{"event_id":"1795405200-17",…}}
 *   {"saved":"8d0e1f22"}                        checksum of the group's lines, and its end
 *   …
 *
 * Groups are appended. The file is written anew, as a whole, where it has grown too long for what it
 * holds, and by the first write of a process and after a failure, since nobody knows how it ends then.
 * Two older formats, without groups, are read.
 */
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { LifecycleEvent } from '../../contract/events.ts'
import { readWhole, replaceFile } from '../../kit/replace-file.ts'
import { OWN_COPY_COMPACT_BYTES, OWN_COPY_LINES_A_TURN } from '../../limits.ts'
import { keyOf, type Subscription } from './subscription.ts'

const FORMAT = 'fostream subscriptions 3'
const FORMATS_WITHOUT_GROUPS = ['fostream subscriptions 2', 'fostream subscriptions 1']
const SAVED = '{"saved":'

/** What is saved in one go. */
export interface SavedGroup {
  readonly subscriptions: readonly Subscription[]
  /** Events that only this file keeps until they are told, oldest first. */
  readonly untold: readonly LifecycleEvent[]
}

export interface OwnCopyContent extends SavedGroup {
  /** Groups that a crash has left torn, or that were damaged later. */
  readonly damagedGroups: number
}

/** @throws Error where `text` is no own copy, or its first group, which held everything, is damaged */
export function parseOwnCopy(text: string): OwnCopyContent {
  const [format = '', ...rest] = text.split('\n')
  const lines = rest.filter((line) => line !== '')
  if (FORMATS_WITHOUT_GROUPS.includes(format)) return { ...contentOf(lines), damagedGroups: 0 }
  if (format !== FORMAT) throw new Error('it is not a copy of subscriptions')
  const { sound, damagedGroups } = soundLines(lines)
  return { ...contentOf(sound), damagedGroups }
}

export class OwnCopyFile {
  readonly #path: string
  #handle: FileHandle | undefined
  #bytes = 0
  #bytesWhenReplaced = 0
  /** What it ends with is known to be a whole group. */
  #isSound = false

  constructor(path: string) {
    this.#path = path
  }

  /** Whether the next write has to be a `replace`. */
  get mustReplace(): boolean {
    return !this.#isSound || this.#bytes > 2 * this.#bytesWhenReplaced + OWN_COPY_COMPACT_BYTES
  }

  /** Undefined where there is none. Throws where it cannot be read. */
  async load(): Promise<OwnCopyContent | undefined> {
    const text = await readWhole(this.#path)
    return text === undefined ? undefined : parseOwnCopy(text)
  }

  /** Resolves when the group is on the disk; rejects where it is not known to be. */
  async append(group: SavedGroup): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) throw new Error('there is nothing to append to')
    this.#isSound = false
    await writeFile(handle, this.#counted(groupInPieces(group)))
    await handle.datasync()
    this.#isSound = true
  }

  /** Puts a file in its place that holds nothing but `group`. */
  async replace(group: SavedGroup): Promise<void> {
    await this.close()
    this.#bytes = 0
    await replaceFile(this.#path, this.#counted(wholeInPieces(group)))
    this.#handle = await open(this.#path, 'a')
    this.#bytesWhenReplaced = this.#bytes
    this.#isSound = true
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    this.#isSound = false
    await handle?.close()
  }

  *#counted(pieces: Iterable<string>): Generator<string> {
    for (const piece of pieces) {
      this.#bytes += Buffer.byteLength(piece)
      yield piece
    }
  }
}

function* wholeInPieces(group: SavedGroup): Generator<string> {
  yield `${FORMAT}\n`
  yield* groupInPieces(group)
}

function* groupInPieces({ subscriptions, untold }: SavedGroup): Generator<string> {
  let checksum = 0
  for (const items of [subscriptions, untold.map((event) => ({ untold: event }))]) {
    for (let at = 0; at < items.length; at += OWN_COPY_LINES_A_TURN) {
      const some = items.slice(at, at + OWN_COPY_LINES_A_TURN)
      const piece = some.map((item) => `${JSON.stringify(item)}\n`).join('')
      checksum = crc32(piece, checksum)
      yield piece
    }
  }
  yield `${JSON.stringify({ saved: textOf(checksum) })}\n`
}

function soundLines(lines: readonly string[]): { sound: string[]; damagedGroups: number } {
  const sound: string[] = []
  let group: string[] = []
  let damagedGroups = 0
  let isFirst = true
  for (const line of lines) {
    if (!line.startsWith(SAVED)) {
      group.push(line)
      continue
    }
    const checksum = group.reduce((sum, each) => crc32(`${each}\n`, sum), 0)
    if (line === JSON.stringify({ saved: textOf(checksum) }))
      for (const each of group) sound.push(each)
    else if (isFirst) throw new Error('the copy of subscriptions is damaged')
    else damagedGroups++
    group = []
    isFirst = false
  }
  return { sound, damagedGroups: damagedGroups + (group.length > 0 ? 1 : 0) }
}

function contentOf(lines: readonly string[]): SavedGroup {
  const subscriptions = new Map<string, Subscription>()
  const untold: LifecycleEvent[] = []
  for (const line of lines) {
    const item = JSON.parse(line) as Subscription | { readonly untold: LifecycleEvent }
    if ('untold' in item) untold.push(item.untold)
    else subscriptions.set(keyOf(item), item)
  }
  return { subscriptions: [...subscriptions.values()], untold }
}

function textOf(checksum: number): string {
  return checksum.toString(16).padStart(8, '0')
}
