import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireFolderLock, FolderLockedError } from '../../src/kit/folder-lock.ts'

let base: string
let folder: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'fostream-lock-'))
  folder = join(base, 'journal')
})
afterEach(() => rmSync(base, { recursive: true }))

function failureOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** Another process that leaves its socket behind: it is killed while it listens. */
async function killedHolder(name: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(join(folder, name))}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

describe('the lock of a folder', () => {
  it('is refused to a second holder, naming the folder, the first one and the setting', async () => {
    const lock = await acquireFolderLock(folder, 'ticker t1')
    const failure = await failureOf(acquireFolderLock(folder, 'ticker t1'))
    expect(failure).toBeInstanceOf(FolderLockedError)
    expect(failure).toMatchObject({ code: 'folder_locked', folder })
    expect((failure as Error).message).toBe(
      `${folder} is in use by ticker t1, process ${process.pid}. Stop that one, or give this one a folder of its own with FOSTREAM_DATA_DIR.`,
    )
    await lock.release()
  })

  it('is free again after its release, which may be asked twice', async () => {
    const first = await acquireFolderLock(folder, 'ticker')
    await first.release()
    await first.release()
    const second = await acquireFolderLock(folder, 'ticker')
    await first.release()
    expect(await failureOf(acquireFolderLock(folder, 'ticker'))).toBeInstanceOf(FolderLockedError)
    await second.release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is one lock under every name of the folder', async () => {
    mkdirSync(folder)
    const alias = join(base, 'alias')
    symlinkSync(folder, alias, 'dir')
    const lock = await acquireFolderLock(folder, 'ticker')
    expect(await failureOf(acquireFolderLock(alias, 'ticker'))).toBeInstanceOf(FolderLockedError)
    await lock.release()
  })

  it('is of one folder only', async () => {
    const locks = [
      await acquireFolderLock(folder, 'ticker'),
      await acquireFolderLock(join(base, 'store'), 'backend'),
    ]
    expect(locks.map((lock) => lock.folder)).toEqual([folder, join(base, 'store')])
    for (const lock of locks) await lock.release()
  })

  it('goes to exactly one of many who claim it at once', async () => {
    const claims = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => acquireFolderLock(folder, `ticker ${index}`)),
    )
    const held = claims.filter(({ status }) => status === 'fulfilled')
    const refused = claims.filter(
      (claim) => claim.status === 'rejected' && claim.reason instanceof FolderLockedError,
    )
    expect([held.length, refused.length]).toEqual([1, 7])
    for (const claim of claims) if (claim.status === 'fulfilled') await claim.value.release()
  })

  it('works in a folder whose path is too long for a socket', async () => {
    const deep = join(base, 'd'.repeat(120), 'journal')
    const lock = await acquireFolderLock(deep, 'ticker')
    expect(await failureOf(acquireFolderLock(deep, 'ticker'))).toBeInstanceOf(FolderLockedError)
    await lock.release()
  })
})

describe.skipIf(process.platform === 'win32')('the socket that a dead process left', () => {
  it('does not block and is removed', async () => {
    mkdirSync(folder)
    await killedHolder('.lock-0badcafe')
    writeFileSync(join(folder, '.lock-00000000'), 'not even a socket')
    expect(readdirSync(folder)).toHaveLength(2)
    const lock = await acquireFolderLock(folder, 'ticker')
    expect(readdirSync(folder)).toHaveLength(1)
    await lock.release()
  })

  it('does not open the way past a living holder', async () => {
    const lock = await acquireFolderLock(folder, 'ticker')
    await killedHolder('.lock-0badcafe')
    expect(await failureOf(acquireFolderLock(folder, 'ticker'))).toBeInstanceOf(FolderLockedError)
    await lock.release()
  })
})
