#!/usr/bin/env node
/**
 * The command line: reads the settings, starts the roles that were asked for, and stops them in order.
 */
import { setFlagsFromString } from 'node:v8'
import {
  type CommandLine,
  type CommandName,
  readCommandLine,
  UsageError,
} from './compose/command-line.ts'
import { runLogin } from './compose/login.ts'
import { version } from './compose/role-parts.ts'
import { runBackend } from './compose/run-backend.ts'
import { readBackfill, runBackfill } from './compose/run-backfill.ts'
import { runExchange } from './compose/run-exchange.ts'
import { readReplay, runReplay } from './compose/run-replay.ts'
import { runSubscribe } from './compose/run-subscribe.ts'
import { runTicker } from './compose/run-ticker.ts'
import { runVerify } from './compose/run-verify.ts'
import { StartError } from './compose/start-error.ts'
import { runUp } from './compose/up.ts'
import { type Config, ConfigError, loadConfig, readSettingsFile } from './config.ts'
import { systemClock } from './kit/clock.ts'
import { Releasers } from './kit/releasers.ts'
import { HEAP_GROWING_PERCENT, STOP_DEADLINE_MS, STORE_REBUILDS_MAX } from './limits.ts'
import { isCivilDate } from './market/ist.ts'
import { StoreLostError } from './postgres/embedded/open-embedded.ts'

const HELP = `Usage: fostream [command] [--env-file FILE]

Commands
  up         everything in one process (default): exchange or broker, ticker, backend, Monitor
  exchange   the simulated exchange alone
  ticker     the ticker alone: broker or exchange in, journal out
  backend    the backend alone: reads tickers' journals, needs DATABASE_URL
  replay     the journal of the data folder, played again as an exchange of its own: --from and --to
             (ISO or epoch seconds, market time), --speed 1 … 600 or max, --port (EXCHANGE_PORT),
             --lead (20: seconds to connect and subscribe in before --from)
  login [account]   a new access token: log in at the broker, whose app has the redirect URL
             http://127.0.0.1:8085/kite/callback (port KITE_LOGIN_PORT). Exit codes: 3 denied,
             4 refused, 5 no answer, 6 too late, 7 port in use, 8 not stored
  subscribe  what is streamed around the money, brought up to date now by the running backend;
             --plan: only what would change, per account, and by what it is switched on or off.
             Exit codes: 1 refused, 3 no backend answers
  backfill NAME   history of an underlying's series or of one contract, fetched by the running
             backend: --expiry nearest | YYYY-MM-DD, --days 1 … 60 (1). Says how far it is, waits some
             seconds for IV, Greeks and metrics too, and ends with what was written and where to see
             it; Ctrl-C leaves it to the backend. Exit codes: 1 failed, 2 refused, 3 no backend answers
  verify     whether the store is what the journal says: every row of a date folded a second time,
             books, gaps, coverage; works beside a running platform and on a stopped one. Says how
             far it is, then the verdict, what is wrong, and last each instrument's coverage.
             Exit codes: 1 something is lost or unexplained, 2 wrong command line, 3 it could not
             look, or there is nothing of that date

Options
  --env-file FILE   settings from FILE instead of .env
  --paste           login without a browser on this machine: paste where it ends
  --date YYYY-MM-DD verify: this date (IST) instead of the newest
  --against-broker  verify: each complete bar against the broker's candle too, one request an instrument
  --after NAME      verify: with the broker, go on behind this tradingsymbol
  --json            verify: the result as one JSON object
  --help            this text
  --version         the version

What is wrong on the command line ends any command with exit code 2.
Every setting is described in .env.example.
`

const WRONG_USAGE = 2

type Start = typeof runUp
type Run = (line: CommandLine, argv: readonly string[]) => Promise<number>

const COMMANDS: Readonly<Record<CommandName, Run>> = {
  up: (_, argv) => run(runUp, argv),
  exchange: (_, argv) => run(runExchange, argv),
  ticker: (_, argv) => run(runTicker, argv),
  backend: (_, argv) => run(runBackend, argv),
  replay,
  login: logIn,
  subscribe: async ({ switches }, argv) => runSubscribe(readConfig(argv), switches.has('plan')),
  backfill,
  verify: verifyStore,
}

async function main(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv)
  if (line.switches.has('help')) return say(HELP)
  if (line.switches.has('version')) return say(`${version()}\n`)
  return COMMANDS[line.command](line, argv)
}

async function replay({ texts }: CommandLine, argv: readonly string[]): Promise<number> {
  const asked = readReplay(texts)
  const start: Start = (config, releasers, _, fail) => runReplay(config, asked, releasers, fail)
  return run(start, argv)
}

/** Wrong settings are 2 here: 1 is said of the data. */
async function verifyStore(
  { texts, switches }: CommandLine,
  argv: readonly string[],
): Promise<number> {
  const { date, after } = texts
  const isAgainstBroker = switches.has('against-broker')
  if (date !== undefined && !isCivilDate(date)) {
    throw new UsageError(`--date ${date} is no date; give YYYY-MM-DD`)
  }
  if (after !== undefined && !isAgainstBroker) {
    throw new UsageError('--after goes with --against-broker; add that, or leave it out')
  }
  try {
    const config = readConfig(argv)
    return await runVerify(config, { date, after, isJson: switches.has('json'), isAgainstBroker })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return WRONG_USAGE
  }
}

/** Runs to its end; the first Ctrl-C gives it up. */
async function logIn(
  { operand: account, switches }: CommandLine,
  argv: readonly string[],
): Promise<number> {
  return runLogin(readConfig(argv), { account, isPasted: switches.has('paste') }, stopSignal())
}

/** The same; the job itself goes on. */
async function backfill(
  { operand: name = '', texts }: CommandLine,
  argv: readonly string[],
): Promise<number> {
  const asked = readBackfill({ name, expiry: texts.expiry, days: texts.days })
  const { stdout, stderr } = process
  const terminal = { stdout, stderr, clock: systemClock, signal: stopSignal() }
  return runBackfill(readConfig(argv), asked, terminal)
}

function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  process.once('SIGTERM', () => stopping.abort())
  return stopping.signal
}

function readConfig(argv: readonly string[]): Config {
  const { config, warnings } = loadConfig(argv, process.env, readSettingsFile)
  for (const { message } of warnings) process.stderr.write(`Warning: ${message}\n`)
  return config
}

/** Runs a command to its end; where it ended because its store is damaged, again, with another store. */
async function run(start: Start, argv: readonly string[]): Promise<number> {
  const config = readConfig(argv)
  if (config.store.kind === 'embedded') keepHeapSmall()
  for (let rebuilds = 0; ; rebuilds++) {
    try {
      return await runOnce(start, config)
    } catch (error) {
      if (!(error instanceof StoreLostError) || rebuilds === STORE_REBUILDS_MAX) throw error
      process.stderr.write(`${error.message}\nStarting again with a new one.\n`)
    }
  }
}

/**
 * Beside the embedded engine memory is what is short: some 60 MB that are in use would else grow to 200
 * before anything is collected. It costs some 3 % of a core at 10,000 ticks/s.
 */
function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
}

/** Starts a command, waits for a signal or its failure, and stops it in reverse order. */
async function runOnce(start: Start, config: Config): Promise<number> {
  const releasers = new Releasers()
  const stopping = new AbortController()
  const failed = new Promise<Error>((resolve) => {
    const stop = () => stopping.abort()
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.once(signal, stop)
      releasers.push(signal, () => void process.off(signal, stop))
    }
    stopping.signal.addEventListener('abort', () => {
      process.stdout.write('Stopping …\n')
      process.once('SIGINT', () => process.exit(130))
      process.once('SIGTERM', () => process.exit(143))
    })
    void Promise.resolve(start(config, releasers, stopping.signal, resolve)).catch(resolve)
  })
  const stopped = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined))
  })
  const failure = await Promise.race([failed, stopped])
  const deadline = setTimeout(() => {
    process.stderr.write('Stopping took too long; what was not written is a gap.\n')
    process.exit(1)
  }, STOP_DEADLINE_MS)
  try {
    await releasers.release()
  } finally {
    clearTimeout(deadline)
  }
  if (failure !== undefined) throw failure
  return 0
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

/** What the user can put right is said in one line; anything else is our fault and shows its stack. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isForeseen = error instanceof ConfigError || error instanceof StartError || 'code' in error
  if (error instanceof UsageError) return `${error.message}\nfostream --help says what there is.`
  return isForeseen ? error.message : (error.stack ?? error.message)
}

/** A file that is named on the command line is a word of it; what stands in the file is not. */
function isWronglyAsked(error: unknown): boolean {
  if (error instanceof ConfigError) return error.faults.some(({ name }) => name === '--env-file')
  return error instanceof UsageError
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`${explain(error)}\n`)
    process.exit(isWronglyAsked(error) ? WRONG_USAGE : 1)
  },
)
