/**
 * The built page in a real browser. Chromium is found by `CHROMIUM_PATH`; without one these tests are
 * skipped and a line says so, except in CI, where that is a failure.
 */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { build } from 'vite'

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

/** Builds the page into a new temporary folder and answers the folder. */
export async function buildPage(): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'fostream-page-'))
  const configFile = join(ROOT, 'web', 'vite.config.ts')
  await build({ configFile, logLevel: 'warn', build: { outDir, emptyOutDir: true } })
  return outDir
}
