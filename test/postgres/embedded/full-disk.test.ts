import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { classify } from '../../../src/postgres/classify-error.ts'
import { until } from '../../until.ts'
import { type Compiled, compiledEmbedded } from './compiled.ts'

const compiled = await compiledEmbedded()

interface Said {
  readonly n?: number
  readonly refused?: string
  readonly reason?: string
  readonly log?: string
}

describe.skipIf(compiled === undefined)('the embedded store on a full disk', () => {
  const { open, newFolder, path, seed } = (compiled ?? {}) as Compiled
  let child: ChildProcess | undefined
  afterEach(() => {
    child?.kill('SIGKILL')
  })

  it('refuses with a reason, is not given up, and goes on with all it had when there is room', {
    timeout: 240_000,
  }, async () => {
    const dataDir = await newFolder()
    const flag = join(await newFolder(), 'full')
    const said = start(dataDir, flag)
    const rows = () => said.flatMap(({ n }) => n ?? [])
    await until(() => rows().length > 50, 90_000)

    await writeFile(flag, '')
    // Every row is refused, and says why.
    await until(() => said.filter(({ refused }) => refused !== undefined).length > 5, 90_000)
    expect(said.some(({ reason }) => /no space left/i.test(reason ?? ''))).toBe(true)
    for (const { refused, reason } of said) {
      if (refused === undefined) continue
      const failure = classify(Object.assign(new Error(reason), { code: refused }))
      expect(failure.retryable, `${refused} ${reason}`).toBe(true)
    }
    const before = rows().length
    await rm(flag)
    await until(() => rows().length > before + 50, 90_000)
    child?.kill('SIGKILL')
    await once(child as ChildProcess, 'close')

    expect(said.flatMap(({ log }) => log ?? [])).not.toContain('Embedded store is damaged')
    const { store } = await open({ dataDir })
    expect(store).toMatchObject({ created: false, setAside: undefined })
    const client = new pg.Client({ stream: () => store.connectStream() })
    await client.connect()
    const stored = await client.query('SELECT n FROM written ORDER BY n')
    const numbers = stored.rows.map(({ n }) => n)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1))
    expect(numbers.length).toBeGreaterThanOrEqual(rows().length)
    await client.end()
  })

  /** What the victim says, as it says it. */
  function start(dataDir: string, flag: string): Said[] {
    const file = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url))
    const module = path('postgres/embedded/open-embedded.js')
    const args = ['--import', file('no-space.mjs'), file('full-disk-victim.mjs')]
    const running = spawn(process.execPath, [...args, module, dataDir, seed], {
      env: { ...process.env, NO_SPACE: flag },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = running
    const said: Said[] = []
    let rest = ''
    running.stdout.on('data', (chunk) => {
      const lines = `${rest}${String(chunk)}`.split('\n')
      rest = lines.pop() ?? ''
      said.push(...lines.map((line) => JSON.parse(line) as Said))
    })
    return said
  }
})
