/**
 * The embedded store starts its engine in a thread, whose code must be JavaScript: it is taken from
 * the build (`dist`, or the folder that FOSTREAM_DIST names). `npm test` builds first; where nobody has
 * built, its tests are skipped and a line says so, with `CI` set that is a failure.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll } from 'vitest'
import type { Clock } from '../../../src/kit/clock.ts'
import type * as openEmbeddedModule from '../../../src/postgres/embedded/open-embedded.ts'
import type * as seedModule from '../../../src/postgres/embedded/seed.ts'

type EmbeddedOptions = openEmbeddedModule.EmbeddedOptions
type EmbeddedStore = openEmbeddedModule.EmbeddedStore

const dist = resolve(process.env['FOSTREAM_DIST'] ?? 'dist')
/** One empty store serves all test files and runs on this machine: making one takes seconds. */
const sharedSeed = join(tmpdir(), `fostream-test-seed-${seedVersion()}`)

export const realClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  every: (periodMs, task) => {
    const timer = setInterval(task, periodMs)
    return () => clearInterval(timer)
  },
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface Compiled {
  /** Path of a compiled module, for child processes. */
  path(module: string): string
  readonly seed: string
  /** Opens a store of the test's own, closed and deleted after the file, and what it logs. */
  open(options?: Partial<EmbeddedOptions>): Promise<{ store: EmbeddedStore; lines: LogLine[] }>
  prepareSeed(path: string): Promise<void>
  newFolder(): Promise<string>
}

/** Undefined where there is no build. Call at the top level of a test file. */
export async function compiledEmbedded(): Promise<Compiled | undefined> {
  const path = (module: string) => pathToFileURL(join(dist, module)).href
  if (!existsSync(join(dist, 'postgres/embedded/open-embedded.js'))) return absent()
  const { openEmbedded } = (await import(
    path('postgres/embedded/open-embedded.js')
  )) as typeof openEmbeddedModule
  const { prepareSeed } = (await import(path('postgres/embedded/seed.js'))) as typeof seedModule
  await makeSharedSeed(prepareSeed)
  const releases: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const release of releases.reverse()) await release()
  })
  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fostream-embedded-'))
    releases.push(() => rm(folder, { recursive: true, force: true }))
    return folder
  }
  const open = async (options: Partial<EmbeddedOptions> = {}) => {
    const lines: LogLine[] = []
    const dataDir = options.dataDir ?? (await newFolder())
    const log = linesInto(lines)
    const store = await openEmbedded({
      clock: realClock,
      seed: sharedSeed,
      log,
      ...options,
      dataDir,
    })
    releases.push(() => store.close())
    return { store, lines }
  }
  return { path, seed: sharedSeed, open, prepareSeed, newFolder }
}

/** Another engine, or another way of making a seed, makes another one. */
function seedVersion(): string {
  const hash = createHash('sha256')
  for (const file of [join(dist, 'postgres/embedded/seed-worker.js'), 'package-lock.json']) {
    if (existsSync(file)) hash.update(readFileSync(file))
  }
  return hash.digest('hex').slice(0, 12)
}

function absent(): undefined {
  const message = `the embedded store is not built in ${dist}; npm test does that`
  if ((process.env['CI'] ?? '') !== '') throw new Error(message)
  process.stderr.write(`skipped: ${message}\n`)
  return undefined
}

async function makeSharedSeed(prepareSeed: (path: string) => Promise<void>): Promise<void> {
  if (existsSync(sharedSeed)) return
  const own = await mkdtemp(join(tmpdir(), 'fostream-seed-'))
  await prepareSeed(join(own, 'seed'))
  // Whoever is first wins; the others' copies go.
  await rename(join(own, 'seed'), sharedSeed).catch((error: unknown) => {
    if (!existsSync(sharedSeed)) throw error
  })
  await rm(own, { recursive: true, force: true })
}

function linesInto(lines: LogLine[]): EmbeddedOptions['log'] {
  const write = (level: LogLine['level']) => (fields: unknown, message?: string) => {
    const line = typeof fields === 'string' ? { fields: {}, message: fields } : { fields, message }
    lines.push({ level, ...line } as LogLine)
  }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}
