/**
 * Due → committed at rising rates with 4,500 instruments: a packet generator, a ticker process, its
 * journal over HTTP, a backend process, PostgreSQL (`split`); and the same in one process with the
 * embedded store (`embedded`). One minute closes in each measurement.
 *
 * A packet carries the time when it was due at the broker, so that a pause of whoever is on the way
 * counts for every packet that it held up. When it was committed is seen from outside.
 */
import type { BenchContext } from './context.ts'
import {
  type Books,
  IDLE_RATE,
  INSTRUMENTS,
  LoadedPlatform,
  pause,
} from './load/loaded-platform.ts'
import { type OutsideFigures, OutsideView, outsideFigures } from './load/outside-view.ts'
import { dueAtMs } from './load/packet-stream.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { MemoryWatch, UsageMeter } from './load/usage.ts'
import { atMost, cores, ms, type ResultRow, type Verdict, worst } from './report.ts'

/** A whole minute, so that its close weighs what it weighs. */
const MINUTE_SECONDS = 60
/** Where only loss counts. */
const SHORT_SECONDS = 15
const WARM_UP_MS = 6_000
const MINUTE_MS = 60_000
/** A minute closes so long after its end. */
const CLOSE_AT_MS = 5_000

interface Rate {
  readonly ticksPerSecond: number
  readonly seconds: number
  /** How often it is looked what has been committed; each look costs the machine some 0.2 ms. */
  readonly lookMs: number
  readonly must: string
  readonly aim: string
  readonly verdict: (p99Ms: number | null, isWhole: Verdict) => Verdict
}

interface RateFigures {
  readonly rate: Rate
  readonly seconds: number
  readonly sent: number
  readonly books: Books
  readonly drainMs: number
  readonly generatorPauseMs: number
  readonly cpu: Readonly<Record<string, number | undefined>>
  readonly memoryMb: Readonly<Record<string, number | undefined>>
}

/** No must of its own, so it is no fault where the aim is not met. */
const aimOnly = (isMet: boolean): Verdict => (isMet ? 'aim' : 'none')

const SPLIT: readonly Rate[] = [
  {
    ticksPerSecond: 10_000,
    seconds: MINUTE_SECONDS,
    lookMs: 2,
    must: 'P99 < 50 ms, loss 0',
    aim: 'P99 < 12 ms',
    verdict: (p99Ms, isWhole) => worst(isWhole, atMost(p99Ms, 50, 12)),
  },
  {
    ticksPerSecond: 50_000,
    seconds: MINUTE_SECONDS,
    lookMs: 10,
    must: 'P99 < 100 ms, loss 0',
    aim: '',
    verdict: (p99Ms, isWhole) => worst(isWhole, atMost(p99Ms, 100, 0)),
  },
  {
    ticksPerSecond: 100_000,
    seconds: SHORT_SECONDS,
    lookMs: 5,
    must: 'loss 0',
    aim: '',
    verdict: (_, isWhole) => worst(isWhole, 'must'),
  },
  {
    ticksPerSecond: 200_000,
    seconds: SHORT_SECONDS,
    lookMs: 5,
    must: '',
    aim: 'P99 < 100 ms, loss 0',
    verdict: (p99Ms, isWhole) => aimOnly(isWhole === 'aim' && atMost(p99Ms, 100, 100) === 'aim'),
  },
  {
    ticksPerSecond: 400_000,
    seconds: SHORT_SECONDS,
    lookMs: 5,
    must: '',
    aim: 'loss 0',
    verdict: (_, isWhole) => aimOnly(isWhole === 'aim'),
  },
]

/** The engine does one thing at a time, so it is asked less often than a server. */
const EMBEDDED: readonly Rate[] = [
  {
    ticksPerSecond: 5_000,
    seconds: SHORT_SECONDS,
    lookMs: 10,
    must: '',
    aim: '',
    verdict: () => 'none',
  },
  {
    ticksPerSecond: 10_000,
    seconds: MINUTE_SECONDS,
    lookMs: 10,
    must: 'P99 < 100 ms, loss 0',
    aim: '',
    verdict: (p99Ms, isWhole) => worst(isWhole, atMost(p99Ms, 100, 0)),
  },
  {
    ticksPerSecond: 20_000,
    seconds: SHORT_SECONDS,
    lookMs: 10,
    must: '',
    aim: '',
    verdict: () => 'none',
  },
  {
    ticksPerSecond: 40_000,
    seconds: SHORT_SECONDS,
    lookMs: 10,
    must: '',
    aim: 'P99 < 100 ms, loss 0',
    verdict: (p99Ms, isWhole) => aimOnly(isWhole === 'aim' && atMost(p99Ms, 100, 100) === 'aim'),
  },
]

export async function benchSplit(context: BenchContext): Promise<readonly ResultRow[]> {
  const server = await serverUrl()
  if (server === undefined) return []
  return withDatabase(server, (url) => measure(context, SPLIT, url))
}

export function benchEmbedded(context: BenchContext): Promise<readonly ResultRow[]> {
  return measure(context, EMBEDDED, undefined)
}

function measure(
  context: BenchContext,
  rates: readonly Rate[],
  databaseUrl: string | undefined,
): Promise<readonly ResultRow[]> {
  return withFolder(async (folder) => {
    const platform = await LoadedPlatform.start(context, folder, databaseUrl)
    try {
      const figures: RateFigures[] = []
      const views: OutsideView[] = []
      for (const rate of rates) {
        const { view, ...rest } = await atRate(context, platform, rate)
        figures.push(rest)
        views.push(view)
      }
      await platform.stopPrograms()
      context.say('reading the journal')
      const latencies = await outsideFigures(views, platform.journal, (tick) => {
        return dueAtMs(tick.averagePrice, tick.receivedAtMs) ?? tick.receivedAtMs
      })
      return figures.map((each, i) => row(each, latencies[i] as OutsideFigures, platform.isSplit))
    } catch (cause) {
      throw new Error(`the measurement broke off; the program said: ${platform.said}`, { cause })
    } finally {
      await platform.close()
    }
  })
}

async function atRate(
  context: BenchContext,
  platform: LoadedPlatform,
  rate: Rate,
): Promise<RateFigures & { readonly view: OutsideView }> {
  const seconds = context.seconds(rate.seconds)
  context.say(`${platform.isSplit ? 'split' : 'embedded'}: ${n(rate.ticksPerSecond)} ticks/s`)
  const before = await platform.settled()
  await platform.setRate(IDLE_RATE)
  await pause(untilWarmUpMs(seconds))
  await platform.setRate(rate.ticksPerSecond)
  await pause(WARM_UP_MS)
  await platform.sent()
  const meter = usageMeter(platform)
  const memory = memoryWatches(platform)
  await meter.begin()
  const view = new OutsideView(platform.store, rate.lookMs)
  await pause(seconds * 1000)
  view.endCount()
  const cpu = await meter.end()
  const { longest_pause_ms } = await platform.sent()
  const after = await platform.settled()
  await view.stop()
  await platform.setRate(IDLE_RATE)
  const memoryMb = Object.fromEntries(memory.map(([name, watch]) => [name, stopped(watch)]))
  return {
    ...{ rate, seconds, view, cpu, memoryMb },
    sent: after.sent - before.sent,
    books: difference(after.books, before.books),
    drainMs: after.tookMs,
    generatorPauseMs: longest_pause_ms,
  }
}

/** So that the close lies in the middle of what is measured; a whole minute has one anywhere. */
function untilWarmUpMs(seconds: number): number {
  if (seconds >= MINUTE_SECONDS) return 0
  const sinceMinuteMs = Date.now() % MINUTE_MS
  const beginMs = CLOSE_AT_MS - (seconds * 1000) / 2 - WARM_UP_MS + MINUTE_MS
  return (beginMs - sinceMinuteMs + MINUTE_MS) % MINUTE_MS
}

function usageMeter({ isSplit, ticker, backend, generator, store }: LoadedPlatform): UsageMeter {
  const programs = isSplit
    ? { ticker: [ticker.child.pid], backend: [backend.child.pid] }
    : { program: [ticker.child.pid] }
  return new UsageMeter(
    {
      generator: [generator.pid],
      ...programs,
      ...(isSplit ? { PostgreSQL: () => serverPids(store) } : {}),
      bench: [process.pid],
    },
    [isSplit ? 'backend' : 'program', backend.child.pid],
  )
}

function memoryWatches({ isSplit, ticker, backend }: LoadedPlatform): [string, MemoryWatch][] {
  const pids: Readonly<Record<string, number>> = isSplit
    ? { ticker: ticker.child.pid, backend: backend.child.pid }
    : { program: ticker.child.pid }
  return Object.entries(pids).map(([name, pid]) => [name, new MemoryWatch(pid)])
}

function stopped(watch: MemoryWatch): number | undefined {
  watch.stop()
  return watch.largestMb
}

async function serverPids(store: LoadedPlatform['store']): Promise<readonly number[]> {
  const { rows } = await store.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database()',
  )
  return rows.map(({ pid }) => pid)
}

function difference(after: Books, before: Books): Books {
  return {
    received: after.received - before.received,
    journaled: after.journaled - before.journaled,
    folded: after.folded - before.folded,
    notFolded: after.notFolded - before.notFolded,
    dropped: after.dropped - before.dropped,
  }
}

function row(figures: RateFigures, outside: OutsideFigures, isSplit: boolean): ResultRow {
  const { rate, seconds, sent, books, cpu, memoryMb } = figures
  const { p50Ms, p99Ms, maxMs } = outside.longest
  const lost = sent - books.folded - books.notFolded
  const isWhole: Verdict = lost === 0 && books.dropped === 0 ? 'aim' : 'missed'
  const least = `at least P50 ${ms(outside.shortest.p50Ms)}, P99 ${ms(outside.shortest.p99Ms)}`
  const ledger = `generator sent ${n(sent)}, received ${n(books.received)}, journaled ${n(books.journaled)}, folded ${n(books.folded)}, not folded ${n(books.notFolded)}, dropped ${n(books.dropped)}`
  const memory = Object.entries(memoryMb).map(([name, mb]) => `${name} ${Math.round(mb ?? 0)} MB`)
  const drain = `all committed ${ms(figures.drainMs)} after the load`
  const own = `the generator's longest pause ${ms(figures.generatorPauseMs)}`
  return {
    bench: isSplit ? 'split' : 'embedded',
    what: `due → committed, ${n(rate.ticksPerSecond)} ticks/s, ${n(INSTRUMENTS)} instruments, ${seconds} s, ${isSplit ? 'PostgreSQL' : 'embedded'}`,
    measured: `P50 ≤ ${ms(p50Ms)}, P99 ≤ ${ms(p99Ms)}, max ≤ ${ms(maxMs)}, lost ${n(lost)}`,
    must: rate.must,
    aim: rate.aim,
    verdict: rate.verdict(p99Ms, isWhole),
    details: `${least}; ${ledger}; ${drain}; ${own}; ${cores(cpu)}; ${memory.join(', ')}`,
  }
}

function n(value: number): string {
  return value.toLocaleString('en-GB')
}
