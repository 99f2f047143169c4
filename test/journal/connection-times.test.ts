import { describe, expect, it } from 'vitest'
import { BatchBuilder } from '../../src/contract/journal-batch.ts'
import { TICKER_UNREAD_MAX_MS } from '../../src/limits.ts'
import type { JournalledTick } from '../../src/market/tick.ts'
import { type Bench, bench, controlBatch, START_MS, tick } from './journal-fixture.ts'

const S = START_MS / 1000

describe('until when a connection had brought what was sent', () => {
  it('is the newest exchange second in its ticks, of each connection alone', async () => {
    const log = await written([
      { token: 1, connection: 1, second: 20, sentS: 20 },
      { token: 2, connection: 2, second: 20, sentS: 15 },
      { token: 2, connection: 2, second: 21, sentS: 9 },
      { token: 1, connection: 1, second: 22, sentS: 22 },
    ])
    expect(await knownUntil(log)).toEqual([22, 15])
  })

  it('is when they were read, where they have no exchange second or a very old or a future one', async () => {
    const log = await written([
      { token: 1, connection: 1, second: 20, sentS: undefined },
      { token: 2, connection: 2, second: 21, sentS: -600 },
      { token: 3, connection: 3, second: 22, sentS: 90 },
    ])
    expect(await knownUntil(log)).toEqual([20, 21, 22])
  })

  it('is not asked of those that fed nothing that is covered, or whose instruments others feed now', async () => {
    const log = await written([
      { token: 9, connection: 1, second: 20, sentS: 20 },
      { token: 1, connection: 2, second: 21, sentS: 21 },
      { token: 1, connection: 3, second: 22, sentS: 22 },
    ])
    expect(await knownUntil(log)).toEqual([22])
  })

  it('is not looked for further back than packets may have waited', async () => {
    const last = 100 + TICKER_UNREAD_MAX_MS / 1000
    const log = await written([
      { token: 1, connection: 1, second: 99, sentS: 99 },
      { token: 2, connection: 2, second: 100, sentS: 100 },
      { token: 3, connection: 3, second: last, sentS: last },
    ])
    expect(await knownUntil(log)).toEqual([100, last])
  })

  it('is told by what a torn tail leaves', async () => {
    const log = await written([
      { token: 1, connection: 1, second: 20, sentS: 20 },
      { token: 2, connection: 2, second: 20, sentS: 19 },
      { token: 2, connection: 2, second: 21, sentS: 21 },
    ])
    const paths = [...log.disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
    const inode = log.disk.files.get(paths.at(-1) ?? '')
    inode?.resize(inode.bytes.length - 1)
    expect(await knownUntil(log)).toEqual([20, 19])
  })

  it('is not told by an epoch before', async () => {
    const log = await written([{ token: 1, connection: 1, second: 20, sentS: 20 }])
    const journal = await log.open()
    await journal.append(0, covered())
    await journal.append(0, batchOf({ token: 2, connection: 2, second: 21, sentS: 21 }))
    await journal.close()
    expect(await knownUntil(log)).toEqual([21])
  })
})

interface Told {
  readonly token: number
  readonly connection: number
  /** When it was read. */
  readonly second: number
  readonly sentS: number | undefined
}

/** A journal whose instruments 1 to 3 are covered, one batch a tick, in segments of two ticks. */
async function written(ticks: readonly Told[]): Promise<Bench> {
  const log = bench({ limits: { segmentMaxBytes: 400, reserveBytes: 0, diskFloorBytes: 0 } })
  const journal = await log.open()
  await journal.append(0, covered())
  for (const told of ticks) await journal.append(0, batchOf(told))
  await journal.close()
  return log
}

function covered(): Uint8Array {
  const begin = [1, 2, 3].map((token) => ({ token, mode: 'full' as const, fromMs: START_MS }))
  return controlBatch([{ kind: 'covered', begin, end: [] }])
}

function batchOf({ token, connection, second, sentS }: Told): Uint8Array {
  const marketTimeMs = START_MS + second * 1000
  const exchangeTimeS = sentS === undefined ? undefined : S + sentS
  const one: JournalledTick = { ...tick(token), connection, marketTimeMs, exchangeTimeS }
  const builder = new BatchBuilder()
  builder.begin('t1', 0, 0, 0)
  builder.addTick(one)
  return builder.finish(marketTimeMs)
}

/** In seconds after the start. */
async function knownUntil(log: Bench): Promise<number[]> {
  const journal = await log.open()
  const times = journal.recovered.get(0)?.knownUntilMs ?? []
  await journal.close()
  return times.map((ms) => (ms - START_MS) / 1000)
}
