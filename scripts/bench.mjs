/**
 * `npm run bench`: compiles the benches with the sources that they measure into an ignored folder and
 * runs them there. Arguments are handed on; see `bench/run.ts`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const OUT = join(ROOT, 'node_modules', '.cache', 'fostream-bench')
const TSC = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
const SEED = join('postgres', 'embedded', 'seed')

process.exitCode = (await compile()) || (await run())

/** The compiler's exit code. */
async function compile() {
  rmSync(OUT, { recursive: true, force: true, maxRetries: 3 })
  mkdirSync(OUT, { recursive: true })
  // A folder under `node_modules` does not inherit the package's type.
  writeFileSync(join(OUT, 'package.json'), '{ "type": "module" }\n')
  cpSync(join(ROOT, 'sql'), join(OUT, 'sql'), { recursive: true })
  const seed = join(ROOT, 'dist', SEED)
  if (existsSync(seed)) cpSync(seed, join(OUT, 'src', SEED), { recursive: true })
  return node([TSC, '-p', join(ROOT, 'tsconfig.bench.json')])
}

function run() {
  const main = join(ROOT, 'dist', 'main.js')
  const given = ['--main', main, '--results', join(ROOT, 'bench'), '--revision', revision()]
  return node([join(OUT, 'bench', 'run.js'), ...given, ...process.argv.slice(2)])
}

/** So that figures are never read as those of other code. */
function revision() {
  const commit = git(['rev-parse', '--short', 'HEAD'])
  if (commit === undefined) return 'a copy without history'
  const isChanged = git(['status', '--porcelain', '--', 'src', 'sql', 'package-lock.json']) !== ''
  return `commit ${commit}${isChanged ? ' with changes' : ''}`
}

function git(args) {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Ends with the child: a signal is handed on, and the child's end is waited for. */
function node(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
    const handOn = (signal) => child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, handOn)
    child.once('error', reject)
    child.once('exit', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, handOn)
      resolve(code ?? 1)
    })
  })
}
