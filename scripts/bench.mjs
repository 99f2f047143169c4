/**
 * `npm run bench`: compiles the benches with the sources that they measure and runs them. Arguments
 * are handed on; see `bench/run.ts`.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { compileAndRun, ROOT } from './compile-bench.mjs'

const main = join(ROOT, 'dist', 'main.js')
const given = ['--main', main, '--results', join(ROOT, 'bench'), '--revision', revision()]
process.exitCode = await compileAndRun('run', [...given, ...process.argv.slice(2)])

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
