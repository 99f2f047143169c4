/** Starts the simulated exchange in its worker thread and stops it again. */
import { Worker } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { LogLevel } from '../kit/log.ts'
import { STOP_DEADLINE_MS } from '../limits.ts'
import { loginCallbackUrl } from '../ticker/login/callback.ts'
import { StartError } from './start-error.ts'

export interface ExchangeOrder {
  readonly exchange: {
    readonly host: string
    readonly port: number
    readonly seed: number
    readonly speed: number
    readonly ticksPerSecond: number | undefined
    readonly stateDir: string
    /** Where a login sends the browser, as a Kite app's redirect URL does. */
    readonly redirectUrl: string
  }
  readonly logFolder: string
  readonly logLevel: LogLevel
}

export interface SimulatedAccount {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string
  readonly accessToken: string
}

export type ExchangeReport =
  | {
      readonly kind: 'started'
      readonly url: string
      readonly accounts: readonly SimulatedAccount[]
      readonly marketTimeMs: number
    }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'stopped' }

export interface ExchangeThread {
  readonly url: string
  readonly accounts: readonly SimulatedAccount[]
  /** Market time at the start, epoch ms. */
  readonly marketTimeMs: number
  stop(): Promise<void>
}

export async function startExchangeThread(
  { exchange, kite, bindHost, folders, logLevel }: Config,
  onDeath: (error: Error) => void,
): Promise<ExchangeThread> {
  const order: ExchangeOrder = {
    exchange: {
      host: bindHost,
      port: exchange.port,
      seed: exchange.seed,
      speed: exchange.speed,
      ticksPerSecond: exchange.ticksPerSecond,
      stateDir: folders.feedData,
      redirectUrl: loginCallbackUrl(kite.loginPort),
    },
    logFolder: folders.logs,
    logLevel,
  }
  const worker = new Worker(new URL('./exchange-worker.js', import.meta.url), {
    workerData: order,
    name: 'exchange',
  })
  const report = await firstReport(worker)
  if (report.kind !== 'started') {
    throw new StartError(report.kind === 'failed' ? report.message : 'the exchange did not start')
  }
  let isStopping = false
  worker.on('error', onDeath)
  worker.on('exit', (code) => {
    if (!isStopping) onDeath(new Error(`the exchange ended with code ${code}`))
  })
  const { url, accounts, marketTimeMs } = report
  return {
    url,
    accounts,
    marketTimeMs,
    stop: async () => {
      isStopping = true
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
      worker.postMessage('stop')
      const deadline = setTimeout(() => worker.terminate(), STOP_DEADLINE_MS)
      await ended
      clearTimeout(deadline)
    },
  }
}

function firstReport(worker: Worker): Promise<ExchangeReport> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
