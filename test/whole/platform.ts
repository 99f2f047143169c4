/** The whole platform as its user runs it: the built program in a process of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../free-port.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface Ports {
  readonly exchange: number
  readonly ticker: number
  readonly backend: number
  readonly database: number
}

export interface Platform {
  readonly dataDir: string
  readonly ports: Ports
  readonly tickerUrl: string
  readonly backendUrl: string
  readonly exchangeUrl: string
  /** Everything the running program has printed. */
  output(): string
  start(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** Ctrl-C; returns the exit code. */
  stop(): Promise<number | null>
  /** Another command of the same program with the same settings, to its end. */
  command(...args: string[]): Promise<Ended>
  /** Stops it, by force if need be, and deletes its data. */
  dispose(): Promise<void>
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * One chain from the feed alone, without history and snapshots: for tests that compare every row with
 * what was journalled.
 */
export const FEED_ALONE = {
  SMART_SUBSCRIPTION_UNDERLYINGS: 'NIFTY',
  SMART_SUBSCRIPTION_EXPIRIES: '1',
  BACKFILL_ENABLED: 'false',
  CHAIN_SNAPSHOT_SECONDS: '0',
} as const

const START_WITHIN_MS = 90_000

/** @param program the compiled program to run instead of the built one */
export async function platform(
  env: Readonly<Record<string, string>> = {},
  program = PROGRAM,
): Promise<Platform> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fostream-'))
  const [exchange, ticker, backend, database] = await freePorts(4)
  const ports = { exchange, ticker, backend, database } as Ports
  const settings = {
    PATH: process.env['PATH'],
    FOSTREAM_DATA_DIR: dataDir,
    EXCHANGE_PORT: String(ports.exchange),
    TICKER_PORT: String(ports.ticker),
    BACKEND_PORT: String(ports.backend),
    EMBEDDED_DB_PORT: String(ports.database),
    ...env,
  }
  let child: ChildProcess | undefined
  let printed = ''

  async function start(): Promise<void> {
    printed = ''
    const started = spawn(process.execPath, [program], {
      cwd: dataDir,
      env: settings,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    const ready = new Promise<void>((resolve, reject) => {
      const deadline = setTimeout(
        () => reject(new Error(`not started within ${START_WITHIN_MS} ms:\n${printed}`)),
        START_WITHIN_MS,
      )
      const take = (chunk: Buffer) => {
        printed += String(chunk)
        if (!printed.includes('Monitor')) return
        clearTimeout(deadline)
        resolve()
      }
      started.stdout.on('data', take)
      started.stderr.on('data', take)
      started.once('exit', (code) => {
        clearTimeout(deadline)
        reject(new Error(`ended with code ${code}:\n${printed}`))
      })
    })
    await ready
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const running = child
    if (running === undefined || running.exitCode !== null) return running?.exitCode ?? null
    const ended = new Promise<number | null>((resolve) => running.once('exit', resolve))
    running.kill(signal)
    return ended
  }

  return {
    dataDir,
    ports,
    tickerUrl: `http://127.0.0.1:${ports.ticker}`,
    backendUrl: `http://127.0.0.1:${ports.backend}`,
    exchangeUrl: `http://127.0.0.1:${ports.exchange}`,
    output: () => printed,
    start,
    kill: async () => {
      await end('SIGKILL')
    },
    stop: () => end('SIGINT'),
    command: (...args) =>
      new Promise((resolve) => {
        const options = { cwd: dataDir, env: settings, maxBuffer: 64 * 1024 * 1024 }
        const run = execFile(process.execPath, [program, ...args], options, (_, stdout, stderr) =>
          resolve({ code: run.exitCode, stdout, stderr }),
        )
      }),
    dispose: async () => {
      await end('SIGKILL')
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
