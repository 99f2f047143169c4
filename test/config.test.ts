import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, readSettingsFile } from '../src/config.ts'

interface Given {
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly mode?: number
}

function load({ argv = [], env = {}, files = {}, mode = 0o100600 }: Given = {}) {
  return loadConfig(argv, env, (path) => {
    const text = files[path]
    return text === undefined ? undefined : { text, mode }
  })
}

function faultsOf(given: Given): Record<string, string> {
  try {
    load(given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return Object.fromEntries(error.faults.map(({ name, message }) => [name, message]))
  }
  throw new Error('the settings were accepted')
}

describe('without any setting', () => {
  it('everything runs on this machine alone, simulated and embedded', () => {
    const { config, warnings } = load()
    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      feed: 'simulated',
      folders: {
        data: resolve('.fostream'),
        feedData: resolve('.fostream', 'simulated'),
        logs: resolve('.fostream', 'logs'),
      },
      logLevel: 'info',
      bindHost: '127.0.0.1',
      exchange: { port: 8090 },
      ticker: { port: 8080, id: 't1', instrumentsPerAccount: 1_500, muteAfterMs: 15_000 },
      backend: {
        port: 8081,
        partitions: 'all',
        tickSource: 'log',
        tickerUrls: ['http://127.0.0.1:8080'],
        tickerTimeoutMs: 30_000,
        monitorDefaultSymbol: 'NIFTY50',
      },
      store: { kind: 'embedded', outsidePort: undefined },
      redis: { url: undefined, channelPrefix: 'ticker:nifty', publishIntervalMs: 0 },
      kite: {
        accounts: [],
        webSocketRoot: 'ws://127.0.0.1:8090',
        restRoot: 'http://127.0.0.1:8090',
        loginRoot: 'http://127.0.0.1:8090',
      },
      journal: { maxDays: 3, maxBytes: 20 * 1024 ** 3 },
      flags: {
        subscription_events_enabled: { value: true, isGiven: false },
        backfill_enabled: { value: true, isGiven: false },
        backfill_immediate_on_subscribe: { value: true, isGiven: false },
        backfill_subscription_aware: { value: true, isGiven: false },
        smart_subscription_enabled: { value: true, isGiven: false },
      },
      backfill: { intervalMs: 300_000, lookbackMinutes: 120 },
      smartSubscription: { expiries: 3, strikesEachSide: 10 },
      chainSnapshotPeriodMs: 60_000,
      sessionCalendar: 'always',
      riskFreeRate: 0.065,
    })
  })
})

describe('with a broker account', () => {
  const env = { KITE_API_KEY: 'key', KITE_API_SECRET: 'secret' }

  it('the feed is real, with its own folder, sessions and careful defaults', () => {
    const { config } = load({ env })
    expect(config).toMatchObject({
      feed: 'kite',
      folders: { feedData: resolve('.fostream', 'kite') },
      kite: {
        webSocketRoot: 'wss://ws.kite.trade',
        restRoot: 'https://api.kite.trade',
        loginRoot: 'https://kite.zerodha.com',
        loginPort: 8085,
      },
      sessionCalendar: 'exchange',
      flags: { smart_subscription_enabled: { value: false, isGiven: false } },
    })
    expect(config.kite.accounts).toEqual([
      {
        name: 'main',
        apiKey: 'key',
        apiSecret: 'secret',
        accessToken: undefined,
        accessTokenFile: undefined,
        maxConnections: 3,
        maxInstruments: 9_000,
        historyRequestsPerSecond: 3,
        quoteRequestsPerSecond: 1,
      },
    ])
  })

  it('what is set is followed', () => {
    const more = { SMART_SUBSCRIPTION_ENABLED: 'on', SESSION_CALENDAR: 'always' }
    const { config } = load({ env: { ...env, ...more, KITE_REST_ROOT: 'http://127.0.0.1:9/' } })
    expect(config.flags.smart_subscription_enabled).toEqual({ value: true, isGiven: true })
    expect(config.sessionCalendar).toBe('always')
    expect(config.kite.restRoot).toBe('http://127.0.0.1:9')
  })

  it.each([
    [{ KITE_API_KEY: 'key' }, 'KITE_API_KEY'],
    [{ KITE_ACCESS_TOKEN: 'token' }, 'KITE_API_KEY'],
    [{ KITE_API_KEY: 'k', KITE_API_SECRET: 's', KITE_ACCOUNTS_FILE: 'a' }, 'KITE_ACCOUNTS_FILE'],
  ])('half of one is refused: %j', (half, name) => {
    expect(Object.keys(faultsOf({ env: half, files: { a: '[]' } }))).toContain(name)
  })
})

describe('the accounts file', () => {
  const desk = { name: 'desk', api_key: 'key-1', api_secret: 'secret-1' }
  const spare = { name: 'spare', api_key: 'key-2', api_secret: 'secret-2' }
  const env = { KITE_ACCOUNTS_FILE: 'accounts.json' }

  function withAccounts(content: unknown, mode?: number): Given {
    const files = { 'accounts.json': JSON.stringify(content) }
    return mode === undefined ? { env, files } : { env, files, mode }
  }

  it('gives several accounts, each with its share of the limits', () => {
    const limited = {
      ...spare,
      access_token_file: 'token.txt',
      max_connections: 1,
      history_requests_per_second: 1.5,
      quote_requests_per_second: 0.5,
    }
    const { config } = load(withAccounts([desk, limited]))
    expect(config.feed).toBe('kite')
    expect(config.kite.accounts).toMatchObject([
      { name: 'desk', maxConnections: 3, maxInstruments: 9_000 },
      {
        name: 'spare',
        accessTokenFile: resolve('token.txt'),
        maxConnections: 1,
        maxInstruments: 3_000,
        historyRequestsPerSecond: 1.5,
        quoteRequestsPerSecond: 0.5,
      },
    ])
  })

  it.each([0o644, 0o660, 0o604])('that others may read (%i) is refused', (mode) => {
    const { KITE_ACCOUNTS_FILE } = faultsOf(withAccounts([desk], 0o100000 | mode))
    expect(KITE_ACCOUNTS_FILE).toContain('chmod 600 accounts.json')
  })

  it('is read for its mode from the disk', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fostream-accounts-'))
    const path = join(folder, 'accounts.json')
    try {
      writeFileSync(path, JSON.stringify([desk]))
      const attempt = () => loadConfig([], { KITE_ACCOUNTS_FILE: path }, readSettingsFile)
      if (process.platform !== 'win32') {
        chmodSync(path, 0o640)
        expect(attempt).toThrow('mode 0640')
      }
      chmodSync(path, 0o600)
      expect(attempt().config.kite.accounts).toHaveLength(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it.each([
    ['no list', desk],
    ['an empty list', []],
    ['a missing secret', [{ name: 'desk', api_key: 'key-1' }]],
    ['a misspelt limit', [{ ...desk, max_conections: 1 }]],
    ['more than the broker allows', [{ ...desk, max_connections: 4 }]],
    ['two of the same name', [desk, { ...spare, name: 'desk' }]],
    ['two of the same key', [desk, { ...spare, api_key: 'key-1' }]],
  ])('with %s is refused and shows no secret', (_what, content) => {
    const { KITE_ACCOUNTS_FILE } = faultsOf(withAccounts(content))
    expect(KITE_ACCOUNTS_FILE).toContain('accounts.json')
    expect(KITE_ACCOUNTS_FILE).not.toContain('secret-1')
  })

  it('that is not there or no JSON is refused', () => {
    expect(faultsOf({ env })['KITE_ACCOUNTS_FILE']).toContain('no file accounts.json')
    const files = { 'accounts.json': '[{' }
    expect(faultsOf({ env, files })['KITE_ACCOUNTS_FILE']).toContain('is not JSON')
  })
})

describe('where settings come from', () => {
  it('.env is read, and the process environment wins', () => {
    const files = { '.env': 'TICKER_PORT=1001\nBACKEND_PORT=1002' }
    const { config } = load({ files, env: { BACKEND_PORT: '2002' } })
    expect([config.ticker.port, config.backend.port]).toEqual([1001, 2002])
  })

  it('an empty value in the environment takes back what the file says', () => {
    const { config } = load({ files: { '.env': 'REDIS_URL=redis://h' }, env: { REDIS_URL: '' } })
    expect(config.redis.url).toBeUndefined()
  })

  it.each([[['ticker', '--env-file', 'prod.env']], [['--env-file=prod.env', 'ticker']]])(
    '%j reads that file instead of .env',
    (argv) => {
      const files = { '.env': 'TICKER_ID=wrong', 'prod.env': 'TICKER_ID=right' }
      expect(load({ argv, files }).config.ticker.id).toBe('right')
    },
  )

  it('a file that is asked for must be there', () => {
    expect(faultsOf({ argv: ['--env-file', 'prod.env'] })['--env-file']).toContain('prod.env')
    expect(faultsOf({ argv: ['--env-file'] })['--env-file']).toContain('needs a file')
  })

  it('a line that cannot be read stops the start', () => {
    const faults = faultsOf({ files: { '.env': 'LOG_LEVEL=info\nLOG_LEVEL: debug' } })
    expect(faults['.env']).toContain('line 2')
  })
})

describe('${NAME} in a value', () => {
  it('is replaced from the environment, then from the file', () => {
    const files = { '.env': 'BASE=redis\nREDIS_URL=${BASE}://${HOST_PART}:6379' }
    const { config, warnings } = load({ files, env: { HOST_PART: 'cache' } })
    expect(config.redis.url).toBe('redis://cache:6379')
    expect(warnings).toEqual([])
  })

  it('is replaced in the process environment too, as container tools pass files on unread', () => {
    const env = { DB_HOST: 'db', DB_PASSWORD: '${PROD_DB_PASSWORD}', PROD_DB_PASSWORD: 'p@ss/w$&' }
    expect(load({ env }).config.store).toEqual({
      kind: 'postgres',
      url: 'postgresql://fostream:p%40ss%2Fw%24%26@db:5432/fostream',
    })
  })

  it.each([{}, { PROD_DB_PASSWORD: '' }])(
    'that is missing stops the start and is named: %j',
    (env) => {
      const files = { '.env': 'DB_HOST=db\nDB_PASSWORD=${PROD_DB_PASSWORD}' }
      expect(faultsOf({ files, env })['DB_PASSWORD']).toContain('PROD_DB_PASSWORD')
    },
  )

  it('that leads back to itself is missing', () => {
    const files = { '.env': 'TICKER_ID=${A}\nA=${B}\nB=${A}' }
    expect(faultsOf({ files })['TICKER_ID']).toContain('${B}')
  })
})

describe('the limits of the journal', () => {
  it('are the days and gigabytes that the settings name', () => {
    const env = { JOURNAL_MAX_DAYS: '0.5', JOURNAL_MAX_GB: '1.5' }
    const { journal } = load({ env }).config
    expect(journal).toMatchObject({ maxDays: 0.5, maxBytes: 1.5 * 1024 ** 3 })
    const none = { JOURNAL_MAX_DAYS: '0', JOURNAL_MAX_GB: '-1' }
    expect(Object.keys(faultsOf({ env: none })).sort()).toEqual(Object.keys(none).sort())
  })
})

describe('a wrong setting', () => {
  it('is listed with all others at once, each with its fix', () => {
    const env = {
      TICKER_PORT: '99999',
      BACKEND_PORT: 'tcp://10.0.0.1:8081',
      LOG_LEVEL: 'loud',
      BACKFILL_ENABLED: 'maybe',
      RISK_FREE_RATE: '6.5%',
      REDIS_URL: 'localhost',
      SMART_SUBSCRIPTION_STRIKES: 'some',
      TICK_SOURCE: 'kafka',
      PARTITIONS: '2.5',
    }
    const faults = faultsOf({ env })
    expect(Object.keys(faults).sort()).toEqual(Object.keys(env).sort())
    expect(faults['TICKER_PORT']).toBe(
      'TICKER_PORT must be a whole number from 0 to 65535, not "99999"; for example TICKER_PORT=8080',
    )
    expect(faults['BACKEND_PORT']).toContain('enableServiceLinks')
    for (const [name, message] of Object.entries(faults)) {
      expect(message).toContain(`for example ${name}=`)
    }
  })

  it('that holds a secret does not show it', () => {
    const env = { DATABASE_URL: 'mysql://root:S3cret@db', API_KEYS: 'desk:owner:S3cret' }
    const faults = faultsOf({ env })
    expect(Object.keys(faults)).toEqual(['API_KEYS', 'DATABASE_URL'])
    expect(JSON.stringify(faults)).not.toContain('S3cret')
  })

  it.each([
    [{ TICKER_PORT: '8081' }, 'BACKEND_PORT'],
    [{ EMBEDDED_DB_PORT: '8080' }, 'EMBEDDED_DB_PORT'],
    [{ DB_NAME: 'nifty' }, 'DB_HOST'],
    [{ TICK_SOURCE: 'pubsub' }, 'REDIS_URL'],
    [{ BACKEND_PARTITIONS: '0,4', PARTITIONS: '4' }, 'BACKEND_PARTITIONS'],
  ])('in company is found: %j', (env, name) => {
    expect(Object.keys(faultsOf({ env }))).toEqual([name])
  })

  it('says all in its message', () => {
    expect(() => load({ env: { TICKER_PORT: 'x', BACKEND_PORT: 'y' } })).toThrow(
      /^2 settings are wrong:\n {2}- TICKER_PORT must.*\n {2}- BACKEND_PORT must/,
    )
  })

  it('does not count two ports that the system chooses as the same', () => {
    expect(load({ env: { TICKER_PORT: '0', BACKEND_PORT: '0' } }).config.backend.port).toBe(0)
  })
})

describe('a binding that others can reach', () => {
  it.each(['0.0.0.0', '192.168.1.10', '::', 'desk.local'])('%s is refused without keys', (host) => {
    const { BIND_HOST } = faultsOf({ env: { BIND_HOST: host } })
    expect(BIND_HOST).toContain('leave BIND_HOST at 127.0.0.1')
    expect(BIND_HOST).toContain('SSH tunnel')
    expect(BIND_HOST).not.toContain('API_KEYS')
  })

  it.each(['127.0.0.1', '127.8.0.1', 'localhost', '::1'])('%s is this machine', (host) => {
    expect(load({ env: { BIND_HOST: host } }).config.bindHost).toBe(host)
  })

  it('is open to holders of keys, of which only hashes are kept', () => {
    const API_KEYS = `desk:admin:abcdefghijklmnop,chart:read:sha256=${'AB'.repeat(32)}`
    const env = { BIND_HOST: '0.0.0.0', API_KEYS, BASIC_AUTH: 'me:pass:word' }
    const { access, backend, kite } = load({ env }).config
    expect(access.apiKeys).toEqual([
      {
        name: 'desk',
        scope: 'admin',
        sha256: 'f39dac6cbaba535e2c207cd0cd8f154974223c848f727f98b3564cea569b41cf',
      },
      { name: 'chart', scope: 'read', sha256: 'ab'.repeat(32) },
    ])
    expect(access.basicUser?.user).toBe('me')
    expect(access.basicUser?.passwordSha256).toMatch(/^[0-9a-f]{64}$/)
    expect(backend.tickerUrls).toEqual(['http://127.0.0.1:8080'])
    expect(kite.restRoot).toBe('http://127.0.0.1:8090')
  })

  it('needs keys that cannot be tried out', () => {
    expect(Object.keys(faultsOf({ env: { API_KEYS: 'desk:admin:short' } }))).toEqual(['API_KEYS'])
  })
})

describe('values', () => {
  it.each([
    ['true', true],
    ['TRUE', true],
    ['1', true],
    ['Yes', true],
    ['on', true],
    ['false', false],
    ['0', false],
    ['NO', false],
    ['Off', false],
  ])('%s is a switch', (text, expected) => {
    const { config } = load({ env: { BACKFILL_ENABLED: text } })
    expect(config.flags.backfill_enabled).toEqual({ value: expected, isGiven: true })
  })

  it.each([
    ['warning', 'warn'],
    ['CRITICAL', 'fatal'],
    ['silent', 'silent'],
  ])('%s is a log level', (text, expected) => {
    expect(load({ env: { LOG_LEVEL: text } }).config.logLevel).toBe(expected)
  })

  it('zero switches off or means for ever', () => {
    const { config } = load({ env: { CHAIN_SNAPSHOT_SECONDS: '0', RETENTION_DAYS: '0' } })
    expect(config.chainSnapshotPeriodMs).toBeUndefined()
    expect(config.backend.retentionDays).toBeUndefined()
  })

  it('lists and words are read', () => {
    const env = {
      SMART_SUBSCRIPTION_UNDERLYINGS: 'nifty bank, NIFTY 50,RELIANCE,',
      SMART_SUBSCRIPTION_STRIKES: 'ALL',
      PARTITIONS: '4',
      BACKEND_PARTITIONS: '0, 2',
      TICKER_SERVICE_URL: 'http://a:8080/,https://b',
      MONITOR_DEFAULT_SYMBOL: 'sensex',
    }
    const { config } = load({ env })
    expect(config.smartSubscription.underlyings).toEqual(['BANKNIFTY', 'NIFTY50', 'RELIANCE'])
    expect(config.smartSubscription.strikesEachSide).toBe('all')
    expect(config.backend).toMatchObject({
      partitions: [0, 2],
      tickerUrls: ['http://a:8080', 'https://b'],
      monitorDefaultSymbol: 'SENSEX',
    })
  })
})

describe('the database', () => {
  it.each([
    [{ DATABASE_URL: 'postgres://u:p@h:1/d' }, 'postgres://u:p@h:1/d'],
    [{ DB_HOST: 'h' }, 'postgresql://fostream@h:5432/fostream'],
    [{ DB_HOST: '::1', DB_PORT: '6', DB_NAME: 'n', DB_USER: 'u' }, 'postgresql://u@[::1]:6/n'],
    [{ DB_HOST: '/run/pg' }, 'postgresql://fostream@%2Frun%2Fpg:5432/fostream'],
  ])('%j is reached at %s', (env, url) => {
    expect(load({ env }).config.store).toEqual({ kind: 'postgres', url })
  })

  it('by URL leaves its parts unused, and says so', () => {
    const { warnings } = load({ env: { DATABASE_URL: 'postgres://h/d', DB_HOST: 'other' } })
    expect(warnings.map(({ name }) => name)).toEqual(['DB_HOST'])
  })

  it('is embedded otherwise, and psql may look in where a port is given', () => {
    const { store } = load({ env: { EMBEDDED_DB_PORT: '5433' } }).config
    expect(store).toEqual({ kind: 'embedded', outsidePort: 5433 })
  })
})

describe('a name that nobody knows', () => {
  it('in the file is a warning with the nearest known one', () => {
    const { warnings } = load({ files: { '.env': 'KITE_APIKEY=k\nCOLOUR=red' } })
    expect(warnings[0]?.message).toBe('KITE_APIKEY is not a setting; the nearest is KITE_API_KEY')
    expect(warnings.map(({ name }) => name)).toEqual(['KITE_APIKEY', 'COLOUR'])
  })

  it('in the environment is one where it looks like ours', () => {
    const env = {
      PATH: '/bin',
      HOME: '/root',
      LOGLEVEL: 'x',
      DATABASE_URI: 'x',
      BACKFILL_DEPTH: '1',
    }
    const { warnings } = load({ env })
    expect(warnings.map(({ name }) => name)).toEqual(['LOGLEVEL', 'DATABASE_URI', 'BACKFILL_DEPTH'])
  })
})
