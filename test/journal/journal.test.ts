import { describe, expect, it } from 'vitest'
import { renumberBatch } from '../../src/contract/journal-batch.ts'
import { LOG_START } from '../../src/contract/journal-record.ts'
import { JournalError } from '../../src/journal/journal-error.ts'
import { until } from '../until.ts'
import {
  bench,
  clockRecord,
  controlBatch,
  instrument,
  Reading,
  range,
  read,
  readToEnd,
  START_MS,
  tickBatch,
} from './journal-fixture.ts'

describe('an opened journal', () => {
  it('begins an epoch that names the one before it', async () => {
    const { open } = bench()
    const first = await open()
    await first.append(0, tickBatch([1, 2, 3]))
    await first.close()
    const second = await open()
    const { controls, breaks } = await readToEnd(second)
    expect(first.epoch).toBe(START_MS / 1000)
    expect(second.epoch).toBe(first.epoch + 1)
    expect(breaks).toEqual([])
    expect(controls).toEqual([
      {
        kind: 'epoch_start',
        feed: 'simulated',
        previousEpoch: 0,
        previousLastSequence: 0,
        wallTimeMs: START_MS,
      },
      expect.objectContaining({ previousEpoch: first.epoch, previousLastSequence: 4 }),
    ])
  })

  it('begins a later epoch although the wall clock went back and the log is gone', async () => {
    const { open, disk } = bench()
    const first = await open()
    await first.close()
    for (const path of disk.files.keys()) if (path.endsWith('.seg')) disk.files.delete(path)
    expect((await open()).epoch).toBe(first.epoch + 1)
  })

  it('tells what the epoch before left behind', async () => {
    const { open } = bench()
    const first = await open()
    await first.append(
      0,
      controlBatch([
        { kind: 'instrument', instrument: instrument(7) },
        { kind: 'covered', begin: [{ token: 7, mode: 'full', fromMs: START_MS }], end: [] },
        {
          kind: 'gap_open',
          gapId: 'g1',
          reason: 'mute',
          account: null,
          connection: null,
          fromMs: START_MS,
          tokens: [8],
        },
      ]),
    )
    await first.append(0, tickBatch([7, 9]))
    await first.close()
    const second = await open()
    expect(second.recovered.get(0)).toEqual({
      last: { epoch: first.epoch, sequence: 6 },
      lastWithTick: { epoch: first.epoch, sequence: 6 },
      lastMarketTimeMs: START_MS,
      lastReceivedAtMs: START_MS + 9,
      knownUntilMs: [START_MS],
      instruments: [instrument(7)],
      covered: [{ token: 7, mode: 'full', fromMs: START_MS }],
      openGaps: [expect.objectContaining({ gapId: 'g1', tokens: [8] })],
      hasEnded: false,
      cutBytes: 0,
    })
  })

  it('refuses the folder of the other feed', async () => {
    const { open } = bench()
    await (await open()).close()
    await expect(open({ feed: 'kite' })).rejects.toMatchObject({
      code: 'wrong_feed',
      message: expect.stringMatching(/simulated.*kite/),
    })
  })

  it('takes another number of partitions only when the old log is committed', async () => {
    const { open } = bench({ partitions: 2 })
    const first = await open()
    const { epoch, firstSequence } = await first.append(1, tickBatch([5], 1))
    await first.close()
    await expect(open({ partitions: 4 })).rejects.toMatchObject({ code: 'partitions_changed' })
    const second = await open()
    second.committed('backend', 0, LOG_START)
    second.committed('backend', 1, { epoch, sequence: firstSequence })
    await second.close()
    const third = await open({ partitions: 4 })
    expect(third.status().partitions.map(({ newest }) => newest.sequence)).toEqual([1, 1, 1, 1])
    await third.close()
    const fourth = await open({ partitions: 1 })
    const retired = await read(fourth, LOG_START, undefined, 1)
    expect(retired.tokens).toEqual([5])
  })

  it('lets its folder go when it cannot open', async () => {
    let held = 0
    const lock = async (folder: string) => {
      held++
      return { folder, release: async () => void held-- }
    }
    const { open } = bench({ acquireLock: lock })
    await (await open()).close()
    await expect(open({ feed: 'kite' })).rejects.toThrow(JournalError)
    expect(held).toBe(0)
  })
})

describe('an appended batch', () => {
  it('gets its place in the log, whatever its builder thought', async () => {
    const journal = await bench().open()
    const headers = await Promise.all([
      journal.append(0, tickBatch([1, 2, 3])),
      journal.append(0, tickBatch([4])),
      journal.append(0, controlBatch([clockRecord, clockRecord])),
    ])
    expect(headers.map((header) => [header.epoch, header.firstSequence])).toEqual([
      [journal.epoch, 2],
      [journal.epoch, 5],
      [journal.epoch, 6],
    ])
    expect((await readToEnd(journal)).tokens).toEqual([1, 2, 3, 4])
  })

  it('is seen by nobody before it is in the file', async () => {
    const { open, disk } = bench()
    const journal = await open()
    const reading = new Reading()
    const abort = new AbortController()
    const done = (async () => {
      for await (const item of journal.tail(0, LOG_START, abort.signal)) reading.add(item)
    })()
    await until(() => journal.status().partitions[0]?.readers[0]?.isLive === true)
    let openGate: () => void = () => undefined
    disk.gate = new Promise((resolve) => {
      openGate = resolve
    })
    const appended = journal.append(0, tickBatch([1]))
    await new Promise((resolve) => setImmediate(resolve))
    expect(reading.tokens).toEqual([])
    openGate()
    await appended
    await until(() => reading.tokens.length === 1)
    abort.abort()
    await done
  })

  it('goes into the file whole although the disk takes little at a time', async () => {
    const { open, disk } = bench()
    const journal = await open()
    disk.writeMaxBytes = 7
    await Promise.all([journal.append(0, tickBatch([1, 2])), journal.append(0, tickBatch([3]))])
    expect((await readToEnd(journal)).tokens).toEqual([1, 2, 3])
  })

  it('is written together with those that waited', async () => {
    const { open, disk } = bench({ limits: { reserveBytes: 100 } })
    const journal = await open()
    const before = disk.writes
    await Promise.all(range(1, 100).map((token) => journal.append(0, tickBatch([token]))))
    expect(disk.writes - before).toBeLessThanOrEqual(2)
    expect((await readToEnd(journal)).tokens).toEqual(range(1, 100))
  })

  it('is refused when too much is waiting', async () => {
    const { open } = bench({ limits: { pendingMaxBytes: 1_000, reserveBytes: 100 } })
    const journal = await open()
    const outcomes = await Promise.allSettled(
      range(1, 20).map((token) => journal.append(0, tickBatch([token]))),
    )
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(5)
    expect(refused[0]?.reason).toMatchObject({ code: 'overloaded', retryable: true })
    expect((await readToEnd(journal)).tokens).toHaveLength(20 - refused.length)
    expect(journal.status().partitions[0]?.writer?.refusedBatches).toBe(refused.length)
  })

  it('that is none, or of another partition, is a programmer’s error', async () => {
    const journal = await bench({ partitions: 2 }).open()
    expect(() => journal.append(0, new Uint8Array(100))).toThrow('must be a batch')
    expect(() => journal.append(0, tickBatch([1], 1))).toThrow('partition')
    expect(() => journal.append(5, tickBatch([1], 5))).toThrow('no partition 5')
  })

  it('is refused after the end', async () => {
    const journal = await bench().open()
    await journal.close()
    await expect(journal.append(0, tickBatch([1]))).rejects.toMatchObject({
      code: 'closed',
      retryable: false,
    })
  })
})

describe('a segment', () => {
  it('repeats what is known, so that it can be read alone', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(
      0,
      controlBatch([
        { kind: 'instrument', instrument: instrument(1) },
        { kind: 'instrument', instrument: instrument(2) },
        { kind: 'covered', begin: [{ token: 1, mode: 'full', fromMs: START_MS }], end: [] },
      ]),
    )
    for (const token of range(1, 60)) await journal.append(0, tickBatch([token]))
    const { segments, oldest } = journal.status().partitions[0] ?? {}
    expect(segments).toBeGreaterThan(2)
    expect(oldest).toEqual({ epoch: journal.epoch, sequence: 0 })

    const paths = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
    await journal.close()
    for (const path of paths.slice(0, -1)) disk.files.delete(path)
    const second = await open()
    expect(second.recovered.get(0)).toMatchObject({
      instruments: [instrument(1), instrument(2)],
      covered: [{ token: 1, mode: 'full', fromMs: START_MS }],
    })
    const reading = await readToEnd(second)
    expect(reading.openings[0]?.instruments).toEqual([])
    expect(reading.controls.slice(0, 3)).toEqual([
      { kind: 'instrument', instrument: instrument(1) },
      { kind: 'instrument', instrument: instrument(2) },
      { kind: 'covered', begin: [{ token: 1, mode: 'full', fromMs: START_MS }], end: [] },
    ])
  })

  it('is followed by another when it is old', async () => {
    const { open, clock } = bench({ limits: { segmentMaxAgeMs: 60_000, reserveBytes: 100 } })
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    clock.advance(60_000)
    await journal.append(0, tickBatch([2]))
    expect(journal.status().partitions[0]?.segments).toBe(2)
    expect((await readToEnd(journal)).breaks).toEqual([])
  })

  it('goes when it is committed and old, not before', async () => {
    const { open, clock } = bench({ maxAgeMs: 60_000 })
    const journal = await open()
    for (const token of range(1, 100)) await journal.append(0, tickBatch([token]))
    clock.advance(120_000)
    await journal.deleteOldSegments()
    expect(journal.status().partitions[0]?.oldest.sequence).toBe(0)
    journal.committed('backend', 0, { epoch: journal.epoch, sequence: 50 })
    await journal.deleteOldSegments()
    const { oldest } = journal.status().partitions[0] ?? {}
    expect(oldest?.sequence).toBeGreaterThan(0)
    expect(oldest?.sequence).toBeLessThanOrEqual(50)
    expect(journal.status().lostSegments).toBe(0)
    const reading = await readToEnd(journal)
    expect(reading.openings[0]?.oldest).toEqual(oldest)
    expect(reading.tokens[0]).toBe(oldest?.sequence)
  })

  it('goes uncommitted when the disk is nearly full, and that is counted', async () => {
    const { open, disk } = bench({
      limits: { segmentMaxBytes: 4_000, reserveBytes: 100, diskFloorBytes: 5_000 },
    })
    const journal = await open()
    for (const token of range(1, 100)) await journal.append(0, tickBatch([token]))
    disk.capacityBytes = disk.usedBytes + 1_500
    await journal.deleteOldSegments()
    expect(await disk.freeBytes()).toBeGreaterThanOrEqual(5_000)
    expect(journal.status().lostSegments).toBe(1)
  })

  it('of a newer format is neither cut nor passed over', async () => {
    const { open, disk } = bench()
    const journal = await open()
    await journal.append(0, tickBatch([1]))
    await journal.close()
    const [path, inode] = [...disk.files].find(([name]) => name.endsWith('.seg')) ?? []
    const newer = newerVersion(tickBatch([2]))
    if (inode) inode.bytes = Buffer.concat([inode.bytes, newer])
    const before = inode?.bytes.length
    await expect(open()).rejects.toMatchObject({
      code: 'unknown_version',
      message: expect.stringMatching(/version 2.*version 1/),
    })
    expect(disk.files.get(path ?? '')?.bytes.length).toBe(before)
  })
})

function newerVersion(batch: Uint8Array): Uint8Array {
  new DataView(batch.buffer).setUint16(4, 2, true)
  renumberBatch(batch, 1, 1)
  return batch
}
