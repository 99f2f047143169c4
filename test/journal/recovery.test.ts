import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LOG_START } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { readAll } from '../../src/journal/read-all.ts'
import {
  type Bench,
  bench,
  clockRecord,
  controlBatch,
  instrument,
  range,
  readToEnd,
  START_MS,
  tickBatch,
} from './journal-fixture.ts'

/** The bytes of the last segment that holds something. */
function lastSegment({ disk }: Bench): { path: string; bytes: Buffer } {
  const paths = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
  const path = paths.at(-1) ?? ''
  return { path, bytes: disk.files.get(path)?.bytes ?? Buffer.alloc(0) }
}

function replaceBytes({ disk }: Bench, path: string, bytes: Uint8Array): void {
  const inode = disk.files.get(path)
  if (!inode) throw new Error(`no ${path}`)
  inode.bytes = Buffer.from(bytes)
}

async function filled(from: Bench, count: number): Promise<Journal> {
  const journal = await from.open()
  await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(1) }]))
  for (const token of range(1, count)) await journal.append(0, tickBatch([token]))
  await journal.close()
  return journal
}

describe('a torn tail', () => {
  it('is cut at any byte, and everything before it is kept', async () => {
    const first = bench({ limits: { reserveBytes: 100 } })
    const journal = await filled(first, 3)
    const { path, bytes } = lastSegment(first)
    const batchBytes = tickBatch([1]).length
    for (let cut = 1; cut < 2 * batchBytes; cut++) {
      const torn = bench({ limits: { reserveBytes: 100 } })
      for (const [name, inode] of first.disk.files) torn.disk.files.set(name, inode)
      torn.disk.files.delete(path)
      const file = await torn.disk.open(path, 'create')
      await file.write([bytes.subarray(0, bytes.length - cut)], 0)
      const next = await torn.open()
      const lost = Math.ceil(cut / batchBytes)
      const { recovered } = next
      expect(recovered.get(0)?.last).toEqual({ epoch: journal.epoch, sequence: 5 - lost })
      expect(recovered.get(0)?.cutBytes).toBe((batchBytes - (cut % batchBytes)) % batchBytes)
      const { tokens, breaks } = await readToEnd(next)
      expect(tokens).toEqual(range(1, 3 - lost))
      expect(breaks).toEqual([])
      expect(next.status().damaged).toEqual([])
    }
  })

  it('of zeros, as a power cut leaves it, is cut too', async () => {
    const from = bench()
    await filled(from, 3)
    const { path, bytes } = lastSegment(from)
    replaceBytes(from, path, Buffer.concat([bytes, Buffer.alloc(500)]))
    const journal = await from.open()
    expect(journal.recovered.get(0)?.cutBytes).toBe(500)
    expect((await readToEnd(journal)).tokens).toEqual([1, 2, 3])
  })

  it('that is the whole segment takes the segment with it', async () => {
    const from = bench()
    await filled(from, 60)
    const { path, bytes } = lastSegment(from)
    replaceBytes(from, path, bytes.subarray(0, 50))
    const journal = await from.open()
    expect(from.disk.files.has(path)).toBe(false)
    expect(journal.recovered.get(0)?.instruments).toEqual([instrument(1)])
    const { tokens, breaks } = await readToEnd(journal)
    expect(tokens).toEqual(range(1, tokens.length))
    expect(tokens.length).toBeGreaterThan(20)
    expect(breaks).toEqual([])
  })
})

describe('a flipped byte in the middle', () => {
  const limits = { reserveBytes: 100 }

  it('is set aside and reported, and later batches stay readable', async () => {
    const from = bench({ limits })
    const journal = await filled(from, 20)
    const { path, bytes } = lastSegment(from)
    const at = bytes.length - 12 * tickBatch([1]).length + 70
    bytes[at] = (bytes[at] ?? 0) ^ 4
    const next = await from.open()
    const offset = bytes.length - 12 * tickBatch([1]).length
    expect(next.recovered.get(0)).toMatchObject({
      last: { epoch: journal.epoch, sequence: 22 },
      cutBytes: 0,
    })
    expect(next.status().damaged).toEqual([
      {
        kind: 'damage',
        path,
        offset,
        byteLength: tickBatch([1]).length,
        lastGoodSequence: 10,
        nextGoodSequence: 12,
      },
    ])
    const copy = from.disk.files.get(`${path}.${offset}.damaged`)
    expect(copy?.bytes).toEqual(bytes.subarray(offset, offset + tickBatch([1]).length))
    const reading = await readToEnd(next)
    expect(reading.tokens).toEqual(range(1, 20).filter((token) => token !== 9))
    expect(reading.losses).toEqual([`${journal.epoch}-10 to ${journal.epoch}-11`])
    expect(reading.breaks).toEqual([])
  })

  it('anywhere never stops a reader, and what is lost is said', async () => {
    const first = bench({ limits })
    await filled(first, 12)
    const { path, bytes } = lastSegment(first)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const from = bench({ limits })
        for (const [name, inode] of first.disk.files) from.disk.files.set(name, inode)
        from.disk.files.delete(path)
        const damaged = Buffer.from(bytes)
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const file = await from.disk.open(path, 'create')
        await file.write([damaged], 0)
        const journal = await from.open()
        await journal.append(0, tickBatch([100]))
        const { tokens, breaks, losses } = await readToEnd(journal)
        expect(tokens.at(-1)).toBe(100)
        expect(tokens.length).toBeGreaterThanOrEqual(12)
        expect(tokens).toEqual([...new Set(tokens)])
        const isCut = (journal.recovered.get(0)?.cutBytes ?? 0) > 0
        expect(journal.status().damaged).toHaveLength(isCut ? 0 : 1)
        expect(losses).toHaveLength(isCut ? 0 : 1)
        expect(breaks).toEqual([])
        await journal.close()
      }),
      { numRuns: 60 },
    )
  })

  it('in an old segment is found by whoever reads it', async () => {
    const from = bench()
    await filled(from, 80)
    const paths = [...from.disk.files.keys()].filter((name) => name.endsWith('.seg')).sort()
    expect(paths.length).toBeGreaterThan(2)
    const inode = from.disk.files.get(paths[0] ?? '')
    if (inode) inode.bytes[2_000] = (inode.bytes[2_000] ?? 0) ^ 1
    const journal = await from.open()
    expect(journal.status().damaged).toEqual([])
    const first = await readToEnd(journal)
    const second = await readToEnd(journal)
    expect(first.tokens).toEqual(second.tokens)
    expect(first.tokens).toHaveLength(79)
    expect(first.openings).toHaveLength(2)
    expect(first.losses).toHaveLength(1)
    expect(first.breaks).toEqual([])
    expect(first.openings[1]?.instruments).toEqual([instrument(1)])
    expect(journal.status().damaged).toHaveLength(1)
  })

  it('in a preamble makes the start read the segment before it too', async () => {
    const from = bench()
    await filled(from, 60)
    const { bytes } = lastSegment(from)
    bytes[80] = (bytes[80] ?? 0) ^ 1
    const journal = await from.open()
    expect(journal.recovered.get(0)?.instruments).toEqual([instrument(1)])
  })
})

describe('an epoch that was killed before it told what the one before had left open', () => {
  const begin = [{ token: 1, mode: 'full' as const, fromMs: START_MS }]

  async function streaming(): Promise<Bench> {
    const from = bench()
    const journal = await from.open()
    await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(1) }]))
    await journal.append(0, controlBatch([{ kind: 'covered', begin, end: [] }]))
    await journal.append(0, tickBatch([1], 0))
    await journal.close()
    return from
  }

  it.each([
    ['had only begun', []],
    ['had only told its instruments', [{ kind: 'instrument', instrument: instrument(1) } as const]],
  ])('leaves what stood there before: it %s', async (_, records) => {
    const from = await streaming()
    const first = await from.open()
    const before = first.recovered.get(0)
    expect(before?.covered).toEqual(begin)
    expect(before?.knownUntilMs).toHaveLength(1)
    if (records.length > 0) await first.append(0, controlBatch(records))
    await first.close()
    const second = await from.open()
    await second.close()
    const third = await from.open()
    const after = third.recovered.get(0)
    const { instruments, covered, knownUntilMs, lastReceivedAtMs, lastWithTick } = before ?? {}
    expect(after).toMatchObject({ instruments, covered, knownUntilMs, lastReceivedAtMs })
    expect(after?.lastWithTick).toEqual(lastWithTick)
    expect(after?.last.epoch).toBe(second.epoch)
    await third.close()
  })

  it('leaves nothing of it where it has told that', async () => {
    const from = await streaming()
    const first = await from.open()
    const end = [{ token: 1, toMs: START_MS + 1 }]
    await first.append(0, controlBatch([{ kind: 'covered', begin: [], end }]))
    await first.close()
    const second = await from.open()
    expect(second.recovered.get(0)?.covered).toEqual([])
    await second.close()
  })
})

describe('reading a folder without a journal', () => {
  it('gives every batch and every damaged place of every partition', async () => {
    const from = bench({ partitions: 2 })
    const journal = await from.open()
    await journal.append(1, tickBatch([7], 1))
    await journal.append(0, tickBatch([5], 0))
    await journal.append(0, tickBatch([6], 0))
    await journal.close()
    const paths = [...from.disk.files.keys()].filter((name) => name.includes('/p0/'))
    const inode = from.disk.files.get(paths[0] ?? '')
    if (inode) inode.bytes = Buffer.concat([inode.bytes, Buffer.from('torn')])
    const places: string[] = []
    for await (const item of readAll('/journal', from.disk)) {
      const what = item.kind === 'batch' ? item.header.firstSequence : item.kind
      places.push(`${item.producer} p${item.partition} ${what}`)
    }
    expect(places).toEqual(['t1 p0 1', 't1 p0 2', 't1 p0 3', 't1 p0 torn', 't1 p1 1', 't1 p1 2'])
  })
})

describe('power cuts', () => {
  it('cost only what was not synced, and leave no hole that is not told', async () => {
    const step = fc.oneof(
      {
        weight: 10,
        arbitrary: fc.record({
          act: fc.constant('append' as const),
          n: fc.integer({ min: 1, max: 20 }),
        }),
      },
      { weight: 4, arbitrary: fc.record({ act: fc.constant('sync' as const), n: fc.constant(0) }) },
      {
        weight: 1,
        arbitrary: fc.record({ act: fc.constant('failSync' as const), n: fc.constant(1) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ act: fc.constant('failWrite' as const), n: fc.constant(1) }),
      },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('cut' as const), n: fc.nat() }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
        const from = bench({ limits: { segmentMaxBytes: 3_000, reserveBytes: 100 } })
        let journal = await from.open()
        let token = 0
        let acknowledged: number[] = []
        let synced: number[] = []
        for (const { act, n } of steps) {
          if (act === 'append') {
            const tokens = range(token + 1, token + n)
            token += n
            const isKept = await accepted(journal.append(0, tickBatch(tokens)))
            if (isKept) acknowledged.push(...tokens)
            if (n % 5 === 0) await accepted(journal.append(0, controlBatch([clockRecord])))
          } else if (act === 'sync') {
            await journal.sync()
            const isSynced = journal.status().partitions[0]?.writer?.unsyncedBytes === 0
            if (isSynced) synced = [...acknowledged]
          } else if (act === 'failSync') from.disk.failSyncs = 1
          else if (act === 'failWrite') from.disk.failWrites = 1
          else {
            from.disk.failSyncs = 0
            from.disk.failWrites = 0
            from.disk.powerCut(randomFrom(n))
            journal = await from.open()
            const { tokens, breaks, losses } = await readToEnd(journal, LOG_START)
            expect(tokens).toEqual([...new Set(tokens)])
            expect(tokens.filter((one) => synced.includes(one))).toEqual(synced)
            expect(acknowledged.filter((one) => tokens.includes(one))).toEqual(tokens)
            expect(breaks).toEqual([])
            // Pages reach the disk in any order: what was not synced may have a hole, which is told.
            expect(losses.length).toBeLessThanOrEqual(journal.status().damaged.length)
            acknowledged = [...tokens]
            synced = [...tokens]
          }
        }
      }),
      { numRuns: 150 },
    )
  })
})

/** Whether the batch was taken; a refusal must be the typed one. */
async function accepted(appended: Promise<unknown>): Promise<boolean> {
  try {
    await appended
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'write_failed' })
    return false
  }
}

/** A small generator of numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1
  return () => {
    state = (state * 16_807) % 2_147_483_647
    return state / 2_147_483_647
  }
}
