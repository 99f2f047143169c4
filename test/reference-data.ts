/**
 * Finds the reference data that tests compare with. It is not part of the project: where the folder
 * is absent, a test that needs it is skipped and a line says so.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const folder = resolve(process.env['FOSTREAM_REFERENCE_DATA'] ?? '../shared/data')

/** The absolute path of a reference file; undefined (and a printed line) where it is absent. */
export function referenceData(path: string): string | undefined {
  const file = join(folder, path)
  if (existsSync(file)) return file
  process.stderr.write(`skipped: reference data ${path} is not in ${folder}\n`)
  return undefined
}
