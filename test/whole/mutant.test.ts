import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { until } from '../until.ts'
import { isLive, liveChain } from './live-chain.ts'
import { FEED_ALONE, type Platform, platform } from './platform.ts'

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

  it("A comparison operator mutated in the product's fold: `verify` fails", {
    timeout: 240_000,
  }, async () => {
    const faulty: Platform = await platform(
      { ...FEED_ALONE, EXCHANGE_SPEED: '20' },
      await faultyProgram(),
    )
    releasers.push(() => faulty.dispose())
    await faulty.start()
    await until(() => isLive(faulty), 90_000)
    const firstMinute = (await liveChain(faulty))?.bucket_time
    await until(async () => (await liveChain(faulty))?.bucket_time !== firstMinute, 90_000)
    expect(await faulty.stop()).toBe(0)
    const { code, stdout } = await faulty.command('verify')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /(minute_bars NIFTY|fo_option_strike_bars NIFTY\w+|futures_bars NIFTY\w+) .*: high is [\d.]+ in the store, [\d.]+ in the reference/,
    )
    expect(stdout).toContain('NOT AS IT MUST BE')
  })
})
