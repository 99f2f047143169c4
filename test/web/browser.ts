/**
 * The built page in a real browser. Chromium is found by `CHROMIUM_PATH`; without one these tests are
 * skipped and a line says so, except in CI, where that is a failure.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const run = promisify(execFile)

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Where the tests leave pictures of the page. */
export const ARTIFACTS = join(ROOT, 'test', 'artifacts')

export function hasBrowser(): boolean {
  if (existsSync(CHROMIUM)) return true
  const line = `no browser at ${CHROMIUM}; set CHROMIUM_PATH`
  if (process.env['CI'] === 'true') throw new Error(line)
  process.stderr.write(`skipped: ${line}\n`)
  return false
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS, headless: true })
}

/** Builds the page, as users get it, into a new temporary folder and answers the folder. */
export async function buildPage(): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'fostream-page-'))
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js')
  const config = ['--config', join(ROOT, 'web', 'vite.config.ts'), '--logLevel', 'warn']
  const target = ['--outDir', outDir, '--emptyOutDir']
  // Vitest's NODE_ENV=test would give a development build, many times slower.
  const env = { ...process.env, NODE_ENV: 'production' }
  await run(process.execPath, [vite, 'build', join(ROOT, 'web'), ...config, ...target], { env })
  return outDir
}
