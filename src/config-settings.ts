/**
 * Every setting by name, with its kind and what it is when nobody sets it. `.env.example` explains
 * them to users; a test holds the two together.
 */

import { API_KEY, BASIC_USER } from './config-access.ts'
import {
  decimal,
  type Kind,
  LOG_LEVEL,
  listOf,
  oneOf,
  PORT,
  pattern,
  SWITCH,
  secret,
  text,
  url,
  wholeNumber,
  wordOr,
} from './config-kinds.ts'
import { FIRST_TICKER_ID } from './contract/events.ts'
import { EXCHANGE_SPEED_MAX } from './limits.ts'
import { canonicalSymbol } from './market/underlying.ts'

interface Setting<T, F extends T | undefined> {
  readonly kind: Kind<T>
  /** Undefined = depends on other settings, or off. */
  readonly fallback: F
}

function setting<T>(kind: Kind<T>): Setting<T, undefined>
function setting<T>(kind: Kind<T>, fallback: T): Setting<T, T>
function setting<T>(kind: Kind<T>, fallback?: T): Setting<T, T | undefined> {
  return { kind, fallback }
}

/** Any spelling of an underlying that is known; a stock's or commodity's name as it comes. */
const UNDERLYING: Kind<string> = {
  ...text('NIFTY50'),
  parse: (name) => canonicalSymbol(name) ?? name.toUpperCase(),
}
const REDIS = ['redis', 'rediss']
const POSTGRES = ['postgresql', 'postgres']
const HTTP = ['http', 'https']
const HOST = pattern('[\\w.:\\[\\]-]+', 'be a host name or an address', '127.0.0.1')
const DAY_S = 86_400

export const SETTINGS = {
  FOSTREAM_DATA_DIR: setting(text('.fostream'), '.fostream'),
  FOSTREAM_LOG_DIR: setting(text('.fostream/logs')),
  LOG_LEVEL: setting(LOG_LEVEL, 'info'),

  BIND_HOST: setting(HOST, '127.0.0.1'),
  EXCHANGE_PORT: setting(PORT, 8090),
  TICKER_PORT: setting(PORT, 8080),
  BACKEND_PORT: setting(PORT, 8081),
  EMBEDDED_DB_PORT: setting(PORT),
  API_KEYS: setting(listOf(API_KEY)),
  BASIC_AUTH: setting(BASIC_USER),
  CORS_ORIGINS: setting(listOf(url(HTTP, 'https://desk.example'))),

  DATABASE_URL: setting(url(POSTGRES, 'postgresql://fostream@127.0.0.1:5432/fostream', true)),
  DB_HOST: setting(text('127.0.0.1')),
  DB_PORT: setting(wholeNumber(1, 65_535, 5432)),
  DB_NAME: setting(text('fostream')),
  DB_USER: setting(text('fostream')),
  DB_PASSWORD: setting(secret('a-password')),
  RETENTION_DAYS: setting(wholeNumber(0, 36_500, 0), 0),

  REDIS_URL: setting(url(REDIS, 'redis://127.0.0.1:6379', true)),
  REDIS_CHANNEL_PREFIX: setting(
    pattern('[^\\s*?\\[\\]]+', 'be a text without spaces, *, ? and brackets', 'ticker:nifty'),
    'ticker:nifty',
  ),
  REDIS_PUBSUB_INTERVAL_MS: setting(wholeNumber(0, 60_000, 0), 0),

  TICKER_ID: setting(
    pattern('[\\w.-]{1,40}', 'be a short name without spaces', FIRST_TICKER_ID),
    FIRST_TICKER_ID,
  ),
  TICKER_SERVICE_URL: setting(listOf(url(HTTP, 'http://127.0.0.1:8080'))),
  TICKER_SERVICE_TIMEOUT: setting(decimal(0.1, 600, 30), 30),
  TICKER_SERVICE_API_KEY: setting(secret('0123456789abcdef0123456789abcdef')),
  TICKER_INSTRUMENTS_PER_ACCOUNT: setting(wholeNumber(1, 9_000, 1_500), 1_500),
  TICKER_SILENCE_SECONDS: setting(decimal(0.5, 3_600, 15), 15),

  KITE_API_KEY: setting(text('your-api-key')),
  KITE_API_SECRET: setting(secret('your-api-secret')),
  KITE_ACCESS_TOKEN: setting(secret('an-access-token')),
  KITE_ACCOUNTS_FILE: setting(text('accounts.json')),
  KITE_WS_ROOT: setting(url(['wss', 'ws'], 'wss://ws.kite.trade')),
  KITE_REST_ROOT: setting(url(HTTP, 'https://api.kite.trade')),
  KITE_LOGIN_ROOT: setting(url(HTTP, 'https://kite.zerodha.com')),
  KITE_LOGIN_PORT: setting(wholeNumber(1, 65_535, 8085), 8085),

  SUBSCRIPTION_EVENTS_ENABLED: setting(SWITCH, true),
  BACKFILL_ENABLED: setting(SWITCH, true),
  BACKFILL_IMMEDIATE_ON_SUBSCRIBE: setting(SWITCH, true),
  BACKFILL_SUBSCRIPTION_AWARE: setting(SWITCH, true),
  BACKFILL_INTERVAL_SECONDS: setting(wholeNumber(1, DAY_S, 300), 300),
  BACKFILL_LOOKBACK_MINUTES: setting(wholeNumber(1, 86_400, 120), 120),

  SMART_SUBSCRIPTION_ENABLED: setting(SWITCH),
  SMART_SUBSCRIPTION_UNDERLYINGS: setting(listOf(UNDERLYING), ['NIFTY50', 'BANKNIFTY', 'FINNIFTY']),
  SMART_SUBSCRIPTION_EXPIRIES: setting(wholeNumber(1, 50, 3), 3),
  SMART_SUBSCRIPTION_STRIKES: setting(wordOr('all', wholeNumber(0, 500, 10)), 10),
  CHAIN_SNAPSHOT_SECONDS: setting(wholeNumber(0, 3_600, 60), 60),
  MONITOR_DEFAULT_SYMBOL: setting(UNDERLYING, 'NIFTY50'),

  TICK_SOURCE: setting(oneOf('log', 'pubsub'), 'log'),
  PARTITIONS: setting(wholeNumber(1, 64, 4), 1),
  BACKEND_PARTITIONS: setting(wordOr('all', listOf(wholeNumber(0, 63, 0))), 'all'),
  JOURNAL_MAX_DAYS: setting(decimal(0.01, 3_650, 3), 3),
  JOURNAL_MAX_GB: setting(decimal(0.01, 100_000, 20), 20),
  SESSION_CALENDAR: setting(oneOf('exchange', 'always')),
  RISK_FREE_RATE: setting(decimal(-0.1, 1, 0.065), 0.065),

  EXCHANGE_SEED: setting(wholeNumber(0, 4_294_967_295, 1), 1),
  EXCHANGE_SPEED: setting(decimal(1, EXCHANGE_SPEED_MAX, 1), 1),
  EXCHANGE_TICKS_PER_SECOND: setting(wholeNumber(1, 1_000_000, 1_000)),
}

export type SettingName = keyof typeof SETTINGS

/** The settings as read: one value for each name. */
export type Settings = {
  readonly [N in SettingName]: (typeof SETTINGS)[N] extends Setting<infer T, infer F>
    ? undefined extends F
      ? T | undefined
      : T
    : never
}

/** Names that begin like ours; an unknown one among them is probably a misspelt setting. */
export const OWN_PREFIXES = [
  'FOSTREAM_',
  'EXCHANGE_',
  'TICKER_',
  'BACKEND_',
  'EMBEDDED_',
  'BACKFILL_',
  'SMART_',
  'SUBSCRIPTION_',
  'CHAIN_',
  'MONITOR_',
  'JOURNAL_',
  'KITE_',
  'REDIS_',
  'DB_',
]

/** Read by the tests, not by a role. */
export const NAMES_OF_OTHERS = ['FOSTREAM_REFERENCE_DATA']
