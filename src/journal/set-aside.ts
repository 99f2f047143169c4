/**
 * Keeps a copy of damaged bytes beside their segment, for whoever wants to look into it. The segment
 * stays as it is: its readers pass over the damage and say what is lost.
 */
import type { Log } from '../kit/log.ts'
import { type JournalFiles, writeFully } from './files.ts'
import type { DamageItem } from './segment-reader.ts'

export interface SetAside extends DamageItem {
  readonly path: string
}

/** Copies the bytes to `<segment>.<offset>.damaged`. A copy that cannot be made is logged, no more. */
export async function setAside(files: JournalFiles, damage: SetAside, log: Log): Promise<void> {
  const copy = `${damage.path}.${damage.offset}.damaged`
  try {
    await copyRange(files, damage, copy)
  } catch (error) {
    log.error({ err: error, copy }, 'Damaged journal bytes could not be set aside')
  }
}

async function copyRange(files: JournalFiles, damage: SetAside, copy: string): Promise<void> {
  const bytes = new Uint8Array(damage.byteLength)
  const source = await files.open(damage.path, 'read')
  try {
    await source.read(bytes, damage.offset)
  } finally {
    await source.close()
  }
  await files.remove(copy)
  const target = await files.open(copy, 'create')
  try {
    await writeFully(target, [bytes], 0)
    await target.sync()
  } finally {
    await target.close()
  }
}
