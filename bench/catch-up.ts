/**
 * The backend away for a minute while its ticker writes on, ticker and backend apart: how long it needs,
 * from its process's start, until it has committed everything, with ticks going on meanwhile.
 */
import type { BenchContext } from './context.ts'
import { INSTRUMENTS, LoadedPlatform, pause } from './load/loaded-platform.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { atLeast, ms, type ResultRow, worst } from './report.ts'

const TICKS_PER_SECOND = 10_000
const BEFORE_MS = 5_000
const AWAY_SECONDS = 60
const WITHIN_MS = 60_000
const LOOK_MS = 5
/** A backend that is never behind is within this of what was sent. */
const LEVEL_WITHIN_MS = 100

export async function benchCatchUp(context: BenchContext): Promise<readonly ResultRow[]> {
  const server = await serverUrl()
  if (server === undefined) return []
  return withDatabase(server, (url) => withFolder((folder) => measure(context, folder, url)))
}

async function measure(
  context: BenchContext,
  folder: string,
  databaseUrl: string,
): Promise<readonly ResultRow[]> {
  const awaySeconds = context.seconds(AWAY_SECONDS)
  context.say(`catch-up: away for ${awaySeconds} s`)
  const platform = await LoadedPlatform.start(context, folder, databaseUrl)
  try {
    await platform.setRate(TICKS_PER_SECOND)
    await pause(BEFORE_MS)
    await platform.stopBackend()
    const goneAtMs = performance.now()
    const from = await foldedOf(platform)
    await pause(awaySeconds * 1000)
    const startedAtMs = performance.now()
    await platform.startBackend()
    const first = await until(platform, (folded) => folded > from)
    const level = await until(platform, (folded, sent) => isLevel(folded, sent))
    const { sent, books } = await platform.settled()
    await platform.stopPrograms()
    const awayMs = startedAtMs - goneAtMs
    const behind = level.folded - from
    const tookMs = level.atMs - startedAtMs
    const reading = (behind / TICKS_PER_SECOND) * 1000
    const speed = reading / tookMs
    const lost = sent - books.folded - books.notFolded
    return [
      {
        bench: 'catch-up',
        what: `backend away for ${Math.round(awayMs / 1000)} s at ${n(TICKS_PER_SECOND)} ticks/s, ${n(INSTRUMENTS)} instruments, split, PostgreSQL`,
        measured: `${speed.toFixed(1)} × real time, lost ${n(lost)}`,
        must: '5 ×',
        aim: '20 ×',
        verdict: worst(lost === 0 ? 'aim' : 'missed', atLeast(speed, 5, 20)),
        details: `process start → level in ${ms(tookMs)}, the first commit after ${ms(first.atMs - startedAtMs)}; ${n(behind)} ticks`,
      },
    ]
  } catch (cause) {
    throw new Error(`the measurement broke off; the program said: ${platform.said}`, { cause })
  } finally {
    await platform.close()
  }
}

function isLevel(folded: number, sent: number): boolean {
  return sent - folded <= (TICKS_PER_SECOND * LEVEL_WITHIN_MS) / 1000
}

async function foldedOf(platform: LoadedPlatform): Promise<number> {
  const { folded, notFolded } = await platform.books()
  return folded + notFolded
}

async function until(
  platform: LoadedPlatform,
  isThere: (folded: number, sent: number) => boolean,
): Promise<{ folded: number; atMs: number }> {
  const untilMs = performance.now() + WITHIN_MS
  for (;;) {
    const { packets } = await platform.sent()
    const folded = await foldedOf(platform)
    const atMs = performance.now()
    if (isThere(folded, packets)) return { folded, atMs }
    if (atMs > untilMs) throw new Error(`not level within ${WITHIN_MS} ms`)
    await pause(LOOK_MS)
  }
}

function n(value: number): string {
  return value.toLocaleString('en-GB')
}
