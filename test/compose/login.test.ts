/** `fostream login` as its user runs it: a process of its own, its exit code and what it prints. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Exchange, startExchange } from '../../src/exchange/serve.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { LOGIN_CALLBACK_PATH } from '../../src/ticker/login/callback.ts'
import { tokenFilePath } from '../../src/ticker/tokens/token-file.ts'
import { compiledProgram } from '../compiled-program.ts'
import { silentLog } from '../silent-log.ts'
import { until } from '../until.ts'

const folder = mkdtempSync(join(tmpdir(), 'fostream-login-'))
/** A process of the whole program begins, on a machine that has other things to do. */
const SHOWN_WITHIN_MS = 90_000
const ANSWER = 'status=success&request_token=abcdefghijkl'
const children: ChildProcessWithoutNullStreams[] = []
let program = ''
let port = 0
let exchange: Exchange
let dataDir = ''

beforeAll(async () => {
  program = await compiledProgram('src/main.ts', folder)
  port = await freePort()
  exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 1,
    stateDir: join(folder, 'exchange'),
    clock: systemClock,
    log: silentLog,
    redirectUrl: callbackUrl(),
  })
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

afterAll(async () => {
  await exchange?.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('fostream login', { timeout: 120_000 }, () => {
  it('ends with 0 when the browser has come back, and keeps the token', async () => {
    const login = run()
    await fetch(await login.link())
    expect(await login.code).toBe(0)
    expect(login.output()).toContain('Logged in: Simulated user sim1 (SM0001), account sim1.')
    expect(kept()).toMatch(/[0-9a-f]{32}/)
  })

  it('begun a second time while one waits ends with 7, and the first one goes on', async () => {
    const first = run()
    const link = await first.link()
    const second = run()
    expect(await second.code).toBe(7)
    expect(second.output()).toContain('KITE_LOGIN_PORT')
    await fetch(link)
    expect(await first.code).toBe(0)
  })

  it('that the user cancels at the broker ends with 3', async () => {
    const login = run()
    const state = stateOf(await login.link())
    await fetch(`${callbackUrl()}?state=${state}&status=cancelled`)
    expect(await login.code).toBe(3)
  })

  it('whose request token the broker refuses ends with 4', async () => {
    const login = run()
    const state = stateOf(await login.link())
    await fetch(`${callbackUrl()}?state=${state}&${ANSWER}`)
    expect(await login.code).toBe(4)
    expect(login.output()).not.toContain('abcdefghijkl')
  })

  it('without a broker that answers ends with 5', async () => {
    const login = run([], {
      KITE_API_KEY: 'key',
      KITE_API_SECRET: 'a-secret-of-mine',
      KITE_REST_ROOT: `http://127.0.0.1:${await freePort()}`,
    })
    const state = stateOf(await login.link())
    await fetch(`${callbackUrl()}?state=${state}&${ANSWER}`)
    expect(await login.code).toBe(5)
    expect(login.output()).not.toContain('a-secret-of-mine')
  })

  it('whose token cannot be kept ends with 8', async () => {
    const login = run()
    const link = await login.link()
    mkdirSync(join(dataDir, 'simulated'), { recursive: true })
    writeFileSync(join(dataDir, 'simulated', 'tokens'), 'a file, no folder')
    await fetch(link)
    expect(await login.code).toBe(8)
  })

  it('given up with Ctrl-C ends with 130', async () => {
    const login = run()
    await login.link()
    login.child.kill('SIGINT')
    expect(await login.code).toBe(130)
  })

  it('of an account that is not there ends with 2 and names those that are', async () => {
    const login = run(['nobody'])
    expect(await login.code).toBe(2)
    expect(login.output()).toContain('The accounts are: sim1, sim2, sim3')
  })
})

describe('fostream login --paste', { timeout: 120_000 }, () => {
  it('reads from its input where the browser ended', async () => {
    const login = run(['sim1', '--paste'])
    const answer = await fetch(await login.link(), { redirect: 'manual' })
    login.child.stdin.write(`${answer.headers.get('location')}\n`)
    expect(await login.code).toBe(0)
    expect(kept()).toMatch(/[0-9a-f]{32}/)
  })

  it('that is given the address of another login ends with 4', async () => {
    const login = run(['sim1', '--paste'])
    await login.link()
    login.child.stdin.write(`${callbackUrl()}?state=of-another&${ANSWER}\n`)
    expect(await login.code).toBe(4)
  })

  it('whose input ends with nothing pasted ends with 130', async () => {
    const login = run(['sim1', '--paste'])
    await login.link()
    login.child.stdin.end('\n')
    expect(await login.code).toBe(130)
  })
})

/** Each with a data folder of its own. */
function run(args: readonly string[] = ['sim1'], env: Readonly<Record<string, string>> = {}) {
  dataDir = mkdtempSync(join(folder, 'data-'))
  const child = spawn(process.execPath, [program, 'login', ...args], {
    cwd: dataDir,
    env: {
      PATH: process.env['PATH'],
      FOSTREAM_DATA_DIR: dataDir,
      EXCHANGE_PORT: new URL(exchange.url).port,
      KITE_LOGIN_PORT: String(port),
      ...env,
    },
  })
  children.push(child)
  let printed = ''
  const take = (chunk: Buffer) => {
    printed += String(chunk)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const code = once(child, 'close').then(([exitCode]) => exitCode as number | null)
  const shown = () => /http\S+connect\/login\S+/.exec(printed)?.[0]
  const link = async () => {
    await until(() => shown() !== undefined || child.exitCode !== null, SHOWN_WITHIN_MS)
    return shown() ?? expect.fail(`no link was shown:\n${printed}`)
  }
  return { child, code, link, output: () => printed }
}

function kept(): string {
  return readFileSync(tokenFilePath(join(dataDir, 'simulated'), 'sim1'), 'utf8')
}

function callbackUrl(): string {
  return `http://127.0.0.1:${port}${LOGIN_CALLBACK_PATH}`
}

function stateOf(link: string): string {
  const params = new URL(link).searchParams.get('redirect_params') ?? ''
  return new URLSearchParams(params).get('state') ?? ''
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: free } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return free
}
