/**
 * `npm test`: every check, all at once, then every test. Goes on after a failure, so that one run
 * shows all faults, and ends with one plain line of counts, in which each check counts as one test.
 * Arguments are handed to Vitest: `npm test -- test/kit`.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importFaults } from './import-rules.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const TSC = 'node_modules/@typescript/native/bin/tsc'

const counts = { passed: 0, failed: 0, skipped: 0 }

// At once: each waits for the disk or works on one core for most of its time.
await Promise.all([
  check('types', () => runTool([TSC, '-p', 'tsconfig.check.json'])),
  check('types of the page', () => runTool([TSC, '-p', 'web/tsconfig.json', '--noEmit'])),
  check('lint and format', () =>
    runTool(['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.']),
  ),
  check('import rules', () => importFaults(ROOT, runTool)),
  check('unused code', () => runTool(['node_modules/knip/bin/knip.js'])),
])
await runVitest(process.argv.slice(2))

const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`)
process.exitCode = counts.failed > 0 ? 1 : 0

/** Runs one check; what it has to say is shown only when it fails. */
async function check(name, run) {
  const startedAt = performance.now()
  const { ok, output } = await run()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  counts[ok ? 'passed' : 'failed'] += 1
  if (!ok) process.stdout.write(`${output.trimEnd()}\n`)
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`)
}

async function runVitest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'fostream-test-'))
  try {
    const report = join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const program = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args]
    const { code } = await runNode(program, 'inherit')
    countTests(report, code)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function countTests(report, code) {
  const result = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  counts.passed += result.numPassedTests ?? 0
  counts.failed += result.numFailedTests ?? 0
  counts.skipped += (result.numPendingTests ?? 0) + (result.numTodoTests ?? 0)
  // A file that cannot be loaded and an error outside every test fail the run without a failed test.
  const files = result.testResults ?? []
  const unloadable = files.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  counts.failed += unloadable.length
  const explained = (result.numFailedTests ?? 0) + unloadable.length
  if (code !== 0 && explained === 0) counts.failed += 1
}

async function runTool(args) {
  const { code, output } = await runNode(args, 'pipe')
  return { ok: code === 0, output }
}

function runNode(args, stdio) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', stdio, stdio] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
