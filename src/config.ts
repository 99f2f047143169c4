/**
 * The one place where settings are read: an env file, the process environment over it, every fault
 * listed at once. What comes out is typed, complete and never changes.
 */
import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ApiKey, BasicUser } from './config-access.ts'
import { accountWithDefaults, type KiteAccount, parseAccountsFile } from './config-accounts.ts'
import {
  NAMES_OF_OTHERS,
  OWN_PREFIXES,
  SETTINGS,
  type SettingName,
  type Settings,
} from './config-settings.ts'
import { FLAG_NAMES, type FlagName } from './contract/api/flags.ts'
import type { Feed } from './contract/journal-record.ts'
import { type EnvFile, parseEnvFile, referencesIn, replaceReferences } from './kit/env-file.ts'
import type { LogLevel } from './kit/log.ts'
import { nearestName } from './kit/nearest-name.ts'

/** What holds of a flag while `system_config` says nothing. */
export interface FlagSetting {
  readonly value: boolean
  /** It was set, and is no default. */
  readonly isGiven: boolean
}

export type StoreSettings =
  /** `outsidePort`: where psql may look in; undefined = nowhere. */
  | { readonly kind: 'embedded'; readonly outsidePort: number | undefined }
  | { readonly kind: 'postgres'; readonly url: string }

export interface Config {
  /** `kite` where broker credentials are set, else `simulated`. */
  readonly feed: Feed
  /** Absolute paths; `feedData` is what belongs to this feed alone. */
  readonly folders: { readonly data: string; readonly feedData: string; readonly logs: string }
  readonly logLevel: LogLevel
  readonly bindHost: string
  readonly access: {
    readonly apiKeys: readonly ApiKey[]
    readonly basicUser: BasicUser | undefined
    readonly corsOrigins: readonly string[]
  }
  readonly exchange: {
    readonly port: number
    readonly seed: number
    /** Market seconds in one second. */
    readonly speed: number
    /** Undefined = what the simulated market makes by itself. */
    readonly ticksPerSecond: number | undefined
  }
  readonly ticker: {
    readonly port: number
    readonly id: string
    readonly instrumentsPerAccount: number
    /** Silence in session after which a socket or an instrument is mute. */
    readonly muteAfterMs: number
  }
  readonly journal: {
    readonly partitions: number
    readonly maxDays: number
    readonly maxBytes: number
  }
  readonly kite: {
    readonly accounts: readonly KiteAccount[]
    readonly webSocketRoot: string
    readonly restRoot: string
    /** Where the user logs in. */
    readonly loginRoot: string
    /** Of this machine; the browser comes back to it. */
    readonly loginPort: number
  }
  readonly backend: {
    readonly port: number
    readonly partitions: 'all' | readonly number[]
    readonly tickSource: 'log' | 'pubsub'
    readonly tickerUrls: readonly string[]
    readonly tickerTimeoutMs: number
    readonly tickerApiKey: string | undefined
    readonly monitorDefaultSymbol: string
    /** Undefined = for ever. */
    readonly retentionDays: number | undefined
  }
  readonly store: StoreSettings
  readonly redis: {
    readonly url: string | undefined
    readonly channelPrefix: string
    /** 0 = every tick. */
    readonly publishIntervalMs: number
  }
  readonly flags: Readonly<Record<FlagName, FlagSetting>>
  readonly backfill: { readonly intervalMs: number; readonly lookbackMinutes: number }
  readonly smartSubscription: {
    readonly underlyings: readonly string[]
    readonly expiries: number
    readonly strikesEachSide: number | 'all'
  }
  /** Undefined = off. */
  readonly chainSnapshotPeriodMs: number | undefined
  readonly sessionCalendar: 'exchange' | 'always'
  /** Per year, as a decimal. */
  readonly riskFreeRate: number
}

/** One thing that is wrong, or may be; the message says how to put it right. */
export interface SettingNote {
  readonly name: string
  readonly message: string
}

/** The settings cannot be used; lists everything that is wrong with them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly SettingNote[]

  constructor(faults: readonly SettingNote[]) {
    const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`
    super(`${count} wrong:\n${faults.map(({ message }) => `  - ${message}`).join('\n')}`)
    this.faults = faults
  }
}

interface SettingsFile {
  readonly text: string
  /** Unix permission bits; undefined where the system has none. */
  readonly mode: number | undefined
  /** Epoch ms; undefined where it is not known. */
  readonly writtenAtMs?: number
}

type ReadFile = (path: string) => SettingsFile | undefined
type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_ENV_FILE = '.env'
/** More edits than this make another name. */
const MISSPELT_EDITS = 2
const KITE_WEB_SOCKET_ROOT = 'wss://ws.kite.trade'
const KITE_REST_ROOT = 'https://api.kite.trade'
const KITE_LOGIN_ROOT = 'https://kite.zerodha.com'
const WILDCARD_HOSTS = ['0.0.0.0', '::', '[::]']

/**
 * Reads the settings. `argv` are the program's arguments (only `--env-file` is looked at), `env` is
 * the process environment, `readFile` gives a file or undefined where there is none. Throws
 * `ConfigError`.
 */
export function loadConfig(
  argv: readonly string[],
  env: Environment,
  readFile: ReadFile,
): { readonly config: Config; readonly warnings: readonly SettingNote[] } {
  const faults: SettingNote[] = []
  const file = openEnvFile(argv, readFile, faults)
  const { settings, given } = readSettings(file, env, faults)
  const accounts = readAccounts(settings, readFile, faults)
  faults.push(...combinationFaults(settings))
  if (faults.length > 0) throw new ConfigError(faults)
  const warnings = [...unknownNames(file, env), ...unusedSettings(settings)]
  return { config: configOf(settings, accounts, given), warnings }
}

/** `readFile` for the composition root. */
export function readSettingsFile(path: string): SettingsFile | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || stats.isDirectory()) return undefined
  const mode = process.platform === 'win32' ? undefined : stats.mode
  return { text: readFileSync(path, 'utf8'), mode, writtenAtMs: stats.mtimeMs }
}

function openEnvFile(argv: readonly string[], readFile: ReadFile, faults: SettingNote[]): EnvFile {
  const asked = envFileArgument(argv)
  const path = asked ?? DEFAULT_ENV_FILE
  const content = path === '' ? undefined : readFile(path)
  if (content === undefined && asked !== undefined) {
    const message = `--env-file ${path}: there is no such file; name one that exists`
    faults.push({ name: '--env-file', message: path === '' ? '--env-file needs a file' : message })
  }
  const file = parseEnvFile(content?.text ?? '')
  for (const line of file.unreadableLines) {
    faults.push({ name: path, message: `${path}, line ${line} is not NAME=value` })
  }
  return file
}

/** Undefined where none is asked for; an empty text where the file is not named. */
function envFileArgument(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((word) => word === '--env-file' || word.startsWith('--env-file='))
  const word = argv[index]
  if (word === undefined) return undefined
  return word === '--env-file' ? (argv[index + 1] ?? '') : word.slice('--env-file='.length)
}

/** `given` are the names that were set, whatever to. */
function readSettings(
  file: EnvFile,
  env: Environment,
  faults: SettingNote[],
): { readonly settings: Settings; readonly given: ReadonlySet<string> } {
  const given = new Set<string>()
  const read = Object.entries(SETTINGS).map(([name, { kind, fallback }]) => {
    const text = settingText(name, file, env, faults)
    if (text === undefined) return [name, fallback]
    given.add(name)
    const value = kind.parse(text)
    if (value === undefined) faults.push({ name, message: wrongValue(name as SettingName, text) })
    return [name, value ?? fallback]
  })
  return { settings: Object.fromEntries(read) as Settings, given }
}

/** The text of a setting with its references replaced; undefined where it is not set, or empty. */
function settingText(
  name: string,
  file: EnvFile,
  env: Environment,
  faults: SettingNote[],
): string | undefined {
  const missing = new Set<string>()
  const text = resolved(name, file, env, missing, [])?.trim()
  for (const reference of missing) {
    const message = `${name} uses \${${reference}}, which is not set; set ${reference} in the environment`
    faults.push({ name, message })
  }
  return missing.size > 0 || text === '' ? undefined : text
}

/** `path` is how we came here: a name that refers to itself has no value. */
function resolved(
  name: string,
  file: EnvFile,
  env: Environment,
  missing: Set<string>,
  path: readonly string[],
): string | undefined {
  const given = env[name]
  const value = given === undefined ? file.values.get(name) : { text: given, isLiteral: false }
  if (value === undefined || value.isLiteral) return value?.text
  return replaceReferences(value.text, (reference) => {
    const inner = [...path, name]
    const text = inner.includes(reference)
      ? undefined
      : resolved(reference, file, env, missing, inner)
    if (text === undefined || text === '') missing.add(reference)
    return text ?? ''
  })
}

function wrongValue(name: SettingName, text: string): string {
  const { kind } = SETTINGS[name]
  const shown = kind.isSecret ? 'the value given (not shown)' : JSON.stringify(text)
  const fix = `${name} must ${kind.must}, not ${shown}; for example ${name}=${kind.example}`
  const isFromKubernetes = /^tcp:\/\//.test(text)
  return isFromKubernetes ? `${fix} (Kubernetes sets it; use enableServiceLinks: false)` : fix
}

function readAccounts(
  settings: Settings,
  readFile: ReadFile,
  faults: SettingNote[],
): readonly KiteAccount[] {
  const path = settings.KITE_ACCOUNTS_FILE
  if (path === undefined) return accountFromEnvironment(settings, faults)
  const name = 'KITE_ACCOUNTS_FILE'
  const file = readFile(path)
  if (file === undefined) {
    faults.push({ name, message: `${name}: there is no file ${path}; make it or leave it out` })
    return []
  }
  const result = parseAccountsFile(path, file)
  if ('accounts' in result) return result.accounts
  faults.push(...result.faults.map((fault) => ({ name, message: `${name}: ${fault}` })))
  return []
}

function accountFromEnvironment(settings: Settings, faults: SettingNote[]): readonly KiteAccount[] {
  const { KITE_API_KEY, KITE_API_SECRET, KITE_ACCESS_TOKEN } = settings
  if (KITE_API_KEY === undefined) {
    if (KITE_API_SECRET !== undefined || KITE_ACCESS_TOKEN !== undefined) {
      const message =
        'KITE_API_KEY is missing beside KITE_API_SECRET or KITE_ACCESS_TOKEN; set it too'
      faults.push({ name: 'KITE_API_KEY', message })
    }
    return []
  }
  if (KITE_API_SECRET === undefined && KITE_ACCESS_TOKEN === undefined) {
    const message =
      'KITE_API_KEY needs KITE_API_SECRET (to log in) or KITE_ACCESS_TOKEN beside it; set one'
    faults.push({ name: 'KITE_API_KEY', message })
  }
  const login = { name: 'main', apiKey: KITE_API_KEY, apiSecret: KITE_API_SECRET }
  return [accountWithDefaults({ ...login, accessToken: KITE_ACCESS_TOKEN })]
}

function combinationFaults(settings: Settings): SettingNote[] {
  return [
    ...openDoor(settings),
    ...samePorts(settings),
    ...partsOfDatabase(settings),
    ...partitionsOutside(settings),
    ...twoSourcesOfAccounts(settings),
    ...pubsubWithoutRedis(settings),
  ]
}

function openDoor({ BIND_HOST, API_KEYS, BASIC_AUTH }: Settings): SettingNote[] {
  if (isLoopback(BIND_HOST) || API_KEYS !== undefined || BASIC_AUTH !== undefined) return []
  const message =
    `BIND_HOST=${BIND_HOST} would let in everybody who can reach this machine, and this version checks ` +
    'no keys yet: leave BIND_HOST at 127.0.0.1, and reach it through an SSH tunnel or a proxy that ' +
    'asks for a password'
  return [{ name: 'BIND_HOST', message }]
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

/** Port 0 asks the system for a free one. */
function samePorts(settings: Settings): SettingNote[] {
  const names = [
    'EXCHANGE_PORT',
    'TICKER_PORT',
    'BACKEND_PORT',
    'EMBEDDED_DB_PORT',
    'KITE_LOGIN_PORT',
  ] as const
  return names.flatMap((name, index) => {
    const port = settings[name]
    const other = names.slice(0, index).find((earlier) => settings[earlier] === port)
    if (port === undefined || port === 0 || other === undefined) return []
    return [{ name, message: `${name} and ${other} are both ${port}; give each its own port` }]
  })
}

function partsOfDatabase(settings: Settings): SettingNote[] {
  if (settings.DATABASE_URL !== undefined || settings.DB_HOST !== undefined) return []
  const names = ['DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD'] as const
  const given = names.filter((name) => settings[name] !== undefined)
  if (given.length === 0) return []
  const message = `DB_HOST is missing beside ${given.join(', ')}; set it, or use DATABASE_URL`
  return [{ name: 'DB_HOST', message }]
}

function partitionsOutside({ PARTITIONS, BACKEND_PARTITIONS }: Settings): SettingNote[] {
  if (BACKEND_PARTITIONS === 'all') return []
  const outside = BACKEND_PARTITIONS.filter((partition) => partition >= PARTITIONS)
  if (outside.length === 0) return []
  const message = `BACKEND_PARTITIONS names ${outside.join(', ')}, but PARTITIONS=${PARTITIONS} allows 0 to ${PARTITIONS - 1}`
  return [{ name: 'BACKEND_PARTITIONS', message }]
}

function twoSourcesOfAccounts({ KITE_API_KEY, KITE_ACCOUNTS_FILE }: Settings): SettingNote[] {
  if (KITE_API_KEY === undefined || KITE_ACCOUNTS_FILE === undefined) return []
  const message = 'KITE_ACCOUNTS_FILE and KITE_API_KEY are both set; leave one of them out'
  return [{ name: 'KITE_ACCOUNTS_FILE', message }]
}

function pubsubWithoutRedis({ TICK_SOURCE, REDIS_URL }: Settings): SettingNote[] {
  if (TICK_SOURCE === 'log' || REDIS_URL !== undefined) return []
  const message =
    'TICK_SOURCE=pubsub reads Redis; set REDIS_URL, for example redis://127.0.0.1:6379'
  return [{ name: 'REDIS_URL', message }]
}

/** Everything in the file is meant for us; of the environment only what looks like ours. */
function unknownNames(file: EnvFile, env: Environment): SettingNote[] {
  const known: readonly string[] = [...Object.keys(SETTINGS), ...NAMES_OF_OTHERS]
  const texts = [...file.values.values()].map(({ text }) => text)
  const referred = new Set(
    [...texts, ...Object.values(env)].flatMap((text) => referencesIn(text ?? '')),
  )
  const names = [
    ...[...file.values.keys()].filter((name) => !referred.has(name)),
    ...Object.keys(env).filter((name) => looksLikeOurs(name, known) && !referred.has(name)),
  ]
  const unknown = [...new Set(names)].filter((name) => !known.includes(name))
  return unknown.map((name) => ({ name, message: notASetting(name, known) }))
}

function looksLikeOurs(name: string, known: readonly string[]): boolean {
  if (OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) return true
  const candidates = known.filter(({ length }) => Math.abs(length - name.length) <= MISSPELT_EDITS)
  return (nearestName(name, candidates)?.edits ?? Number.POSITIVE_INFINITY) <= MISSPELT_EDITS
}

function notASetting(name: string, known: readonly string[]): string {
  return `${name} is not a setting; the nearest is ${nearestName(name, known)?.name}`
}

function unusedSettings({ DATABASE_URL, DB_HOST }: Settings): SettingNote[] {
  if (DATABASE_URL === undefined || DB_HOST === undefined) return []
  return [{ name: 'DB_HOST', message: 'DB_HOST is not used, because DATABASE_URL is set' }]
}

function configOf(
  settings: Settings,
  accounts: readonly KiteAccount[],
  given: ReadonlySet<string>,
): Config {
  const feed: Feed = accounts.length > 0 ? 'kite' : 'simulated'
  const isSimulated = feed === 'simulated'
  return {
    feed,
    folders: foldersOf(settings, feed),
    logLevel: settings.LOG_LEVEL,
    bindHost: settings.BIND_HOST,
    access: {
      apiKeys: settings.API_KEYS ?? [],
      basicUser: settings.BASIC_AUTH,
      corsOrigins: settings.CORS_ORIGINS ?? [],
    },
    exchange: {
      port: settings.EXCHANGE_PORT,
      seed: settings.EXCHANGE_SEED,
      speed: settings.EXCHANGE_SPEED,
      ticksPerSecond: settings.EXCHANGE_TICKS_PER_SECOND,
    },
    ticker: {
      port: settings.TICKER_PORT,
      id: settings.TICKER_ID,
      instrumentsPerAccount: settings.TICKER_INSTRUMENTS_PER_ACCOUNT,
      muteAfterMs: Math.round(settings.TICKER_SILENCE_SECONDS * 1_000),
    },
    journal: {
      partitions: settings.PARTITIONS,
      maxDays: settings.JOURNAL_MAX_DAYS,
      maxBytes: Math.round(settings.JOURNAL_MAX_GB * 1024 ** 3),
    },
    kite: { accounts, ...kiteRoots(settings, isSimulated) },
    backend: backendOf(settings),
    store: storeOf(settings),
    redis: {
      url: settings.REDIS_URL,
      channelPrefix: settings.REDIS_CHANNEL_PREFIX,
      publishIntervalMs: settings.REDIS_PUBSUB_INTERVAL_MS,
    },
    flags: flagsOf(settings, isSimulated, given),
    backfill: {
      intervalMs: settings.BACKFILL_INTERVAL_SECONDS * 1000,
      lookbackMinutes: settings.BACKFILL_LOOKBACK_MINUTES,
    },
    smartSubscription: {
      underlyings: settings.SMART_SUBSCRIPTION_UNDERLYINGS,
      expiries: settings.SMART_SUBSCRIPTION_EXPIRIES,
      strikesEachSide: settings.SMART_SUBSCRIPTION_STRIKES,
    },
    chainSnapshotPeriodMs: zeroIsOff(settings.CHAIN_SNAPSHOT_SECONDS * 1000),
    sessionCalendar: settings.SESSION_CALENDAR ?? (isSimulated ? 'always' : 'exchange'),
    riskFreeRate: settings.RISK_FREE_RATE,
  }
}

function flagsOf(
  settings: Settings,
  isSimulated: boolean,
  given: ReadonlySet<string>,
): Config['flags'] {
  const values: Readonly<Record<FlagName, boolean>> = {
    subscription_events_enabled: settings.SUBSCRIPTION_EVENTS_ENABLED,
    backfill_enabled: settings.BACKFILL_ENABLED,
    backfill_immediate_on_subscribe: settings.BACKFILL_IMMEDIATE_ON_SUBSCRIBE,
    backfill_subscription_aware: settings.BACKFILL_SUBSCRIPTION_AWARE,
    smart_subscription_enabled: settings.SMART_SUBSCRIPTION_ENABLED ?? isSimulated,
  }
  const flags = FLAG_NAMES.map((name) => {
    const flag: FlagSetting = { value: values[name], isGiven: given.has(name.toUpperCase()) }
    return [name, flag] as const
  })
  return Object.fromEntries(flags) as Config['flags']
}

function foldersOf(settings: Settings, feed: Feed): Config['folders'] {
  const data = resolve(settings.FOSTREAM_DATA_DIR)
  const logs = settings.FOSTREAM_LOG_DIR
  return {
    data,
    feedData: join(data, feed),
    logs: logs === undefined ? join(data, 'logs') : resolve(logs),
  }
}

function backendOf(settings: Settings): Config['backend'] {
  return {
    port: settings.BACKEND_PORT,
    partitions: settings.BACKEND_PARTITIONS,
    tickSource: settings.TICK_SOURCE,
    tickerUrls: settings.TICKER_SERVICE_URL ?? [
      `http://${reachableHost(settings.BIND_HOST)}:${settings.TICKER_PORT}`,
    ],
    tickerTimeoutMs: settings.TICKER_SERVICE_TIMEOUT * 1000,
    tickerApiKey: settings.TICKER_SERVICE_API_KEY,
    monitorDefaultSymbol: settings.MONITOR_DEFAULT_SYMBOL,
    retentionDays: zeroIsOff(settings.RETENTION_DAYS),
  }
}

/** The broker, or the simulated exchange on this machine. */
function kiteRoots(settings: Settings, isSimulated: boolean) {
  const exchange = `${reachableHost(settings.BIND_HOST)}:${settings.EXCHANGE_PORT}`
  const roots = isSimulated
    ? { webSocketRoot: `ws://${exchange}`, restRoot: `http://${exchange}` }
    : { webSocketRoot: KITE_WEB_SOCKET_ROOT, restRoot: KITE_REST_ROOT }
  const restRoot = settings.KITE_REST_ROOT ?? roots.restRoot
  return {
    webSocketRoot: settings.KITE_WS_ROOT ?? roots.webSocketRoot,
    restRoot,
    // A simulated exchange answers the login at the same port.
    loginRoot:
      settings.KITE_LOGIN_ROOT ?? (restRoot === KITE_REST_ROOT ? KITE_LOGIN_ROOT : restRoot),
    loginPort: settings.KITE_LOGIN_PORT,
  }
}

function storeOf(settings: Settings): StoreSettings {
  const { DATABASE_URL, DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD } = settings
  if (DATABASE_URL !== undefined) return { kind: 'postgres', url: DATABASE_URL }
  if (DB_HOST === undefined) return { kind: 'embedded', outsidePort: settings.EMBEDDED_DB_PORT }
  const password = DB_PASSWORD === undefined ? '' : `:${encodeURIComponent(DB_PASSWORD)}`
  const user = encodeURIComponent(DB_USER ?? 'fostream')
  const name = encodeURIComponent(DB_NAME ?? 'fostream')
  // A folder is a Unix socket's; the driver decodes it.
  const host = DB_HOST.startsWith('/') ? encodeURIComponent(DB_HOST) : inUrl(DB_HOST)
  return {
    kind: 'postgres',
    url: `postgresql://${user}${password}@${host}:${DB_PORT ?? 5432}/${name}`,
  }
}

/** Where a program on this machine reaches what is bound to `host`. */
function reachableHost(host: string): string {
  return WILDCARD_HOSTS.includes(host) ? '127.0.0.1' : inUrl(host)
}

function inUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function zeroIsOff(value: number): number | undefined {
  return value === 0 ? undefined : value
}
