/**
 * Puts an empty cluster beside the built code, so that a first start copies it instead of making one
 * (3 s). It depends only on the engine and on the code that makes it, and is kept beside the packages
 * between builds.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const BUILT = join(ROOT, 'dist', 'postgres', 'embedded')

function cacheFolder() {
  const hash = createHash('sha256')
  const engine = join(ROOT, 'node_modules', '@electric-sql', 'pglite', 'package.json')
  for (const file of [engine, join(BUILT, 'seed.js'), join(BUILT, 'seed-worker.js')]) {
    hash.update(readFileSync(file))
  }
  const name = `fostream-seed-${hash.digest('hex').slice(0, 16)}`
  return join(ROOT, 'node_modules', '.cache', name)
}

const { prepareSeed, BUILT_SEED } = await import(pathToFileURL(join(BUILT, 'seed.js')).href)
const cached = cacheFolder()
if (!existsSync(cached)) {
  mkdirSync(dirname(cached), { recursive: true })
  await prepareSeed(cached)
}
cpSync(cached, BUILT_SEED, { recursive: true })
