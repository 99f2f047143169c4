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

- **Single events, at 50,000 ticks/s.** Else a commit holds some 500 rows, is built in 2 ms and stored in 6,
  a hundred of them go a second, and a tick waits 20 to 30 ms. Whatever holds backend or PostgreSQL up for
  50 ms (a minute's 4,500 inserts, a major garbage collection, something else on the machine) lets the next
  commits grow to all 4,500 rows, since the generator gives every instrument its turn; each of those takes 60
  to 100 ms, and it takes half a second until they are small again.
- **The machine.** Its two cores are the halves of one, and what they do in a second changes from hour to hour,
  though a loop without memory takes the same: the same work took 46 to 59 % of a core in the backend, 43 to
  52 % in PostgreSQL and 14 to 21 % in the ticker. At 50,000 ticks/s P99 was 58 and 62 ms in its good hour and 82
  to 184 ms in its bad one.
- **A minute's first seconds.** Its 4,500 rows are inserted into the table and three indexes, and those of
  the minute before are written once more, between live commits: at 10,000 ticks/s that is the P99.
- **400,000 ticks/s** are what the machine takes with generator, ticker, backend and PostgreSQL on two cores in
  its good hour; in a bad one the journal takes the load and the backend is level seconds after. Nothing is lost.

What was tried, one after the other with and without it: a commit is built while the store works on the
one before, and its rows are encoded one by one as they are made and never kept: commits a second
+75 %, median 175 → 128 ms. Both legs of a strike computed once, no keys put together in look-ups:
rows made in two thirds of the time, median → 113 ms. Encoding at once but with all rows kept: nothing.
One thread for collecting garbage: +20 % commits, no better P99. Then, at 50,000 ticks/s
with all roles apart, where the median was 217 ms: columns side by side without a copy of each (the
upsert 12.8 → 9.5 µs a row at the least), keys copied into their bars instead of kept anew (garbage
collection from a third to a tenth), finals planned beside the commits (P99 at 10,000 ticks/s 139 → 57),
columns encoded 128 rows at a time in loops of their own, keys written byte by byte (a build of 4,500 rows
67 → some 40 ms), the next build begun by what the store takes at the least (no more idle store): 135 ms.
A young generation of 32 MB brings nothing any more. Then, at 10,000 ticks/s on the slower machine
(figures of one machine, some minutes apart): metrics of open minutes once a second instead of four times
and without keys put together (main thread 50 → 43 %, PostgreSQL 37 → 31 %, the writer alone), what looks
at all 4,500 instruments in slices or seldom (P99 98 → 56 ms with all roles apart), what a series' finals
rest on read in parts (ticks over 50 ms after a close 13,611 → 2,242 of 50,000). Commits at least 12 or 20 ms
apart instead of 5: a tenth and a fifth less processor time, median 10 → 18 and 24 ms, no better P99.
Then, on the EPYC, at 50,000 ticks/s with all roles apart, where P50 and P99 were 86 to 279 and 303 to
483 ms with the machine's speed: the next commit sent behind the one that the store works on (131 → 74 ms
in the median), rows of an open minute updated without IV and Greeks in commits of more than 250 instruments
(PostgreSQL 9 → 6.3 µs a row alone), instruments of one shape instead of dictionaries (3.3 million missed
field accesses in 80 s at 10,000 ticks/s, then 0.2), changed bars by rank instead of sorted,
numbers of every tick without boxes. The backend's share fell from 69–78 % to 53 %, and 200,000 ticks/s had a
median of 168 ms (1,442 on the Xeon before). Updates in every commit: 10 % more of PostgreSQL at 10,000
ticks/s, since each part of a statement costs. Commits 20 or 35 ms apart under load: nothing. Last, on the
EPYC at 50,000 ticks/s: IV and Greeks of open minutes once a second instead of twice (P99 72 to 205 → 58 and 62 ms within
an hour), finals 200 ms apart where commits follow one another (in the bad hour 3 and 7 % of the ticks
waited longer than 100 ms before, 0.5 and 2 % right after, up to 4 % later in it), instruments that each journal segment tells again known by
their bytes (4,500 of them held up the ticks for 80 to 160 ms every 16 s), journal batches 5 ms apart (330
a second else; ticker 25 → 21 %). More room for the server's write-ahead log, its compression, commits that do not
wait for the disk: nothing. IV and Greeks every 3 s with journal batches 10 ms apart: backend 55 → 46 %, no better P99.
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
