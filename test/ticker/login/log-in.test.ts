/** A whole login against the simulated exchange, with the browser's part played by `fetch`. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Exchange } from '../../../src/exchange/serve.ts'
import { startExchange } from '../../../src/exchange/serve.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { loginCallbackUrl } from '../../../src/ticker/login/callback.ts'
import { type LoginOptions, logIn } from '../../../src/ticker/login/log-in.ts'
import { LoginError } from '../../../src/ticker/login/login-error.ts'
import { tokenFilePath } from '../../../src/ticker/tokens/token-file.ts'
import { parseTokenText } from '../../../src/ticker/tokens/token-text.ts'
import { silentLog } from '../../silent-log.ts'
import { onRelease, releaseAll, temporaryFolder } from '../support/start-test-ticker.ts'

let exchange: Exchange
let port = 0
let folder = ''

beforeEach(async () => {
  port = await freePort()
  folder = temporaryFolder()
  exchange = await startExchange({
    host: '127.0.0.1',
    port: 0,
    seed: 7,
    speed: 1,
    ticksPerSecond: 1,
    stateDir: join(folder, 'exchange'),
    clock: systemClock,
    log: silentLog,
    redirectUrl: loginCallbackUrl(port),
  })
  onRelease(() => exchange.stop())
})
afterEach(releaseAll)

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: free } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return free
}

interface Begun {
  readonly said: string[]
  readonly giveUp: () => void
  /** The login, or how it failed. */
  readonly end: Promise<Awaited<ReturnType<typeof logIn>> | LoginError>
  /** Resolves when the link has been shown. */
  link(): Promise<string>
}

function begin(options: Partial<LoginOptions> = {}, account: object = {}): Begun {
  const said: string[] = []
  const stopping = new AbortController()
  const [first] = exchange.accounts
  if (first === undefined) throw new Error('no account')
  const { name, apiKey, apiSecret } = first
  const end = logIn({
    account: { name, apiKey, apiSecret, accessTokenFile: undefined, ...account },
    restRoot: exchange.url,
    loginRoot: exchange.url,
    dataDir: folder,
    port,
    readLine: undefined,
    state: 'the-state-of-this-login',
    clock: systemClock,
    say: (text) => said.push(text),
    signal: stopping.signal,
    ...options,
  }).catch((error: unknown) => {
    if (error instanceof LoginError) return error
    throw error
  })
  const link = () =>
    vi.waitFor(
      () => {
        const [url] = /http\S+connect\/login\S+/.exec(said.join('\n')) ?? []
        if (url === undefined) throw new Error('no link yet')
        return url
      },
      { timeout: 60_000 },
    )
  return { said, giveUp: () => stopping.abort(), end, link }
}

function callback(query: string): Promise<Response> {
  return fetch(`${loginCallbackUrl(port)}?${query}`)
}

const kept = () => readFileSync(tokenFilePath(folder, 'sim1'), 'utf8')

describe('a login', () => {
  it('brings a token that works, keeps it for its owner alone, and shows it nowhere', async () => {
    const begun = begin()
    const page = await fetch(await begun.link())
    const html = await page.text()
    expect(page.status).toBe(200)
    expect(await begun.end).toMatchObject({ userId: 'SM0001', userName: 'Simulated user sim1' })
    const accessToken = parseTokenText(kept())?.accessToken ?? ''
    const authorization = `token ${exchange.accounts[0]?.apiKey}:${accessToken}`
    const profile = await fetch(`${exchange.url}/user/profile`, { headers: { authorization } })
    expect(profile.status).toBe(200)
    expect(statSync(tokenFilePath(folder, 'sim1')).mode & 0o777).toBe(0o600)
    expect(html).toContain('Simulated user sim1')
    const requestToken = new URL(page.url).searchParams.get('request_token') ?? 'none'
    for (const text of [html, begun.said.join()]) {
      expect(text).not.toContain(accessToken)
      expect(text).not.toContain(requestToken)
      expect(text).not.toContain(exchange.accounts[0]?.apiSecret)
    }
  })

  it('goes into the file that the account names, as a token alone', async () => {
    const path = join(folder, 'desk.token')
    const begun = begin({}, { accessTokenFile: path })
    await fetch(await begun.link())
    expect(await begun.end).toMatchObject({ path })
    expect(readFileSync(path, 'utf8')).toMatch(/^[0-9a-f]{32}\n$/)
  })

  it('that is cancelled is told so, in the window too', async () => {
    const begun = begin()
    await begun.link()
    const page = await callback('state=the-state-of-this-login&status=cancelled')
    expect(await page.text()).toContain('cancelled')
    expect(await begun.end).toMatchObject({ code: 'denied' })
  })

  it('is not taken from a window that another login opened', async () => {
    const begun = begin()
    const link = await begun.link()
    for (const query of ['', 'status=success&request_token=abcdefgh', 'state=x&status=cancelled']) {
      expect((await callback(query)).status).toBe(400)
    }
    expect((await fetch(`http://127.0.0.1:${port}/favicon.ico`)).status).toBe(404)
    await fetch(link)
    expect(await begun.end).toMatchObject({ userId: 'SM0001' })
    expect(begun.said.join('\n')).toContain('another login')
  })

  it('counts once: a second callback meanwhile is told so', async () => {
    const slow = createServer()
    const asked = new Promise<void>((resolve) => slow.once('request', () => resolve()))
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    onRelease(() => slow.closeAllConnections())
    onRelease(() => slow.close())
    const restRoot = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`
    const begun = begin({ restRoot })
    await begun.link()
    const query = 'state=the-state-of-this-login&status=success&request_token=abcdefghijkl'
    const first = callback(query)
    await asked
    expect((await callback(query)).status).toBe(409)
    begun.giveUp()
    expect(await begun.end).toMatchObject({ code: 'aborted' })
    expect((await first).status).toBe(200)
  })

  it('with a wrong secret says which one to look at', async () => {
    const begun = begin({}, { apiSecret: 'a-wrong-secret-of-mine' })
    const page = await fetch(await begun.link())
    const error = await begun.end
    expect(error).toMatchObject({ code: 'refused', message: expect.stringContaining('api_secret') })
    expect(`${await page.text()}${String(error)}`).not.toContain('a-wrong-secret-of-mine')
  })

  it('with a request token that is used up is refused', async () => {
    const begun = begin()
    await begun.link()
    await callback('state=the-state-of-this-login&status=success&request_token=abcdefghijkl')
    const error = (await begun.end) as LoginError
    expect(error).toMatchObject({ code: 'refused', message: expect.stringContaining('begin anew') })
    expect(error.message).not.toContain('abcdefghijkl')
  })

  it('ends when nobody comes, and when the user gives it up', async () => {
    expect(await begin({ timeoutMs: 50 }).end).toMatchObject({ code: 'timeout' })
    const begun = begin()
    await begun.link()
    begun.giveUp()
    expect(await begun.end).toMatchObject({ code: 'aborted' })
  })

  it('on a port that is taken names the setting', async () => {
    const first = begin()
    await first.link()
    expect(await begin().end).toMatchObject({
      code: 'port_in_use',
      message: expect.stringContaining('KITE_LOGIN_PORT'),
    })
    first.giveUp()
    await first.end
  })

  it('without an answer of the broker is not refused, but unavailable', async () => {
    const begun = begin({ restRoot: `http://127.0.0.1:${await freePort()}` })
    await begun.link()
    await callback('state=the-state-of-this-login&status=success&request_token=abcdefghijkl')
    expect(await begun.end).toMatchObject({ code: 'broker_unavailable' })
  })

  it('whose token cannot be kept says where', async () => {
    rmSync(join(folder, 'tokens'), { recursive: true, force: true })
    writeFileSync(join(folder, 'tokens'), 'a file, no folder')
    const begun = begin()
    await fetch(await begun.link())
    expect(await begun.end).toMatchObject({ code: 'not_stored' })
  })
})

describe('a login by pasting', () => {
  const paste = (text: string) => begin({ readLine: () => Promise.resolve(text) })

  async function redirected(state: string): Promise<URL> {
    const { apiKey } = exchange.accounts[0] ?? { apiKey: '' }
    const query = `v=3&api_key=${apiKey}&redirect_params=state%3D${state}`
    const answer = await fetch(`${exchange.url}/connect/login?${query}`, { redirect: 'manual' })
    return new URL(answer.headers.get('location') ?? '')
  }

  it('takes the whole address, or the request token alone', async () => {
    const url = await redirected('the-state-of-this-login')
    expect(await paste(`  ${url.href}\n`).end).toMatchObject({ userId: 'SM0001' })
    const other = await redirected('whatever')
    const requestToken = other.searchParams.get('request_token') ?? ''
    expect(await paste(requestToken).end).toMatchObject({ userId: 'SM0001' })
  })

  it('refuses the address of another login, and what is neither', async () => {
    const url = await redirected('another')
    expect(await paste(url.href).end).toMatchObject({ code: 'foreign' })
    expect(await paste('no token').end).toMatchObject({ code: 'foreign' })
    expect(await paste('https://127.0.0.1/').end).toMatchObject({ code: 'foreign' })
  })
})
