/**
 * The arrows between folders, checked by dependency-cruiser. It is happy with nothing: without a
 * compiler that it understands it passes over zero modules. So what it visited is compared with the
 * files that are there.
 */
import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import { filesUnder } from './fingerprint.mjs'

const FOLDERS = ['src', 'web', 'test', 'bench']

/** `{ ok, output }` for the project at `root`; `runTool(args)` runs a Node program there. */
export async function importFaults(root, runTool) {
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)))
  const program = 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'
  const args = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...folders]
  const { output } = await runTool([program, ...args])
  const result = parsed(output)
  if (result === undefined) return { ok: false, output }
  const faults = [
    ...result.summary.violations.map(describe),
    ...notCruised(root, folders, result.modules),
  ]
  return { ok: faults.length === 0, output: faults.join('\n') }
}

function parsed(output) {
  try {
    return JSON.parse(output)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function describe({ from, to, rule, cycle }) {
  const path = cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ')
  return `${rule.name}: ${from} → ${path}`
}

function notCruised(root, folders, modules) {
  const cruised = new Set(modules.map(({ source }) => source))
  const expected = folders.flatMap((folder) =>
    filesUnder(join(root, folder))
      .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'))
      .map((file) => `${folder}/${file.split(sep).join('/')}`),
  )
  if (expected.length === 0) return ['no modules were found']
  const missed = expected.filter((file) => !cruised.has(file))
  return missed.map((file) => `not cruised: ${file}`)
}
