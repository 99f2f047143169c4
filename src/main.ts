#!/usr/bin/env node
/**
 * The command line: reads the settings, starts the roles that were asked for, and stops them in order.
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { type LoginArguments, runLogin } from './compose/login.ts'
import { version } from './compose/role-parts.ts'
import { runBackend } from './compose/run-backend.ts'
import { type BackfillArguments, runBackfill } from './compose/run-backfill.ts'
import { runExchange } from './compose/run-exchange.ts'
import { type ReplayArguments, runReplay } from './compose/run-replay.ts'
import { runSubscribe } from './compose/run-subscribe.ts'
import { runTicker } from './compose/run-ticker.ts'
import { runVerify } from './compose/run-verify.ts'
import { StartError } from './compose/start-error.ts'
import { runUp } from './compose/up.ts'
import { type Config, ConfigError, loadConfig, readSettingsFile } from './config.ts'
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
             --plan: only what would change, per account. Exit codes: 1 refused, 3 no backend answers
  backfill NAME   history of an underlying's series or of one contract, fetched by the running
             backend: --expiry nearest | YYYY-MM-DD, --days 1 … 60 (1). Exit codes: 1 failed,
             2 refused, 3 no backend answers
  verify     whether the store is what the journal says: books, gaps, coverage, and every row of a
             date folded a second time; works beside a running platform and on a stopped one.
             Exit codes: 1 something is lost or unexplained, 3 it could not look

Options
  --env-file FILE   settings from FILE instead of .env
  --paste           login without a browser on this machine: paste where it ends
  --date YYYY-MM-DD verify: this date (IST) instead of the newest
  --against-broker  verify: each complete bar against the broker's candle too, one request an instrument
  --after NAME      verify: with the broker, go on behind this tradingsymbol
  --json            verify: the result as one JSON object
  --help            this text
  --version         the version

Every setting is described in .env.example.
`

type Start = typeof runUp

const COMMANDS: Readonly<Record<string, Start>> = {
  up: runUp,
  exchange: runExchange,
  ticker: runTicker,
  backend: runBackend,
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      'env-file': { type: 'string' },
      paste: { type: 'boolean' },
      date: { type: 'string' },
      'against-broker': { type: 'boolean' },
      after: { type: 'string' },
      json: { type: 'boolean' },
      from: { type: 'string' },
      to: { type: 'string' },
      speed: { type: 'string' },
      port: { type: 'string' },
      lead: { type: 'string' },
      expiry: { type: 'string' },
      days: { type: 'string' },
      plan: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  })
  if (values.help) return say(HELP)
  if (values.version) return say(`${version()}\n`)
  const [command = 'up', ...rest] = positionals
  const isPasted = values.paste === true
  const { from, to, speed, port, lead } = values
  const replay: ReplayArguments = { from, to, speed, port, lead }
  const { expiry, days } = values
  const isOfBackfill = expiry !== undefined || days !== undefined
  const [name] = rest
  if (command === 'backfill' && name !== undefined && rest.length === 1 && !isPasted) {
    return backfill({ name, expiry, days }, argv)
  }
  if (command === 'subscribe' && rest.length === 0 && !isPasted && !isOfBackfill) {
    return runSubscribe(readConfig(argv), values.plan === true)
  }
  const isReplay = Object.values(replay).some((value) => value !== undefined)
  if (command === 'replay' && rest.length === 0 && !isPasted) {
    const start: Start = (config, releasers, _, fail) => runReplay(config, replay, releasers, fail)
    return run(start, argv)
  }
  const isOfVerify = VERIFY_OPTIONS.some((name) => values[name] !== undefined)
  if (command === 'verify' && rest.length === 0 && !isPasted && !isReplay) {
    return verifyStore(values, argv)
  }
  if (command === 'login' && rest.length <= 1) {
    return logIn({ account: rest[0], isPasted }, argv)
  }
  const start = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  const isOfAnother = isPasted || isReplay || isOfVerify || isOfBackfill || values.plan === true
  if (isOfAnother || start === undefined || rest.length > 0) {
    process.stderr.write(`Unknown command: ${positionals.join(' ')}\n\n${HELP}`)
    return 2
  }
  return run(start, argv)
}

const VERIFY_OPTIONS = ['date', 'against-broker', 'after', 'json'] as const

/** Wrong settings and a wrong date are 2 here: 1 is said of the data. */
async function verifyStore(
  values: {
    readonly date?: string
    readonly 'against-broker'?: boolean
    readonly after?: string
    readonly json?: boolean
  },
  argv: readonly string[],
): Promise<number> {
  const { date, after, json = false, 'against-broker': isAgainstBroker = false } = values
  if (date !== undefined && !isCivilDate(date)) {
    process.stderr.write(`--date ${date} is no date; give YYYY-MM-DD\n`)
    return 2
  }
  try {
    const config = readConfig(argv)
    return await runVerify(config, { date, after, isJson: json, isAgainstBroker })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 2
  }
}

/** Runs to its end; the first Ctrl-C gives it up. */
async function logIn(login: LoginArguments, argv: readonly string[]): Promise<number> {
  return runLogin(readConfig(argv), login, stopSignal())
}

/** The same; the job itself goes on. */
async function backfill(given: BackfillArguments, argv: readonly string[]): Promise<number> {
  return runBackfill(readConfig(argv), given, stopSignal())
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
  const isParseError = 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  if (isParseError) return `${error.message}\n\n${HELP}`
  return isForeseen ? error.message : (error.stack ?? error.message)
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`${explain(error)}\n`)
    process.exit(1)
  },
)
