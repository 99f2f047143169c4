/**
 * Faults of the machine under a running ticker: its disk fills up, and its wall clock is set forward
 * and back by a minute. The disk is a small one of its own; the clock is Debian's `faketime`.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Position } from '../../src/contract/journal-record.ts'
import { JOURNAL_DISK_FLOOR_BYTES, JOURNAL_RESERVE_BYTES } from '../../src/limits.ts'
import type { JournalBatch } from '../../src/verify/reference-fold/log-walk.ts'
import { hasRedisServer } from '../redis-server.ts'
import { until } from '../until.ts'
import { readJournalFolder } from '../verify/reference-fold/journal-folder.ts'
import { verdict } from '../whole/verdict.ts'
import { isLong } from './extent.ts'
import { drained, ledgerSums, marketClock } from './inquest.ts'
import { hasPostgresServer } from './postgres-server.ts'
import { journalledAfterStart, sharedOutFaults } from './shared-out-books.ts'
import { getJson, SplitPlatform } from './split-platform.ts'

const LOAD = { instruments: 120, ticksPerSecond: 600, speed: 10 }
const MEGABYTE = 1024 * 1024
const DISK_MEGABYTES = (JOURNAL_DISK_FLOOR_BYTES + 8 * JOURNAL_RESERVE_BYTES) / MEGABYTE
const STEP_SECONDS = 60
const FAKETIME = findFaketime()
const SOME_TIME = { timeout: 300_000 }

const hasServers = hasPostgresServer && hasRedisServer
const disk = hasServers ? mountSmallDisk() : undefined
if (disk === undefined) process.stderr.write('skipped: no small disk can be mounted here\n')
if (FAKETIME === undefined) process.stderr.write('skipped: faketime is not installed\n')

describe.skipIf(!hasServers)('a running ticker', () => {
  const clockFile = join(mkdtempSync(join(tmpdir(), 'fostream-clock-')), 'clock')
  let platform: SplitPlatform

  beforeAll(async () => {
    stepClock(0)
    platform = await SplitPlatform.open({
      ...LOAD,
      tickerEnv: {
        ...(disk === undefined ? {} : { FOSTREAM_DATA_DIR: disk }),
        ...(FAKETIME === undefined ? {} : fakedTime(FAKETIME)),
      },
    })
    await platform.start()
    await platform.subscribe(LOAD.instruments)
    await platform.commits()
  }, 240_000)
  afterAll(async () => {
    try {
      await platform?.dispose()
    } finally {
      if (disk !== undefined) unmount(disk)
      rmSync(join(clockFile, '..'), { recursive: true })
    }
  }, 240_000)

  it.skipIf(disk === undefined)(
    'on a full disk drops ticks in a gap, says so, and goes on by itself when there is room',
    SOME_TIME,
    async () => {
      expect(await health()).toMatchObject({ status: 'ok' })
      const ballast = fillDisk(disk ?? '')
      await until(async () => (await health()).status === 'degraded', 90_000)
      expect(JSON.stringify(await health())).toContain('the disk is full, ticks are dropped')
      await until(async () => {
        const [gap] = await gaps('disk_full', 'overflow')
        return gap?.to === null
      }, 90_000)
      await untilMinutesPassed(isLong ? 5 : 1)
      expect(platform.ticker.isRunning).toBe(true)
      rmSync(ballast)
      await until(async () => (await health()).status === 'ok', 90_000)
      await until(
        async () => (await gaps('disk_full', 'overflow')).every(({ to }) => to !== null),
        60_000,
      )
      await platform.caughtUp()
      const [sums] = await platform.query<{ dropped: number }>(
        'SELECT sum(dropped)::int AS dropped FROM delivery_ledger',
      )
      expect(sums?.dropped).toBeGreaterThan(0)
    },
  )

  it.skipIf(FAKETIME === undefined)(
    'whose wall clock is set by a minute, forward and back, opens its sockets anew inside a gap',
    SOME_TIME,
    async () => {
      for (const seconds of [STEP_SECONDS, 0]) {
        const before = await gaps('clock_step')
        const reconnects = await reopenings()
        stepClock(seconds)
        await until(async () => {
          const told = await gaps('clock_step')
          return told.length > before.length && told.every(({ to }) => to !== null)
        }, 90_000)
        expect(await reopenings()).toBeGreaterThan(reconnects)
        await platform.caughtUp()
      }
    },
  )

  it('has balanced books, and every row is what the reference fold says', SOME_TIME, async () => {
    // In any three there is a whole minute that is closed as well.
    await untilMinutesPassed(3)
    await platform.ticker.stop()
    await platform.readSent()
    const sent = [...platform.sent.connections.values()]
    const batches = await readJournalFolder(platform.journal)
    await drained(platform, endOf(batches))
    expect(await ledgerSums(platform)).toEqual({ unbalanced: 0, lost: 0, deadLetters: 0 })
    const found = await verdict(platform.dataDir, platform.database.url, [platform.journal])
    expect(found.differences).toEqual([])
    expect(found.states).toEqual((disk ?? FAKETIME) ? [false, true] : [true])
    await platform.ticker.start()
    const journalled = await journalledAfterStart(platform.journal, batches)
    expect(sharedOutFaults(sent, batches, journalled)).toEqual([])
  })

  /** Sets the ticker's wall clock off by so much. */
  function stepClock(seconds: number): void {
    writeFileSync(clockFile, `+${seconds}\n`)
  }

  function fakedTime(library: string): Record<string, string> {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clockFile,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
  }

  async function health(): Promise<{ status: string }> {
    return (await fetch(`${platform.tickerUrl}/health`)).json() as Promise<{ status: string }>
  }

  function gaps(...reasons: readonly string[]) {
    const names = reasons.map((reason) => `'${reason}'`).join(', ')
    return platform.query<{ to: number | null }>(
      `SELECT "to" FROM feed_gaps WHERE reason IN (${names})`,
    )
  }

  async function reopenings(): Promise<number> {
    const { connections } = await getJson<{ connections: { reconnects: number }[] }>(
      `${platform.tickerUrl}/status`,
    )
    return connections.reduce((sum, { reconnects }) => sum + reconnects, 0)
  }

  async function untilMinutesPassed(minutes: number): Promise<void> {
    const clock = await marketClock(platform)
    const endMs = clock(Date.now()) + minutes * 60_000
    await until(() => clock(Date.now()) > endMs, 90_000)
  }
})

/** Of a journal of one partition. */
function endOf(batches: readonly JournalBatch[]): Position {
  const { epoch = 0, firstSequence = 1, recordCount = 0 } = batches.at(-1)?.header ?? {}
  return { epoch, sequence: firstSequence + recordCount - 1 }
}

/** A disk with room above the journal's floor; undefined where this machine lets nobody mount one. */
function mountSmallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'fostream-disk-'))
  try {
    const options = ['-o', `size=${DISK_MEGABYTES}m`]
    execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
}

function unmount(folder: string): void {
  execFileSync('umount', [folder])
  rmSync(folder, { recursive: true })
}

/** Takes all of the room; the file to be deleted. */
function fillDisk(folder: string): string {
  const ballast = join(folder, 'ballast')
  const chunk = Buffer.alloc(MEGABYTE)
  const file = openSync(ballast, 'w')
  try {
    for (;;) writeSync(file, chunk)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  } finally {
    closeSync(file)
  }
  return ballast
}

function findFaketime(): string | undefined {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib') : []
  return folders
    .map((folder) => join('/usr/lib', folder, 'faketime', 'libfaketimeMT.so.1'))
    .find((path) => existsSync(path))
}
