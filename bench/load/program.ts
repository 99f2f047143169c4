/** The program itself, started as a user starts it, with a data folder and ports of its own. */
import { join } from 'node:path'
import { Child } from './child.ts'
import { getJson } from './http.ts'

export interface ProgramOptions {
  /** The built program, `dist/main.js`. */
  readonly main: string
  readonly command: 'up' | 'exchange' | 'ticker' | 'backend'
  /** For its data and logs. */
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
}

const START_WITHIN_MS = 60_000
const LOOK_MS = 5
/** Settings of whoever runs the bench are not those of the program that is measured. */
const FOREIGN = [
  ...['DATABASE_URL', 'DB_HOST', 'DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD', 'REDIS_URL'],
  ...['KITE_API_KEY', 'KITE_API_SECRET', 'KITE_ACCESS_TOKEN', 'KITE_ACCOUNTS_FILE', 'API_KEYS'],
  ...['FOSTREAM_LOG_DIR', 'BIND_HOST', 'BASIC_AUTH', 'EMBEDDED_DB_PORT', 'SESSION_CALENDAR'],
]

export class Program {
  readonly child: Child

  /** Resolves as soon as the process runs; it may not listen yet. */
  static async start(options: ProgramOptions): Promise<Program> {
    const { main, command, folder, env, nodeArgs = [] } = options
    const child = await Child.start({
      args: [...nodeArgs, main, command],
      cwd: folder,
      env: {
        ...Object.fromEntries(FOREIGN.map((name) => [name, undefined])),
        FOSTREAM_DATA_DIR: join(folder, 'data'),
        LOG_LEVEL: 'warning',
        EXCHANGE_PORT: '0',
        TICKER_PORT: '0',
        BACKEND_PORT: '0',
        ...env,
      },
    })
    return new Program(child)
  }

  private constructor(child: Child) {
    this.child = child
  }

  /** The address that it has announced behind `label`. */
  async address(label: 'Monitor' | 'Ticker' | 'exchange at'): Promise<string> {
    const announced = new RegExp(`${label}\\s+(http://[^/\\s,]+)`)
    return this.until(async () => announced.exec(this.child.said)?.[1], `its ${label} address`)
  }

  /** Waits until `look` finds something; a failed look is one that found nothing. */
  async until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
    const untilMs = performance.now() + START_WITHIN_MS
    for (;;) {
      const [looked] = await Promise.allSettled([look()])
      if (looked.status === 'fulfilled' && looked.value !== undefined) return looked.value
      if (!this.child.isRunning) throw new Error(`the program ended: ${this.child.said}`)
      if (performance.now() > untilMs) {
        throw new Error(`no ${what} within ${START_WITHIN_MS} ms: ${this.child.said}`)
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** The chain of NIFTY as soon as it has a price. */
  async liveChain(backendUrl: string): Promise<ChainSeen> {
    const url = `${backendUrl}/fo/strike-distribution?symbol=NIFTY`
    return this.until(async () => {
      const chain = await getJson<ChainSeen>(url)
      return chain.completeness.strikes_present > 0 ? chain : undefined
    }, 'live chain')
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}

export interface ChainSeen {
  readonly completeness: { readonly strikes_present: number; readonly strikes_streamed: number }
}
