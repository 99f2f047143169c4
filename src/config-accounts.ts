/**
 * The broker accounts: one from the environment, or several from a file that only its owner may read.
 */
import { dirname, resolve } from 'node:path'
import Type from 'typebox'
import { Errors } from 'typebox/value'

export interface KiteAccount {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string | undefined
  readonly accessToken: string | undefined
  /** When the settings with the token were written, epoch ms; it is not younger. */
  readonly accessTokenWrittenAtMs: number | undefined
  /** Watched for a new access token. */
  readonly accessTokenFile: string | undefined
  readonly maxConnections: number
  readonly maxInstruments: number
  readonly historyRequestsPerSecond: number
  readonly quoteRequestsPerSecond: number
}

/** Kite's limits for one key; an account may have less, so that other programs keep their share. */
const KITE_KEY_LIMITS = {
  maxConnections: 3,
  instrumentsPerConnection: 3_000,
  historyRequestsPerSecond: 3,
  quoteRequestsPerSecond: 1,
} as const

const NAME = Type.String({ pattern: '^[\\w.-]{1,40}$' })
const TEXT = Type.String({ minLength: 1 })
const ACCOUNT = Type.Object(
  {
    name: NAME,
    api_key: TEXT,
    api_secret: TEXT,
    access_token: Type.Optional(TEXT),
    access_token_file: Type.Optional(TEXT),
    max_connections: Type.Optional(
      Type.Integer({ minimum: 1, maximum: KITE_KEY_LIMITS.maxConnections }),
    ),
    max_instruments: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: KITE_KEY_LIMITS.maxConnections * KITE_KEY_LIMITS.instrumentsPerConnection,
      }),
    ),
    history_requests_per_second: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: KITE_KEY_LIMITS.historyRequestsPerSecond }),
    ),
    quote_requests_per_second: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: KITE_KEY_LIMITS.quoteRequestsPerSecond }),
    ),
  },
  { additionalProperties: false },
)
const ACCOUNTS = Type.Array(ACCOUNT, { minItems: 1 })

export interface AccountsFile {
  readonly text: string
  /** Unix permission bits; undefined where the system has none. */
  readonly mode: number | undefined
  /** Epoch ms; undefined where it is not known. */
  readonly writtenAtMs?: number
}

/** The accounts in the file at `path`, or what is wrong with it, each fault a whole sentence. */
export function parseAccountsFile(
  path: string,
  file: AccountsFile,
): { readonly accounts: readonly KiteAccount[] } | { readonly faults: readonly string[] } {
  const faults = file.mode === undefined ? [] : modeFaults(path, file.mode)
  const content = parsed(file.text)
  if (content === undefined) return { faults: [...faults, `${path} is not JSON`] }
  const shape = shapeFaults(path, content)
  if (shape.length > 0) return { faults: [...faults, ...shape] }
  const rows = content as Type.Static<typeof ACCOUNTS>
  faults.push(
    ...duplicates(
      path,
      'name',
      rows.map(({ name }) => name),
    ),
  )
  faults.push(
    ...duplicates(
      path,
      'api_key',
      rows.map(({ api_key }) => api_key),
    ),
  )
  if (faults.length > 0) return { faults }
  return { accounts: rows.map((row) => accountOf(row, dirname(path), file.writtenAtMs)) }
}

/** An account of which only the login is known; all limits are Kite's own. */
export function accountWithDefaults(
  login: Pick<KiteAccount, 'name' | 'apiKey' | 'apiSecret' | 'accessToken'>,
): KiteAccount {
  const { maxConnections, instrumentsPerConnection, ...rates } = KITE_KEY_LIMITS
  return {
    ...login,
    ...rates,
    accessTokenWrittenAtMs: undefined,
    accessTokenFile: undefined,
    maxConnections,
    maxInstruments: maxConnections * instrumentsPerConnection,
  }
}

function accountOf(
  row: Type.Static<typeof ACCOUNT>,
  folder: string,
  accessTokenWrittenAtMs: number | undefined,
): KiteAccount {
  const login = { name: row.name, apiKey: row.api_key, apiSecret: row.api_secret }
  const defaults = accountWithDefaults({ ...login, accessToken: row.access_token })
  const maxConnections = row.max_connections ?? defaults.maxConnections
  const room = maxConnections * KITE_KEY_LIMITS.instrumentsPerConnection
  return {
    ...defaults,
    accessTokenWrittenAtMs,
    accessTokenFile:
      row.access_token_file === undefined ? undefined : resolve(folder, row.access_token_file),
    maxConnections,
    maxInstruments: Math.min(room, row.max_instruments ?? room),
    historyRequestsPerSecond: row.history_requests_per_second ?? defaults.historyRequestsPerSecond,
    quoteRequestsPerSecond: row.quote_requests_per_second ?? defaults.quoteRequestsPerSecond,
  }
}

function modeFaults(path: string, mode: number): string[] {
  const permissions = mode & 0o777
  if ((permissions & 0o077) === 0) return []
  const shown = permissions.toString(8).padStart(4, '0')
  return [`${path} holds secrets and may be read by others (mode ${shown}); run: chmod 600 ${path}`]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function shapeFaults(path: string, content: unknown): string[] {
  return [...Errors(ACCOUNTS, content)].map(
    ({ instancePath, message, params }) =>
      `${path}, at ${instancePath === '' ? 'the top' : instancePath}: ${message}${detail(params)}`,
  )
}

/** Names of missing or unknown properties; never a value, which may be a secret. */
function detail(params: object): string {
  const names = Object.values(params).find((value) => Array.isArray(value))
  return names === undefined ? '' : ` (${names.join(', ')})`
}

function duplicates(path: string, what: string, values: readonly string[]): string[] {
  const twice = values.some((value, index) => values.indexOf(value) !== index)
  return twice ? [`${path} gives two accounts the same ${what}`] : []
}
