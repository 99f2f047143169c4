import { describe, expect, it } from 'vitest'
import { LOG_START } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { until } from '../until.ts'
import {
  bench,
  clockRecord,
  controlBatch,
  instrument,
  range,
  read,
  readToEnd,
  START_MS,
  tickBatch,
} from './journal-fixture.ts'

const gap = {
  kind: 'gap_open' as const,
  gapId: 'g1',
  reason: 'disk_full' as const,
  account: null,
  connection: null,
  fromMs: START_MS,
  tokens: [1],
}

function writerOf(journal: Journal) {
  const writer = journal.status().partitions[0]?.writer
  if (!writer) throw new Error('no writer')
  return writer
}

describe('a full disk', () => {
  it('refuses ticks with a typed error and still takes the gap', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    disk.capacityBytes = disk.usedBytes + 50
    await expect(journal.append(0, tickBatch([2]))).rejects.toMatchObject({
      code: 'disk_full',
      retryable: true,
      retryAfterMs: 1_000,
    })
    expect(journal.status().isDiskFull).toBe(true)
    await expect(journal.append(0, tickBatch([3]))).rejects.toMatchObject({ code: 'disk_full' })
    await journal.append(0, controlBatch([gap]))
    const { tokens, controls, breaks } = await readToEnd(journal)
    expect(tokens).toEqual([1])
    expect(controls.at(-1)).toEqual(gap)
    expect(breaks).toEqual([])
  })

  it('takes the control records that waited with the ticks it refuses', async () => {
    const { open, disk } = bench()
    const journal = await open()
    disk.capacityBytes = disk.usedBytes + 50
    const outcomes = await Promise.allSettled([
      journal.append(0, tickBatch([1])),
      journal.append(0, controlBatch([gap])),
      journal.append(0, tickBatch([2])),
      journal.append(0, controlBatch([clockRecord])),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    const { controls, tokens, breaks } = await readToEnd(journal)
    expect([tokens, breaks]).toEqual([[], []])
    expect(controls.slice(1)).toEqual([gap, clockRecord])
  })

  it('takes ticks again when there is room for the reserve', async () => {
    const { open, disk, clock } = bench()
    const journal = await open()
    disk.capacityBytes = disk.usedBytes + 50
    await expect(journal.append(0, tickBatch([1]))).rejects.toThrow()
    clock.advance(1_000)
    await expect(journal.append(0, tickBatch([2]))).rejects.toThrow()
    disk.capacityBytes += 100_000
    await until(() => {
      clock.advance(1_000)
      return !journal.status().isDiskFull
    })
    await journal.append(0, tickBatch([3]))
    expect((await readToEnd(journal)).tokens).toEqual([3])
    expect(disk.files.get('/journal/t1/reserve')?.bytes).toHaveLength(4_000)
  })

  it('tears no batch, and the next start finds everything that was acknowledged', async () => {
    const { open, disk } = bench()
    const journal = await open()
    disk.capacityBytes = disk.usedBytes + 20_000
    const kept: number[] = []
    for (const token of range(1, 400)) {
      await journal.append(0, tickBatch([token])).then(
        () => kept.push(token),
        (error: unknown) => expect(error).toMatchObject({ code: 'disk_full' }),
      )
    }
    await journal.append(0, controlBatch([gap]))
    await journal.close()
    expect(kept.length).toBeGreaterThan(100)
    expect(kept.length).toBeLessThan(300)
    const second = await open()
    expect(second.recovered.get(0)).toMatchObject({ cutBytes: 0, openGaps: [gap] })
    const { tokens, breaks } = await readToEnd(second)
    expect(tokens).toEqual(kept)
    expect(breaks).toEqual([])
    expect(second.status().damaged).toEqual([])
  })

  it('from the start lets the journal begin its epoch from the reserve', async () => {
    const { open, disk } = bench()
    await (await open()).close()
    disk.capacityBytes = disk.usedBytes
    const journal = await open()
    await journal.append(0, controlBatch([gap]))
    expect(journal.status().isDiskFull).toBe(true)
  })
})

describe('a failed write', () => {
  it('is typed, and the next batch goes into a new segment', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    disk.failWrites = 1
    await expect(journal.append(0, tickBatch([2]))).rejects.toMatchObject({
      code: 'write_failed',
      retryable: true,
    })
    await journal.append(0, tickBatch([3]))
    const { tokens, breaks } = await readToEnd(journal)
    expect(tokens).toEqual([1, 3])
    expect(breaks).toEqual([])
    await journal.close()
    const reading = await readToEnd(await open())
    expect(reading.tokens).toEqual([1, 3])
    expect(reading.breaks).toEqual([])
  })

  it('is tried again after a while when no new segment can be begun either', async () => {
    const { open, disk, clock } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    disk.failWrites = 1
    disk.failOpens = 1
    await expect(journal.append(0, tickBatch([2]))).rejects.toMatchObject({ code: 'write_failed' })
    await expect(journal.append(0, tickBatch([3]))).rejects.toMatchObject({ code: 'write_failed' })
    clock.advance(1_000)
    await journal.append(0, tickBatch([4]))
    const { tokens, breaks } = await readToEnd(journal)
    expect(tokens).toEqual([1, 4])
    expect(breaks).toEqual([])
  })
})

describe('a failed sync', () => {
  it('has a new segment take over what was not synced, without loss', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(1) }]))
    await journal.append(0, tickBatch([1]))
    await journal.sync()
    await journal.append(0, tickBatch([2]))
    await journal.append(0, tickBatch([3]))
    disk.failSyncs = 1
    await journal.sync()
    await journal.append(0, tickBatch([4]))
    await journal.sync()
    expect(writerOf(journal)).toMatchObject({ failedSyncs: 1, unsyncedBytes: 0 })
    disk.powerCut(() => 0)
    const second = await open()
    expect(second.recovered.get(0)?.instruments).toEqual([instrument(1)])
    const { tokens, breaks } = await readToEnd(second)
    expect(tokens).toEqual([1, 2, 3, 4])
    expect(breaks).toEqual([])
  })

  it('costs a live reader nothing', async () => {
    const { open, disk } = bench()
    const journal = await open()
    const live = read(journal)
    await until(() => journal.status().partitions[0]?.readers[0]?.isLive === true)
    for (const token of range(1, 40)) {
      await journal.append(0, tickBatch([token]))
      if (token % 7 === 0) disk.failSyncs = 1
      if (token % 5 === 0) await journal.sync()
    }
    await journal.stopWriting()
    const { tokens, breaks } = await live
    expect(tokens).toEqual(range(1, 40))
    expect(breaks).toEqual([])
  })

  it('of a file that cannot even be cut leaves no record twice', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1, 2]))
    disk.failSyncs = 1
    disk.failTruncates = 1
    await journal.sync()
    await journal.append(0, tickBatch([3]))
    expect((await readToEnd(journal)).tokens).toEqual([1, 2, 3])
    await journal.close()
    const { tokens, breaks } = await readToEnd(await open())
    expect(tokens).toEqual([1, 2, 3])
    expect(breaks).toEqual([])
  })

  it('before the end of the journal is made good by a new segment', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    disk.failSyncs = 1
    await journal.close()
    disk.powerCut(() => 0)
    expect((await readToEnd(await open(), LOG_START)).tokens).toEqual([1])
  })
})
