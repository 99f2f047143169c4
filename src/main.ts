#!/usr/bin/env node
/**
 * The command line: reads the settings, starts the roles that were asked for, and stops them in order.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runExchange } from './compose/run-exchange.ts'
import { StartError } from './compose/start-error.ts'
import { runUp } from './compose/up.ts'
import { ConfigError, loadConfig, readSettingsFile } from './config.ts'
import { Releasers } from './kit/releasers.ts'
import { STOP_DEADLINE_MS } from './limits.ts'

const HELP = `Usage: fostream [command] [--env-file FILE]

Commands
  up         everything in one process (default): exchange or broker, ticker, backend, Monitor
  exchange   the simulated exchange alone

Options
  --env-file FILE   settings from FILE instead of .env
  --help            this text
  --version         the version

Every setting is described in .env.example.
`

const COMMANDS = { up: runUp, exchange: runExchange } as const

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      'env-file': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  })
  if (values.help) return say(HELP)
  if (values.version) return say(`${version()}\n`)
  const [command = 'up', ...rest] = positionals
  if (!(command in COMMANDS) || rest.length > 0) {
    process.stderr.write(`Unknown command: ${positionals.join(' ')}\n\n${HELP}`)
    return 2
  }
  return run(COMMANDS[command as keyof typeof COMMANDS], argv)
}

/** Starts a command, waits for a signal or its failure, and stops it in reverse order. */
async function run(
  start: (typeof COMMANDS)[keyof typeof COMMANDS],
  argv: readonly string[],
): Promise<number> {
  const { config, warnings } = loadConfig(argv, process.env, readSettingsFile)
  for (const { message } of warnings) process.stderr.write(`Warning: ${message}\n`)
  const releasers = new Releasers()
  const stopping = new AbortController()
  const failed = new Promise<Error>((resolve) => {
    const stop = () => stopping.abort()
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    stopping.signal.addEventListener('abort', () => {
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

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
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
