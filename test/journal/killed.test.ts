import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOG_START } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { openJournal } from '../../src/journal/open-journal.ts'
import { readAll } from '../../src/journal/read-all.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { compiledProgram } from '../compiled-program.ts'
import { silentLog } from '../silent-log.ts'
import { until } from '../until.ts'
import { Reading, range, read } from './journal-fixture.ts'

const ROUNDS = 5
const TOKENS_PER_ROUND = 10_000_000

let folder = ''
let program = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fostream-journal-'))
  program = await compiledProgram('test/journal/appending-process.ts', folder)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

function open(dir: string): Promise<Journal> {
  return openJournal({
    dir,
    producer: 't1',
    partitions: 2,
    feed: 'simulated',
    maxAgeMs: Number.POSITIVE_INFINITY,
    maxBytes: Number.POSITIVE_INFINITY,
    clock: systemClock,
    log: silentLog,
    limits: { reserveBytes: 1_000 },
  })
}

class AppendingChild {
  readonly #process: ChildProcessByStdio<null, Readable, null>
  /** The last token acknowledged, by partition. */
  readonly acknowledged = [0, 0]
  lines = 0
  #rest = ''

  constructor(dir: string, firstToken: number) {
    const args = ['--enable-source-maps', program, dir, String(firstToken)]
    this.#process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text))
  }

  async kill(): Promise<void> {
    const closed = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    this.lines += lines.length
    for (const line of lines) {
      const [partition = 0, token = 0] = line.split(' ').map(Number)
      this.acknowledged[partition] = token
    }
  }
}

describe('a journal whose process is killed while it writes', () => {
  it('has every batch that was acknowledged, in order, once, and no torn one', async () => {
    const dir = join(folder, 'killed')
    const acknowledged: (readonly number[])[] = []
    for (const round of range(1, ROUNDS)) {
      const child = new AppendingChild(dir, round * TOKENS_PER_ROUND)
      await until(() => child.lines > 40 * round)
      await child.kill()
      acknowledged.push(child.acknowledged)
    }
    const journal = await open(dir)
    await journal.stopWriting()
    for (const partition of [0, 1]) {
      const { tokens, breaks, losses } = await read(journal, LOG_START, undefined, partition)
      expect([breaks, losses]).toEqual([[], []])
      for (const [i, last] of acknowledged.entries()) {
        const first = (i + 1) * TOKENS_PER_ROUND
        const round = tokens.filter((token) => token >= first && token < first + TOKENS_PER_ROUND)
        expect(round).toEqual(range(first, first + round.length - 1))
        expect(round.at(-1)).toBeGreaterThanOrEqual(last[partition] ?? 0)
      }
    }
    expect(journal.status().damaged).toEqual([])
    await journal.close()

    const offline = new Reading()
    for await (const item of readAll(dir)) {
      expect(item.kind).toBe('batch')
      if (item.kind === 'batch' && item.partition === 0) offline.add(item)
    }
    expect(offline.breaks).toEqual([])
  })

  it('is refused to a second process while the first one lives', async () => {
    const dir = join(folder, 'shared')
    const child = new AppendingChild(dir, 1)
    await until(() => child.lines > 0)
    await expect(open(dir)).rejects.toMatchObject({ code: 'folder_locked' })
    await child.kill()
    const journal = await open(dir)
    expect(journal.recovered.get(0)?.lastReceivedAtMs).toBeGreaterThan(0)
    await journal.close()
  })
})
