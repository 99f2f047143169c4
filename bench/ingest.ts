/**
 * The writer alone: journal → fold → store, without sockets, at rising rates, on the embedded store
 * and on PostgreSQL. Tells where its limit is; `path` measures the whole program.
 */
import { fileURLToPath } from 'node:url'
import type { BenchContext } from './context.ts'
import type { IngestFigures, IngestOrder } from './ingest-process.ts'
import { Child } from './load/child.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { atLeast, atMost, cores, ms, type ResultRow, type Verdict, worst } from './report.ts'

const INSTRUMENTS = 4_500
const PROGRAM = fileURLToPath(new URL('./ingest-process.js', import.meta.url))
/** Beyond this a rate does not count as sustained. */
const SUSTAINED_P99_MS = 100
const CATCH_UP_RATE = 10_000

interface Rate {
  readonly ticksPerSecond: number
  readonly seconds: number
  readonly must: string
  readonly aim: string
  readonly verdict: (figures: IngestFigures) => Verdict
}

const sustained = (figures: IngestFigures, otherwise: Verdict): Verdict =>
  isWhole(figures) ? atMost(figures.latency.p99Ms, SUSTAINED_P99_MS, SUSTAINED_P99_MS) : otherwise

/** Not asked for: no fault where it is not sustained. */
const beyond: Pick<Rate, 'must' | 'aim' | 'verdict'> = {
  must: '',
  aim: '',
  verdict: () => 'none',
}

const EMBEDDED: readonly Rate[] = [
  { ticksPerSecond: 5_000, seconds: 20, ...beyond },
  {
    ticksPerSecond: 10_000,
    seconds: 30,
    must: 'loss 0, P99 < 100 ms',
    aim: '40,000/s',
    verdict: (figures) => worst(sustained(figures, 'missed'), 'must'),
  },
  { ticksPerSecond: 20_000, seconds: 20, ...beyond },
  {
    ticksPerSecond: 40_000,
    seconds: 20,
    must: '',
    aim: 'loss 0, P99 < 100 ms',
    verdict: (figures) => (sustained(figures, 'missed') === 'missed' ? 'none' : 'aim'),
  },
]

const POSTGRESQL: readonly Rate[] = [
  {
    ticksPerSecond: 10_000,
    seconds: 30,
    must: 'loss 0, P99 < 50 ms',
    aim: 'P50 < 4 ms, P99 < 12 ms',
    verdict: (figures) => {
      const { p50Ms, p99Ms } = figures.latency
      return worst(lossVerdict(figures), atMost(p99Ms, 50, 12), atMost(p50Ms, 50, 4))
    },
  },
  { ticksPerSecond: 20_000, seconds: 20, ...beyond },
  {
    ticksPerSecond: 50_000,
    seconds: 20,
    must: 'loss 0, P99 < 100 ms',
    aim: '200,000/s',
    verdict: (figures) => worst(sustained(figures, 'missed'), 'must'),
  },
  {
    ticksPerSecond: 100_000,
    seconds: 15,
    must: 'loss 0',
    aim: '400,000/s',
    verdict: (figures) => worst(lossVerdict(figures), 'must'),
  },
]

export async function benchIngest(context: BenchContext): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for (const rate of EMBEDDED) rows.push(await measureRate(context, rate, undefined))
  rows.push(await measureCatchUp(context, undefined))
  const server = await serverUrl()
  if (server === undefined) return rows
  for (const rate of POSTGRESQL) {
    rows.push(await withDatabase(server, (url) => measureRate(context, rate, url)))
  }
  rows.push(await withDatabase(server, (url) => measureCatchUp(context, url)))
  return rows
}

async function measureRate(
  context: BenchContext,
  rate: Rate,
  databaseUrl: string | undefined,
): Promise<ResultRow> {
  const { ticksPerSecond, must, aim } = rate
  const seconds = context.seconds(rate.seconds)
  const order = { ticksPerSecond, seconds, databaseUrl, isCatchUp: false }
  context.say(`ingest: ${storeName(databaseUrl)}, ${count(ticksPerSecond)} ticks/s, ${seconds} s`)
  const figures = await run(context, order)
  const { p50Ms, p99Ms, maxMs } = figures.latency
  return {
    bench: 'ingest',
    what: `due → committed, ${count(ticksPerSecond)} ticks/s, ${seconds} s, ${storeName(databaseUrl)}`,
    measured: `P50 ${ms(p50Ms)}, P99 ${ms(p99Ms)}, max ${ms(maxMs)}, ${lossText(figures)}`,
    must,
    aim,
    verdict: rate.verdict(figures),
    details: `${figures.commits} commits, last one ${ms(figures.drainMs)} after the load; ${usageText(figures)}`,
  }
}

async function measureCatchUp(
  context: BenchContext,
  databaseUrl: string | undefined,
): Promise<ResultRow> {
  const seconds = context.seconds(30)
  const order = { ticksPerSecond: CATCH_UP_RATE, seconds, databaseUrl, isCatchUp: true }
  context.say(`ingest: ${storeName(databaseUrl)}, catching up with ${seconds} s`)
  const figures = await run(context, order)
  const speed = (seconds * 1000) / figures.drainMs
  return {
    bench: 'ingest',
    what: `catch-up with ${seconds} s of ${count(CATCH_UP_RATE)} ticks/s, ${storeName(databaseUrl)}`,
    measured: `${speed.toFixed(1)} × real time, ${lossText(figures)}`,
    must: '5 ×',
    aim: '20 ×',
    verdict: worst(lossVerdict(figures), atLeast(speed, 5, 20)),
    details: `${figures.commits} commits; ${usageText(figures)}`,
  }
}

function run(
  context: BenchContext,
  order: Omit<IngestOrder, 'folder' | 'instruments'>,
): Promise<IngestFigures> {
  return withFolder(async (folder) => {
    const whole = { ...order, folder, instruments: INSTRUMENTS }
    const args = [...context.nodeArgs, PROGRAM, JSON.stringify(whole)]
    const child = await Child.start({ args })
    return JSON.parse(await child.result()) as IngestFigures
  })
}

function isWhole({ sent, journaled, folded }: IngestFigures): boolean {
  return journaled === sent && folded === sent
}

function lossVerdict(figures: IngestFigures): Verdict {
  return isWhole(figures) ? 'aim' : 'missed'
}

function lossText({ sent, folded }: IngestFigures): string {
  return `lost ${count(sent - folded)} of ${count(sent)}`
}

function usageText(figures: IngestFigures): string {
  const { mainThreadCpu, otherThreadsCpu, serverCpu, elsewhereCpu, maxRssMb } = figures
  const usage = {
    'main thread': mainThreadCpu,
    'other threads': otherThreadsCpu,
    PostgreSQL: serverCpu,
    elsewhere: elsewhereCpu,
  }
  return `${cores(usage)}; up to ${Math.round(maxRssMb)} MB`
}

function storeName(databaseUrl: string | undefined): string {
  return databaseUrl === undefined ? 'embedded' : 'PostgreSQL'
}

function count(n: number): string {
  return n.toLocaleString('en-GB')
}
