/** What the benches found, as a table for the terminal and for `RESULTS.md`. */
import { cpus, release, totalmem, type } from 'node:os'

/** How a figure stands to its budget; `none` where there is no budget for it. */
export type Verdict = 'aim' | 'must' | 'missed' | 'none'

export interface ResultRow {
  readonly bench: string
  readonly what: string
  readonly measured: string
  /** What it has to be, and what would be good; empty where nothing is asked. */
  readonly must: string
  readonly aim: string
  readonly verdict: Verdict
  /** Further figures of the same run. */
  readonly details: string
}

/** A smaller figure is better. */
export function atMost(value: number | null, must: number, aim: number): Verdict {
  if (value === null || value > must) return 'missed'
  return value <= aim ? 'aim' : 'must'
}

/** A larger figure is better. */
export function atLeast(value: number, must: number, aim: number): Verdict {
  if (value < must) return 'missed'
  return value >= aim ? 'aim' : 'must'
}

/** Of several conditions the worst counts. */
export function worst(...verdicts: readonly Verdict[]): Verdict {
  const order: readonly Verdict[] = ['missed', 'must', 'aim', 'none']
  return order.find((verdict) => verdicts.includes(verdict)) ?? 'none'
}

export function ms(value: number | null): string {
  if (value === null) return '–'
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

/** Shares of one core, where the system tells them. */
export function cores(parts: Readonly<Record<string, number | undefined>>): string {
  const known = Object.entries(parts).filter(([, share]) => share !== undefined)
  return known
    .map(([name, share]) => `${name} ${Math.max(0, Math.round((share ?? 0) * 100))} %`)
    .join(', ')
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  aim: 'aim met',
  must: 'must met',
  missed: 'MISSED',
  none: '',
}

export function tableText(rows: readonly ResultRow[]): string {
  const lines = rows.map((row) => [row.bench, row.what, row.measured, VERDICTS[row.verdict]])
  const widths = [0, 1, 2].map((i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line, at) => {
      const cells = line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
      const { must, aim, details } = rows[at] as ResultRow
      const budget = must === '' ? '' : `must ${must}; aim ${aim}`
      const below = [budget, details].filter((text) => text !== '')
      return [cells.trimEnd(), ...below.map((text) => `    ${text}`)].join('\n')
    })
    .join('\n')
}

/**
 * Found with `npm run bench -- ingest --profile DIR` and `node --trace-gc`, 2026-11-22, Node 20.20,
 * 2 cores; figures are of 50,000 ticks/s on PostgreSQL unless said otherwise.
 */
const LIMITS = `## What limits the figures

- **The backend's main thread, from 50,000 ticks/s on.** Ticker (11 % of a core at 50,000, 65 % at
  400,000) and PostgreSQL (45 %) have room then. Of the thread's time a third is garbage collection,
  45 % is making and encoding rows (a quarter of that IV and Greeks), 5 % is folding. Every tick renews
  some 450 bytes that are kept (keys and quotes), so each collection of the young generation hands half
  a megabyte on to the old one, which is collected for every 40 % that it has grown
  (\`HEAP_GROWING_PERCENT\`, for the sake of memory). With a young generation of 32 MB and no such limit
  the median fell from 184 to 72 ms, for 110 MB more.
- **One commit after the other.** A tick waits for the commit before its own and for its own, so the
  median is some 1.5 times what a commit takes: up to 4,500 rows of 36 columns, 9 to 12 µs each in
  PostgreSQL, of which \`unnest\` alone takes 2.6.
- **10,000 ticks/s: the close of the minute.** 4,500 options are written once more within a second or
  two, between live commits.
- **400,000 ticks/s** are more than the machine takes with generator, ticker, backend and PostgreSQL on
  two cores: nothing is lost, the journal takes the load, and the backend is level some seconds after.

What was tried, one after the other with and without it: a commit is built while the store works on the
one before, and its rows are encoded one by one as they are made and never kept: commits a second
+75 %, median 175 → 128 ms. Both legs of a strike computed once, no keys put together in look-ups:
rows made in two thirds of the time, median → 113 ms. Encoding at once but with all rows kept: nothing.
One thread for collecting garbage: +20 % commits, no better P99.
`

/** @param revision what was measured: a commit, and whether the tree differed from it */
export function resultsPage(rows: readonly ResultRow[], date: Date, revision: string): string {
  const [processor] = cpus()
  const lines = rows.map((row) => {
    const { bench, what, measured, must, aim, verdict, details } = row
    return `| ${[bench, what, measured, must, aim, VERDICTS[verdict], details].join(' | ')} |`
  })
  return `# Results

Written by \`npm run bench\` on ${date.toISOString().slice(0, 10)} of ${revision}. Everything runs on this one
machine, load generators, simulated exchange and database included.

| | |
|---|---|
| processor | ${processor?.model.trim() ?? 'unknown'}, ${cpus().length} cores |
| memory | ${(totalmem() / 2 ** 30).toFixed(0)} GB |
| system | ${type()} ${release()} |
| Node.js | ${process.versions.node} |

| bench | what | measured | must | aim | verdict | besides |
|---|---|---|---|---|---|---|
${lines.join('\n')}

«Elsewhere» is what other programs on the machine used meanwhile: where it is not near 0, latencies
say more about them than about this one.

${LIMITS}`
}
