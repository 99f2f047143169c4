/**
 * `fostream replay`: plays the journal of the data folder as an exchange of its own, for a second
 * instance to connect to. That one runs with the feed `simulated` and a data folder of its own, so
 * that what is played again never meets real data.
 */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { startReplay } from '../exchange/replay/serve-replay.ts'
import { systemClock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { parseInstruments } from '../kite/instruments.ts'
import { EXCHANGE_SPEED_MAX, REPLAY_LEAD_S } from '../limits.ts'
import type { Instrument } from '../market/instrument.ts'
import { formatIst, parseApiTime } from '../market/ist.ts'
import { DumpCopy } from '../ticker/instruments/dump-copy.ts'
import { loginCallbackUrl } from '../ticker/login/callback.ts'
import { UsageError } from './command-line.ts'
import { refuseUnsafe } from './not-yet.ts'
import { openReplayJournal } from './replay-journal.ts'
import { type Fail, roleLog } from './role-parts.ts'
import { StartError } from './start-error.ts'

/** As the command line has them. */
interface ReplayArguments {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly speed?: string | undefined
  readonly port?: string | undefined
  readonly lead?: string | undefined
}

/** Times are epoch ms, in market time; undefined where the journal's own bounds count. */
export interface AskedReplay {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly speed: number
  readonly port: number | undefined
  readonly leadS: number
}

/** Throws UsageError. */
export function readReplay({ from, to, speed = '1', port, lead }: ReplayArguments): AskedReplay {
  const fromMs = timeOf('from', from)
  const toMs = timeOf('to', to)
  if (fromMs !== undefined && toMs !== undefined && toMs <= fromMs) {
    throw new UsageError(`--to ${to} is not after --from ${from}; give a later one`)
  }
  const most = EXCHANGE_SPEED_MAX
  return {
    fromMs,
    toMs,
    // Market time runs by the ticker's own clock, so there is always a speed: the highest is the most.
    speed: speed === 'max' ? most : numberOf('speed', speed, [1, most], 'max for the highest'),
    port: port === undefined ? undefined : wholeOf('port', port, [0, 65_535]),
    leadS: lead === undefined ? REPLAY_LEAD_S : numberOf('lead', lead, [0, 3_600]),
  }
}

export async function runReplay(
  config: Config,
  asked: AskedReplay,
  releasers: Releasers,
  fail: Fail,
): Promise<void> {
  refuseUnsafe(config)
  const log = roleLog(config, 'exchange')
  releasers.push('log', () => log.close())
  const listing = await listedBeside(config, log)
  const dir = join(config.folders.feedData, 'journal')
  const journal = await openReplayJournal(dir, listing, {
    fromMs: asked.fromMs ?? Number.NEGATIVE_INFINITY,
    toMs: asked.toMs ?? Number.POSITIVE_INFINITY,
  })
  const fromMs = asked.fromMs ?? journal.firstMs
  const toMs = asked.toMs ?? journal.lastMs
  if (fromMs > journal.lastMs || toMs <= Math.max(fromMs, journal.firstMs)) {
    const [first, last] = [formatIst(journal.firstMs), formatIst(journal.lastMs)]
    throw new StartError(`The journal goes from ${first} to ${last}; nothing of it was asked for.`)
  }
  const replay = await startReplay({
    host: config.bindHost,
    port: asked.port ?? config.exchange.port,
    journal,
    fromMs,
    toMs,
    speed: asked.speed,
    leadS: asked.leadS,
    redirectUrl: loginCallbackUrl(config.kite.loginPort),
    clock: systemClock,
    log,
  })
  releasers.push('replay', () => replay.stop())
  replay.ended.then(
    () =>
      process.stdout.write(
        'Replay ended; Ctrl-C stops it. Nothing is known of what follows, so its clients are disconnected:\n' +
          '  from here on each of their sockets has a gap of reason disconnect, which stays open.\n',
      ),
    (error: Error) => fail(error),
  )
  const { port } = new URL(replay.url)
  process.stdout.write(
    `Replay of ${dir} at ${replay.url}\n` +
      `  ${formatIst(fromMs)} to ${formatIst(toMs)} at speed ${asked.speed}, ${journal.instruments.length} instruments\n` +
      `  It begins when a ticker asks for the time, and reaches its window ${asked.leadS} s later. For example:\n` +
      `  EXCHANGE_PORT=${port} FOSTREAM_DATA_DIR=.replayed TICKER_PORT=… BACKEND_PORT=… npm start\n` +
      `  What was streaming, as a body for the ticker's POST /subscriptions: ${replay.url}/control/subscriptions\n`,
  )
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = parseApiTime(text)
  if (time.ok) return time.ms
  throw new UsageError(
    `--${name} ${text} is no instant; give a date and time as 2026-11-20T09:15 (IST), or epoch seconds`,
  )
}

type Bounds = readonly [least: number, most: number]

function numberOf(name: string, text: string, [least, most]: Bounds, other?: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= least && number <= most) return number
  const or = other === undefined ? '' : `, or ${other}`
  throw new UsageError(`--${name} ${text}: give a number from ${least} to ${most}${or}`)
}

function wholeOf(name: string, text: string, [least, most]: Bounds): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  throw new UsageError(`--${name} ${text}: give a whole number from ${least} to ${most}`)
}

/**
 * What the ticker has listed last, so that a chain has all its strikes. Without it only what the
 * journal announces is listed.
 */
async function listedBeside({ folders }: Config, log: Log): Promise<readonly Instrument[]> {
  const path = join(folders.feedData, 'instruments.csv')
  const copy = await new DumpCopy(path).read()
  const dump = copy === undefined ? undefined : parseInstruments(copy.text)
  if (dump?.ok === true) return dump.instruments
  log.warn({ path }, 'No instrument dump beside the journal: only what it announces is listed')
  return []
}
