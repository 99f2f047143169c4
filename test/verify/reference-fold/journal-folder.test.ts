import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { partitionFolder, segmentFileName } from '../../../src/journal/segment.ts'
import { readJournalFolder } from './journal-folder.ts'
import { covered, FUTURE, fold, packet, WrittenLog } from './written-log.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fostream-reference-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const log = new WrittenLog()
log.write([covered([FUTURE], '10:00')])
log.write([packet(FUTURE, { price: 100, exchange: '10:00:10', trade: '10:00:10' })])

function writeSegment(...parts: readonly Uint8Array[]): void {
  const folder = partitionFolder(join(dir, 't1'), 0)
  mkdirSync(folder, { recursive: true })
  const name = segmentFileName({ epoch: 1, firstSequence: 1, revision: 0 })
  writeFileSync(join(folder, name), Buffer.concat(parts))
}

describe('a journal folder', () => {
  it('is folded like the batches that it holds, without a torn tail', async () => {
    const parts = log.batches.map(({ bytes }) => bytes)
    writeSegment(...parts, parts[0]?.subarray(0, 30) ?? new Uint8Array())
    const reference = fold(await readJournalFolder(dir))
    expect(reference.futuresBars).toMatchObject([{ close: 100 }])
    expect(reference).toEqual(fold(log.batches))
  })

  it('that is damaged in the middle is refused', async () => {
    const parts = log.batches.map(({ bytes }) => bytes.slice())
    parts[1]?.fill(0, 40, 60)
    writeSegment(...parts)
    await expect(readJournalFolder(dir)).rejects.toThrow('damaged after sequence 7')
  })
})
