import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FolderJournal } from '../../src/journal/folder-journal.ts'
import { partitionFolder, segmentFileName } from '../../src/journal/segment.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fostream-journal-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('a journal folder tells how many bytes of batches each partition has', async () => {
  const segment = (epoch: number) => segmentFileName({ epoch, firstSequence: 1, revision: 0 })
  const files: [partition: number, name: string, bytes: number][] = [
    [0, segment(7), 100],
    [0, segment(8), 23],
    [0, 'no-segment.txt', 1_000],
    [1, segment(8), 4],
  ]
  for (const [partition, name, bytes] of files) {
    const at = partitionFolder(join(folder, 't1'), partition)
    await mkdir(at, { recursive: true })
    await writeFile(join(at, name), new Uint8Array(bytes))
  }
  const [journal] = await FolderJournal.openAll(folder)
  expect(await journal?.bytes(0)).toBe(123)
  expect(await journal?.bytes(1)).toBe(4)
})
