/**
 * The whole program on a simulated exchange that runs apart from it as its broker, with the broker's
 * own request rates and as many keys as a user would have.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackendStatus } from '../../src/contract/api/backend-status.ts'
import type { BenchContext } from '../context.ts'
import { getJson } from './http.ts'
import { Program } from './program.ts'

export interface BrokerAndProgramOptions {
  readonly seed: number
  /** Accounts of the exchange that the program may use. */
  readonly keys: number
  /** Undefined: the embedded store. */
  readonly databaseUrl: string | undefined
  /** Undefined: events stay in the process. */
  readonly redis: { readonly url: string; readonly prefix: string } | undefined
}

export interface BrokerAndProgram {
  readonly exchangeUrl: string
  readonly tickerUrl: string
  readonly backendUrl: string
}

interface Account {
  readonly name: string
  readonly api_key: string
  readonly api_secret: string
  readonly access_token: string
}

/** Nothing is subscribed but what the bench asks for. Runs `use` once the program hears of events. */
export async function withBrokerAndProgram<T>(
  context: BenchContext,
  parent: string,
  options: BrokerAndProgramOptions,
  use: (running: BrokerAndProgram) => Promise<T>,
): Promise<T> {
  const { main, nodeArgs } = context
  const exchangeFolder = join(parent, 'exchange')
  await mkdir(exchangeFolder)
  const env = { EXCHANGE_SEED: String(options.seed) }
  const exchange = await Program.start({ main, command: 'exchange', folder: exchangeFolder, env })
  try {
    const exchangeUrl = await exchange.address('exchange at')
    const settings = await settingsOf(parent, exchangeUrl, options)
    const program = await Program.start({
      main,
      command: 'up',
      folder: parent,
      nodeArgs,
      env: settings,
    })
    try {
      const tickerUrl = await program.address('Ticker')
      const backendUrl = await program.address('Monitor')
      await program.until(() => isListening(backendUrl), 'listener of events')
      return await use({ exchangeUrl, tickerUrl, backendUrl })
    } catch (cause) {
      const { said } = program.child
      throw new Error(`the measurement broke off; the program said: ${said}`, { cause })
    } finally {
      await program.stop()
    }
  } finally {
    await exchange.stop()
  }
}

async function settingsOf(
  folder: string,
  exchangeUrl: string,
  { keys, databaseUrl, redis }: BrokerAndProgramOptions,
): Promise<Record<string, string>> {
  const accounts = await getJson<Account[]>(`${exchangeUrl}/control/accounts`)
  if (accounts.length < keys) throw new Error(`the exchange has ${accounts.length} accounts`)
  const accountsFile = join(folder, 'accounts.json')
  await writeFile(accountsFile, JSON.stringify(accounts.slice(0, keys)))
  await chmod(accountsFile, 0o600)
  return {
    KITE_ACCOUNTS_FILE: accountsFile,
    KITE_WS_ROOT: exchangeUrl.replace(/^http/, 'ws'),
    KITE_REST_ROOT: exchangeUrl,
    SESSION_CALENDAR: 'always',
    SMART_SUBSCRIPTION_ENABLED: 'false',
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    ...(redis === undefined ? {} : { REDIS_URL: redis.url, REDIS_CHANNEL_PREFIX: redis.prefix }),
  }
}

/** Undefined until then. */
async function isListening(backendUrl: string): Promise<true | undefined> {
  const { events, underlyings } = await getJson<BackendStatus>(`${backendUrl}/status`)
  const isThere = events.listener === 'running' && events.error === null && underlyings.length > 0
  return isThere ? true : undefined
}
