/**
 * What an installation and a build were made from, as content hashes. Times are no guide: git, archives
 * and containers set them as they like.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'

const BUILD_FOLDERS = ['src', 'web', 'sql', 'data']
const BUILD_FILES = ['package.json', 'package-lock.json']
/** The parts of package.json that decide what is installed; a changed script is no reason to. */
const DEPENDENCY_FIELDS = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'overrides',
  'engines',
  'workspaces',
]

/**
 * Names what `node_modules` should hold and, through npm's own record of it, what it holds: a later
 * `npm prune` or `npm install --omit=dev` makes the installation stale too.
 */
export function installFingerprint(root) {
  const hash = createHash('sha256')
  addFile(hash, root, 'package-lock.json')
  addFile(hash, root, '.npmrc')
  addFile(hash, root, join('node_modules', '.package-lock.json'))
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const field of DEPENDENCY_FIELDS) add(hash, field, JSON.stringify(manifest[field] ?? null))
  const { platform, arch, versions } = process
  add(hash, 'machine', [platform, arch, versions.modules, cLibrary()].join(' '))
  return hash.digest('hex')
}

export function buildFingerprint(root) {
  const hash = createHash('sha256')
  const configs = readdirSync(root).filter((name) => /^tsconfig.*\.json$/.test(name))
  for (const file of [...BUILD_FILES, ...configs.sort()]) addFile(hash, root, file)
  addFile(hash, root, join('scripts', 'bootstrap.mjs'))
  for (const folder of BUILD_FOLDERS) {
    for (const file of filesUnder(join(root, folder))) addFile(hash, root, join(folder, file))
  }
  return hash.digest('hex')
}

/** Paths of all files under `folder`, relative to it, sorted; empty where it is absent. */
export function filesUnder(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  const kept = entries.filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
  const paths = kept.flatMap((entry) =>
    entry.isDirectory()
      ? filesUnder(join(folder, entry.name)).map((file) => join(entry.name, file))
      : [entry.name],
  )
  return paths.sort()
}

function addFile(hash, root, file) {
  const path = join(root, file)
  if (existsSync(path)) add(hash, file.split(sep).join('/'), readFileSync(path))
}

/** Name and length go in as well, so that no two different sets of files read alike. */
function add(hash, name, content) {
  hash.update(`${name}\0${content.length}\0`)
  hash.update(content)
}

/** Packages with native code come in two kinds on Linux, and a folder may be shared by both. */
function cLibrary() {
  if (process.platform !== 'linux') return 'system'
  return readdirSync('/lib').some((name) => name.startsWith('ld-musl')) ? 'musl' : 'glibc'
}
