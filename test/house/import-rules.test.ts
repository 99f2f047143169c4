import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

type RunTool = (args: readonly string[]) => Promise<{ ok: boolean; output: string }>

const script = pathToFileURL(resolve('scripts/import-rules.mjs')).href
const { importFaults } = (await import(script)) as {
  readonly importFaults: (root: string, runTool: RunTool) => ReturnType<RunTool>
}

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fostream-arrows-'))
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json']) cpSync(file, join(root, file))
})
afterEach(() => rmSync(root, { recursive: true }))

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
}

/** Runs the project's own tool in the sample project. */
const runTool: RunTool = ([program = '', ...args]) =>
  new Promise((done) => {
    const options = { cwd: root, maxBuffer: 64 * 1024 * 1024 }
    execFile(process.execPath, [resolve(program), ...args], options, (error, stdout, stderr) =>
      done({ ok: error === null, output: stdout === '' ? stderr : stdout }),
    )
  })

describe('the arrows between folders', () => {
  it('are broken by each of these imports', async () => {
    const files = {
      'src/kit/clock.ts': 'export const clock = 1',
      'src/kit/queue.ts': "export { bar } from '../market/bar.ts'",
      'src/market/bar.ts': 'export const bar = 1',
      'src/market/tick.ts': "export { readFileSync } from 'node:fs'",
      'src/contract/event.ts': "export { socket } from '../kite/socket.ts'",
      'src/kite/socket.ts': 'export const socket = 1',
      'src/journal/log.ts': "export { socket } from '../kite/socket.ts'",
      'src/ticker/pool.ts': "export { api } from '../backend/api.ts'",
      'src/backend/api.ts': "export { config } from '../config.ts'",
      'src/config.ts': 'export const config = 1',
      'src/a.ts': "import { b } from './b.ts'\nexport const a = b",
      'src/b.ts': "import { a } from './a.ts'\nexport const b = a",
      'web/page.ts': "export { clock } from '../src/kit/clock.ts'",
      'src/contract/near.ts': "export { bar } from '../market/bar.ts'",
      'src/verify/reference-fold/fold.ts': "export { bar } from '../../contract/near.ts'",
    }
    write(files)
    const { ok, output } = await importFaults(root, runTool)
    expect(ok).toBe(false)
    const broken = new Set(output.split('\n').map((line) => line.split(':')[0]))
    expect([...broken].sort()).toEqual([
      'adapters-do-not-meet',
      'clients-see-contract-only',
      'contract-is-thin',
      'kit-is-a-leaf',
      'market-is-pure',
      'no-cycles',
      'only-main-reads-config',
      'only-ticker-and-exchange-speak-kite',
      'reference-fold-is-independent',
      'services-do-not-meet',
    ])
  })

  it('are kept where imports point down', async () => {
    write({
      'src/market/bar.ts': 'export const bar = 1',
      'src/contract/event.ts': "export { bar } from '../market/bar.ts'",
      'src/backend/ingest.ts': "export { bar } from '../contract/event.ts'",
      'test/backend/ingest.test.ts': "export { bar } from '../../src/backend/ingest.ts'",
    })
    expect(await importFaults(root, runTool)).toEqual({ ok: true, output: '' })
  })

  it('are not thought kept when a file was not visited, or none', async () => {
    const visitsNothing: RunTool = async () => ({
      ok: true,
      output: JSON.stringify({ modules: [], summary: { violations: [] } }),
    })
    expect(await importFaults(root, visitsNothing)).toEqual({
      ok: false,
      output: 'no modules were found',
    })
    write({ 'src/market/bar.ts': 'export const bar = 1' })
    expect(await importFaults(root, visitsNothing)).toEqual({
      ok: false,
      output: 'not cruised: src/market/bar.ts',
    })
  })

  it('are not thought kept when the tool breaks', async () => {
    const breaks: RunTool = async () => ({ ok: false, output: 'ERROR: no such config' })
    expect(await importFaults(root, breaks)).toEqual({ ok: false, output: 'ERROR: no such config' })
  })
})
