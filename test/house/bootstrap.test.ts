import { type ChildProcess, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const SCRIPTS = resolve('scripts')

interface Scripts {
  readonly npmEnvironment: (env: Readonly<Record<string, string>>) => Record<string, string>
  readonly withProcessLock: (
    folder: string,
    options: { readonly onWait: () => void; readonly task: () => Promise<unknown> },
  ) => Promise<unknown>
}

/** The scripts are plain JavaScript; what the tests use of them is typed above. */
async function load(name: string): Promise<Scripts> {
  return (await import(pathToFileURL(join(SCRIPTS, name)).href)) as Scripts
}

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fostream-bootstrap-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, content: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), content)
}

/** A project whose only package is a compiler that copies: it installs without any registry. */
function writeProject(): void {
  cpSync(SCRIPTS, join(root, 'scripts'), { recursive: true })
  const compiler = { name: '@typescript/native', version: '1.0.0' }
  write('compiler/package.json', JSON.stringify(compiler))
  write('compiler/bin/tsc', COPYING_COMPILER)
  writeManifest({})
  const devDependencies = { '@typescript/native': 'file:compiler' }
  const packages = {
    '': { name: 'sample', version: '1.0.0', devDependencies },
    compiler: { ...compiler, dev: true },
    'node_modules/@typescript/native': { resolved: 'compiler', link: true },
  }
  const lock = { name: 'sample', version: '1.0.0', lockfileVersion: 3, requires: true, packages }
  write('package-lock.json', JSON.stringify(lock))
  write('tsconfig.json', '{}')
  write('src/main.ts', 'one')
  write('src/market/holidays.csv', 'date')
  write('sql/001.sql', 'SELECT 1')
}

function writeManifest(scripts: Readonly<Record<string, string>>): void {
  const devDependencies = { '@typescript/native': 'file:compiler' }
  write(
    'package.json',
    JSON.stringify({ name: 'sample', version: '1.0.0', scripts, devDependencies }),
  )
}

const COPYING_COMPILER = `
const { copyFileSync, mkdirSync, readdirSync, readFileSync } = require('node:fs')
mkdirSync('dist', { recursive: true })
for (const name of readdirSync('src')) {
  if (!name.endsWith('.ts')) continue
  if (readFileSync('src/' + name, 'utf8') === 'wrong') {
    process.stdout.write('src/' + name + ' is wrong')
    process.exit(2)
  }
  copyFileSync('src/' + name, 'dist/' + name.replace('.ts', '.js'))
}
`

function bootstrap(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), ...args], {
    cwd: tmpdir(),
    env: { ...process.env, NODE_ENV: 'production', npm_config_omit: 'dev' },
  })
  return ended(child)
}

async function ended(
  child: ChildProcess,
): Promise<{ code: number | null; out: string; err: string }> {
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk) => {
    out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    err += chunk
  })
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { code, out, err }
}

describe('the bootstrap', () => {
  it('installs and builds a fresh clone, then says nothing, then builds what changed', async () => {
    writeProject()
    const first = await bootstrap()
    expect(first).toMatchObject({ code: 0, out: '' })
    expect(first.err).toContain('installing packages')
    expect(readFileSync(join(root, 'dist/main.js'), 'utf8')).toBe('one')
    expect(existsSync(join(root, 'dist/sql/001.sql'))).toBe(true)
    expect(existsSync(join(root, 'dist/market/holidays.csv'))).toBe(true)

    // Times and scripts are no reason to do anything again.
    utimesSync(join(root, 'src/main.ts'), new Date(), new Date())
    expect(await bootstrap()).toEqual({ code: 0, out: '', err: '' })

    write('src/other.ts', 'two')
    rmSync(join(root, 'src/main.ts'))
    writeManifest({ start: 'node dist/other.js' })
    const second = await bootstrap()
    expect(second.err).not.toContain('installing')
    expect(existsSync(join(root, 'dist/main.js'))).toBe(false)
    expect(existsSync(join(root, 'dist/other.js'))).toBe(true)

    expect((await bootstrap('--force-build')).err).toContain('compiling')
  })

  it('fails with the words of the compiler and tries again the next time', async () => {
    writeProject()
    write('src/main.ts', 'wrong')
    for (const attempt of [1, 2]) {
      const { code, err } = await bootstrap()
      expect(code, `attempt ${attempt}`).toBe(1)
      expect(err).toContain('src/main.ts is wrong')
      expect(err).toContain('compiling failed (exit code 2)')
    }
    write('src/main.ts', 'right')
    expect((await bootstrap()).code).toBe(0)
  })

  it('installs once when two start together', async () => {
    writeProject()
    const both = await Promise.all([bootstrap(), bootstrap()])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    const said = both.map(({ err }) => err).join('')
    expect(said.match(/installing packages from the lock file …/g)).toHaveLength(1)
    expect(said.match(/compiling …/g)).toHaveLength(1)
  })

  it('asks for a newer Node.js in one line', async () => {
    writeProject()
    write('old.cjs', "Object.defineProperty(process, 'versions', { value: { node: '20.18.3' } })")
    const script = join(root, 'scripts', 'bootstrap.mjs')
    const child = spawn(process.execPath, ['--require', join(root, 'old.cjs'), script])
    const { code, err } = await ended(child)
    expect(code).toBe(1)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(err).toContain('needs Node.js 20.19 or newer; this is 20.18.3')
  })
})

describe('npm inside of an npm script', () => {
  it('hears how to reach the registry, and nothing that changes what is installed', async () => {
    const { npmEnvironment } = await load('npm-command.mjs')
    const kept = {
      PATH: '/bin',
      npm_config_registry: 'https://npm.example',
      NPM_CONFIG_CAFILE: '/ca.pem',
      npm_config_https_proxy: 'http://proxy:1',
      'npm_config_//npm.example/:_authToken': 'x',
      'npm_config_@desk:registry': 'https://desk.example',
      npm_config_cache: '/cache',
    }
    const dropped = {
      NODE_ENV: 'production',
      npm_config_omit: 'dev',
      NPM_CONFIG_PRODUCTION: 'true',
      npm_config_prefix: '/elsewhere',
      npm_config_dry_run: 'true',
      npm_config_global: 'true',
    }
    expect(npmEnvironment({ ...kept, ...dropped })).toEqual(kept)
  })
})

describe('the lock of a build', () => {
  it('passes from one task to the next', async () => {
    const { withProcessLock } = await load('process-lock.mjs')
    const events: string[] = []
    const run = (name: string) =>
      withProcessLock(root, {
        onWait: () => events.push(`${name} waits`),
        task: async () => {
          events.push(`${name} begins`)
          await new Promise((done) => setImmediate(done))
          events.push(`${name} ends`)
        },
      })
    await Promise.all([run('a'), run('b')])
    const work = events.filter((event) => !event.endsWith('waits'))
    expect(work).toHaveLength(4)
    expect(work[1]?.[0]).toBe(work[0]?.[0])
    expect(events.filter((event) => event.endsWith('waits'))).toHaveLength(1)
  })

  it('dies with its process', async () => {
    const { withProcessLock } = await load('process-lock.mjs')
    const module = pathToFileURL(join(SCRIPTS, 'process-lock.mjs')).href
    const holder = `import { withProcessLock } from '${module}'
      await withProcessLock(${JSON.stringify(root)}, {
        onWait() {},
        task: () => new Promise(() => console.log('held')),
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', holder])
    await new Promise((held) => child.stdout.once('data', held))
    let waited = 0
    const done = withProcessLock(root, {
      onWait: () => {
        waited += 1
        child.kill('SIGKILL')
      },
      task: async () => 'mine',
    })
    expect(await done).toBe('mine')
    expect(waited).toBe(1)
  })
})
