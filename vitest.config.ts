import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Of one process each: they start programs, servers and engines. The longest first, so that none is left alone at the end. */
const PLATFORM = [
  'whole',
  'faults',
  'web',
  'ticker',
  'postgres',
  'compose',
  'redis',
  'soak',
  'house',
]
const platform = PLATFORM.map((folder) => `test/${folder}/**/*.test.ts`)

/** What a run before took is not known on a fresh clone: by folder, then by size. */
class LongestFirst extends BaseSequencer {
  override async sort(specs: TestSpecification[]): Promise<TestSpecification[]> {
    const key = ({ moduleId }: TestSpecification) => {
      const [, folder = ''] = relative(import.meta.dirname, moduleId).split(/[\\/]/)
      const rank = PLATFORM.indexOf(folder)
      return { rank: rank < 0 ? PLATFORM.length : rank, size: statSync(moduleId).size }
    }
    const sorted = specs.map((spec) => ({ spec, ...key(spec) }))
    return sorted.sort((a, b) => a.rank - b.rank || b.size - a.size).map(({ spec }) => spec)
  }
}

export default defineConfig({
  test: {
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Two cores: most of the platform's tests wait for a market or a process.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'platform', include: platform } },
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: platform,
          // Nothing of theirs is global, and loading everything anew for each file took longer than they do.
          isolate: false,
        },
      },
    ],
  },
})
