import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { until } from '../until.ts'
import { isLive, liveChain } from './live-chain.ts'
import { type Platform, platform } from './platform.ts'
import { verdict } from './verdict.ts'

/** One comparison of the product's fold, turned round. */
const FAULT = {
  file: 'market/bar.js',
  right: 'this.high === null || price > this.high',
  wrong: 'this.high === null || price < this.high',
}

describe('a fault in the fold', () => {
  const releasers: (() => Promise<unknown>)[] = []
  afterAll(async () => {
    for (const release of releasers.reverse()) await release()
  })

  async function faultyProgram(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'fostream-mutant-'))
    releasers.push(() => rm(folder, { recursive: true, force: true }))
    await cp(resolve('dist'), join(folder, 'dist'), { recursive: true })
    await cp(resolve('package.json'), join(folder, 'package.json'))
    await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction')
    const path = join(folder, 'dist', FAULT.file)
    const text = await readFile(path, 'utf8')
    expect(text).toContain(FAULT.right)
    await writeFile(path, text.replace(FAULT.right, FAULT.wrong))
    return join(folder, 'dist', 'main.js')
  }

  it('is found by the second fold of the journal', { timeout: 120_000 }, async () => {
    const faulty: Platform = await platform({ EXCHANGE_SPEED: '20' }, await faultyProgram())
    releasers.push(() => faulty.dispose())
    await faulty.start()
    await until(() => isLive(faulty), 30_000)
    const firstMinute = (await liveChain(faulty))?.bucket_time
    await until(async () => (await liveChain(faulty))?.bucket_time !== firstMinute, 30_000)
    expect(await faulty.stop()).toBe(0)
    const { differences } = await verdict(faulty.dataDir)
    expect(differences.some((difference) => / high is /.test(difference))).toBe(true)
  })
})
