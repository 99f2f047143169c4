import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}
const packages = Object.entries(lock.packages)

/** Where Node would look for `name` from the package at `path`: beside it, then further up. */
function placesFor(path: string, name: string): string[] {
  const steps = path.split('/node_modules/').map((_, index, all) => all.slice(0, index + 1))
  const nested = path === '' ? [] : steps.map((parts) => parts.join('/node_modules/'))
  return [...nested.map((parent) => `${parent}/node_modules/${name}`), `node_modules/${name}`]
}

describe('the lock file', () => {
  it('names no server to take packages from', () => {
    const named = packages.filter(([, { resolved, link }]) => resolved !== undefined && !link)
    expect(named.map(([path]) => path)).toEqual([])
    expect(packages.length).toBeGreaterThan(100)
  })

  it('has an entry for the packages of every platform', () => {
    const missing = packages.flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {})
        .filter((name) => !placesFor(path, name).some((place) => place in lock.packages))
        .map((name) => `${path} → ${name}`),
    )
    expect(missing).toEqual([])
    const platforms = packages.filter(([path]) => /biomejs\/cli-(darwin|win32|linux)/.test(path))
    expect(platforms.length).toBeGreaterThanOrEqual(6)
  })
})

describe('package.json', () => {
  it('pins every version exactly', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    const loose = versions.filter(
      ([, version]) => !/^(npm:.+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    )
    expect(loose).toEqual([])
  })

  it('has no script that npm would run by itself while installing', () => {
    const own = ['install', 'preinstall', 'postinstall', 'prepare', 'prepublish']
    expect(Object.keys(manifest.scripts).filter((name) => own.includes(name))).toEqual([])
  })

  it('installs and builds what is stale before it starts, tests or measures', () => {
    for (const name of ['prestart', 'pretest', 'prebench']) {
      expect(manifest.scripts[name]).toBe('node scripts/bootstrap.mjs')
    }
  })
})
