/**
 * What a journal folder says about itself (`journal.json`): whose log it is, of which feed, in how
 * many partitions, and the last epoch that was begun.
 */
import { join } from 'node:path'
import type { Feed } from '../contract/journal-record.ts'
import type { JournalFiles } from './files.ts'
import { JournalError } from './journal-error.ts'

const STAMP_NAME = 'journal.json'
const STAMP_FORMAT = 1

export interface JournalStamp {
  readonly format: number
  readonly producer: string
  readonly feed: Feed
  readonly partitions: number
  readonly lastEpoch: number
}

/** Undefined in a folder that was never used. Throws `wrong_feed` or `unknown_version`. */
export async function readStamp(
  files: JournalFiles,
  folder: string,
  feed: Feed,
): Promise<JournalStamp | undefined> {
  const text = await files.readText(join(folder, STAMP_NAME))
  if (text === undefined) return undefined
  const stamp = JSON.parse(text) as JournalStamp
  if (stamp.format !== STAMP_FORMAT) {
    const versions = `format version ${stamp.format}, this program reads version ${STAMP_FORMAT}`
    throw new JournalError('unknown_version', `the journal in ${folder} has ${versions}`)
  }
  if (stamp.feed !== feed) {
    const feeds = `the ${stamp.feed} feed, this start is for the ${feed} feed`
    throw new JournalError('wrong_feed', `the journal in ${folder} holds ${feeds}`)
  }
  return stamp
}

export async function writeStamp(
  files: JournalFiles,
  folder: string,
  stamp: Omit<JournalStamp, 'format'>,
): Promise<void> {
  const text = JSON.stringify({ format: STAMP_FORMAT, ...stamp })
  await files.replaceText(join(folder, STAMP_NAME), `${text}\n`)
}
