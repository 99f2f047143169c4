/**
 * Compiles the benches with the sources that they measure into an ignored folder, and runs a program
 * of them there.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const OUT = join(ROOT, 'node_modules', '.cache', 'fostream-bench')
const TSC = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
const SEED = join('postgres', 'embedded', 'seed')

/** Compiles all, then runs `bench/<name>` with `args`; the exit code of what failed first. */
export async function compileAndRun(name, args) {
  return (await compile()) || (await node([join(OUT, 'bench', `${name}.js`), ...args]))
}

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
