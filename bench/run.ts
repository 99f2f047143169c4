/**
 * `npm run bench`: runs all benches, or those that are named, prints one table, and writes
 * `RESULTS.md` when all of them ran to their full length.
 *
 *   npm run bench -- decode greeks      these alone
 *   npm run bench -- ingest --short     a quarter of the time, for a first look
 *   npm run bench -- ingest --profile DIR   CPU profiles of the measured processes into DIR
 */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchCatchUp } from './catch-up.ts'
import type { BenchContext } from './context.ts'
import { benchHistory } from './history.ts'
import { benchIngest } from './ingest.ts'
import { stopAll } from './load/child.ts'
import { benchPath } from './path.ts'
import { benchQueries } from './queries.ts'
import { type ResultRow, resultsPage, tableText } from './report.ts'
import { benchEmbedded, benchSplit } from './split.ts'
import { benchStart } from './start.ts'
import { benchSubscribe } from './subscribe.ts'
import { decodeRows, greeksRows } from './unit-rows.ts'

type Bench = (context: BenchContext) => Promise<readonly ResultRow[]>

const BENCHES: Readonly<Record<string, Bench>> = {
  decode: decodeRows,
  greeks: greeksRows,
  start: benchStart,
  subscribe: benchSubscribe,
  path: benchPath,
  split: benchSplit,
  'catch-up': benchCatchUp,
  embedded: benchEmbedded,
  ingest: benchIngest,
  history: benchHistory,
  queries: benchQueries,
}

const SHORT_SHARE = 0.25

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    profile: { type: 'string' },
    /** Set by `scripts/bench.mjs`: the built program, what it was built from, and where `RESULTS.md` stands. */
    main: { type: 'string', default: 'dist/main.js' },
    revision: { type: 'string', default: 'an unknown revision' },
    results: { type: 'string' },
  },
})
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES)
const unknown = names.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  process.stderr.write(
    `no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`,
  )
  process.exit(2)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().then(() => process.exit(1)))
}
try {
  const rows = await runAll(names)
  process.stdout.write(`\n${tableText(rows)}\n`)
  const isWhole = positionals.length === 0 && !values.short && values.profile === undefined
  if (isWhole && values.results !== undefined) {
    writeFileSync(
      join(values.results, 'RESULTS.md'),
      resultsPage(rows, new Date(), values.revision),
    )
  }
} finally {
  await stopAll()
}

async function runAll(chosen: readonly string[]): Promise<ResultRow[]> {
  const { main, profile, short } = values
  const context: BenchContext = {
    main: resolve(main),
    seconds: (whole) => (short ? Math.max(1, Math.round(whole * SHORT_SHARE)) : whole),
    nodeArgs: profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`],
    say: (text) => process.stderr.write(`${text}\n`),
  }
  const rows: ResultRow[] = []
  for (const name of chosen) rows.push(...(await (BENCHES[name] as Bench)(context)))
  return rows
}
