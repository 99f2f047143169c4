/**
 * `fostream login [account]`: the user logs in at the broker, and the running ticker has the new
 * access token within seconds. Without credentials it logs in at the simulated exchange.
 */
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import type { Config } from '../config.ts'
import { systemClock } from '../kit/clock.ts'
import { KITE_REST_TIMEOUT_MS } from '../limits.ts'
import { endText, type LoginAccount, logIn, whoOf } from '../ticker/login/log-in.ts'
import { LoginError, type LoginErrorCode } from '../ticker/login/login-error.ts'
import { StartError } from './start-error.ts'

export interface LoginArguments {
  /** May be left out where there is one account. */
  readonly account: string | undefined
  /** The user pastes where the browser ends, instead of the browser coming back by itself. */
  readonly isPasted: boolean
}

/** 2 is a wrong command line, 1 anything else. */
const EXIT_CODES: Readonly<Record<LoginErrorCode, number>> = {
  denied: 3,
  refused: 4,
  foreign: 4,
  broker_unavailable: 5,
  timeout: 6,
  port_in_use: 7,
  not_stored: 8,
  aborted: 130,
}

/** The exit code. */
export async function runLogin(
  config: Config,
  { account, isPasted }: LoginArguments,
  signal: AbortSignal,
): Promise<number> {
  const accounts = await accountsOf(config)
  const chosen = choose(accounts, account)
  if (typeof chosen === 'string') {
    process.stderr.write(`${chosen}\n`)
    return 2
  }
  const { restRoot, loginRoot, loginPort } = config.kite
  try {
    const done = await logIn({
      account: chosen,
      restRoot,
      loginRoot,
      dataDir: config.folders.feedData,
      port: loginPort,
      readLine: isPasted ? () => readLine(signal) : undefined,
      state: randomBytes(16).toString('hex'),
      clock: systemClock,
      say: (text) => process.stdout.write(`${text}\n`),
      signal,
    })
    process.stdout.write(
      `Logged in: ${whoOf(done)}, account ${chosen.name}. The access token ends at ${endText(done)} IST.\n` +
        `Kept in ${done.path}; a running ticker takes it up by itself.\n`,
    )
    return 0
  } catch (error) {
    if (!(error instanceof LoginError)) throw error
    process.stderr.write(`${error.message}\n`)
    return EXIT_CODES[error.code]
  }
}

/** The account, or what is wrong with the choice. */
function choose(accounts: readonly SecretAccount[], name: string | undefined) {
  const names = accounts.map((account) => account.name).join(', ')
  const [only] = accounts
  const chosen =
    name === undefined && accounts.length === 1 ? only : accounts.find((each) => each.name === name)
  if (chosen === undefined) {
    return name === undefined
      ? `Which account? fostream login ACCOUNT, with one of: ${names}`
      : `There is no account ${name}. The accounts are: ${names}`
  }
  const { apiSecret } = chosen
  if (apiSecret === undefined) return 'A login needs KITE_API_SECRET beside KITE_API_KEY; set it.'
  return { ...chosen, apiSecret }
}

type SecretAccount = Omit<LoginAccount, 'apiSecret'> & { readonly apiSecret: string | undefined }

async function accountsOf({ feed, kite }: Config): Promise<readonly SecretAccount[]> {
  return feed === 'kite' ? kite.accounts : simulatedAccounts(kite.restRoot)
}

async function simulatedAccounts(root: string): Promise<SecretAccount[]> {
  const url = `${root}/control/accounts`
  const signal = AbortSignal.timeout(KITE_REST_TIMEOUT_MS)
  try {
    const answer = await fetch(url, { signal })
    const rows = (await answer.json()) as { name: string; api_key: string; api_secret: string }[]
    return rows.map(({ name, api_key, api_secret }) => {
      return { name, apiKey: api_key, apiSecret: api_secret, accessTokenFile: undefined }
    })
  } catch (cause) {
    const message = `No broker credentials are set, and no simulated exchange answers at ${root}. Set KITE_API_KEY and KITE_API_SECRET, or start fostream first.`
    throw new StartError(message, { cause })
  }
}

async function readLine(signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin })
  signal.addEventListener('abort', () => lines.close(), { once: true })
  for await (const line of lines) {
    if (line.trim() !== '') {
      lines.close()
      return line
    }
  }
  throw new LoginError('aborted', 'Nothing was pasted.')
}
