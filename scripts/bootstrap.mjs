/**
 * Runs before `start`, `test` and `bench`: installs from the lock file and builds whatever is stale,
 * so that each of them works on a fresh clone by itself. Plain JavaScript and built-in modules only,
 * because it runs before `node_modules` exists. Says nothing when there is nothing to do, and speaks
 * on stderr, because the stdout of the command that follows may be read by a program.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildFingerprint, filesUnder, installFingerprint } from './fingerprint.mjs'
import { npmCliPath, npmEnvironment } from './npm-command.mjs'
import { withProcessLock } from './process-lock.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const DIST = join(ROOT, 'dist')
const INSTALL_STAMP = join(ROOT, 'node_modules', '.fostream-installed')
const BUILD_STAMP = join(DIST, '.fostream-built')
const OLDEST_NODE = [20, 19]

/** A failure that is told in one line, without a stack. */
class BootstrapFailure extends Error {}

await main()

async function main() {
  try {
    requireNode(process.versions.node)
    const forceBuild = process.argv.includes('--force-build')
    if (!forceBuild && !installIsStale() && !buildIsStale()) return
    await withProcessLock(ROOT, {
      onWait: () => say('another start is installing or building here; waiting for it'),
      // Both are asked again: whoever held the lock before may have done the work.
      task: async () => {
        if (installIsStale()) await install()
        if (forceBuild || buildIsStale()) await build()
      },
    })
  } catch (error) {
    say(error instanceof BootstrapFailure ? error.message : (error.stack ?? String(error)))
    process.exitCode = 1
  }
}

function requireNode(version) {
  const [major, minor] = version.split('.').map(Number)
  const [needMajor, needMinor] = OLDEST_NODE
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return
  throw new BootstrapFailure(
    `needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${version} (${process.execPath})`,
  )
}

function installIsStale() {
  return readStamp(INSTALL_STAMP) !== installFingerprint(ROOT)
}

function buildIsStale() {
  return readStamp(BUILD_STAMP) !== buildFingerprint(ROOT)
}

function readStamp(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

async function install() {
  if (!existsSync(join(ROOT, 'package-lock.json'))) {
    throw new BootstrapFailure('package-lock.json is missing; restore it with git')
  }
  const npm = npmCliPath()
  if (npm === undefined) {
    throw new BootstrapFailure(
      'npm was not found beside Node.js or in PATH; install npm 10 or newer',
    )
  }
  rmSync(INSTALL_STAMP, { force: true })
  // Vite, Biome and the compiler are development or optional packages: both kinds are named, since
  // a user's own npm settings may leave them out.
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
  await step('installing packages from the lock file', [npm, ...args], npmEnvironment(process.env))
  writeFileSync(INSTALL_STAMP, installFingerprint(ROOT))
}

async function build() {
  const fingerprint = buildFingerprint(ROOT)
  // The compiler never deletes the output of a source that is gone.
  rmSync(DIST, { recursive: true, force: true, maxRetries: 3 })
  const environment = npmEnvironment(process.env)
  const compiler = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
  await step('compiling', [compiler, '-p', join(ROOT, 'tsconfig.json')], environment)
  const viteConfig = join(ROOT, 'web', 'vite.config.ts')
  if (existsSync(viteConfig)) {
    const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js')
    const target = ['--outDir', join(DIST, 'web'), '--emptyOutDir', '--logLevel', 'warn']
    const args = ['build', join(ROOT, 'web'), '--config', viteConfig, ...target]
    await step('building the page', [vite, ...args], environment)
  }
  copyAssets()
  if (existsSync(join(DIST, 'postgres', 'embedded', 'seed.js'))) {
    await step('preparing the embedded store', [join(ROOT, 'scripts', 'seed.mjs')], environment)
  }
  mkdirSync(DIST, { recursive: true })
  writeFileSync(BUILD_STAMP, fingerprint)
}

/** What the compiler leaves behind: migrations, data, and non-TypeScript files between the sources. */
function copyAssets() {
  for (const folder of ['sql', 'data']) {
    const from = join(ROOT, folder)
    if (existsSync(from)) cpSync(from, join(DIST, folder), { recursive: true })
  }
  const source = join(ROOT, 'src')
  for (const file of filesUnder(source)) {
    if (/\.[cm]?tsx?$/.test(file)) continue
    const target = join(DIST, file)
    mkdirSync(dirname(target), { recursive: true })
    cpSync(join(source, file), target)
  }
}

async function step(what, args, environment) {
  say(`${what} …`)
  const startedAt = process.hrtime.bigint()
  const { code, signal } = await runNode(args, environment)
  if (signal !== null) throw new BootstrapFailure(`${what} was stopped by ${signal}`)
  if (code !== 0) throw new BootstrapFailure(`${what} failed (exit code ${code}); see above`)
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  say(`${what}: done in ${seconds.toFixed(1)} s`)
}

/**
 * Runs a Node program with its output on our stderr. A signal is handed on and the child's end is
 * awaited, so that the lock is never given up while npm is still writing.
 */
function runNode(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] })
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    let received = null
    const handOn = (signal) => {
      received = signal
      child.kill(signal)
    }
    for (const signal of signals) process.on(signal, handOn)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      for (const name of signals) process.off(name, handOn)
      resolve({ code, signal: received ?? signal })
    })
  })
}

function say(message) {
  process.stderr.write(`fostream: ${message}\n`)
}
