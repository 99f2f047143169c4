/**
 * One login of one account: the link is shown, the user logs in at the broker, the request token comes
 * back (through the loopback door, or pasted), is exchanged for the day's access token, and that is
 * kept where the running ticker looks for it. The login itself is the user's; nothing automates it.
 */
import type { Clock } from '../../kit/clock.ts'
import { replaceSecretFile } from '../../kit/replace-file.ts'
import { KiteError } from '../../kite/kite-error.ts'
import { kiteLoginUrl } from '../../kite/login.ts'
import { KiteRest } from '../../kite/rest.ts'
import type { KiteSession } from '../../kite/rest-answers.ts'
import { LOGIN_TIMEOUT_MS } from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import { tokensEndAfterMs } from '../tokens/access-token.ts'
import { tokenFilePath } from '../tokens/token-file.ts'
import { formatTokenText } from '../tokens/token-text.ts'
import { type Callback, loginCallbackUrl, readPasted } from './callback.ts'
import { openCallbackDoor } from './callback-server.ts'
import { LoginError } from './login-error.ts'

export interface LoginAccount {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string
  /** Gets the token alone; undefined = it is kept in the data folder. */
  readonly accessTokenFile: string | undefined
}

export interface LoginOptions {
  readonly account: LoginAccount
  readonly restRoot: string
  readonly loginRoot: string
  readonly dataDir: string
  /** Loopback; not used where a line is pasted. */
  readonly port: number
  /** Reads what the user pastes; undefined = the browser comes back by itself. */
  readonly readLine: (() => Promise<string>) | undefined
  /** Comes back with the request token; nobody can guess it. */
  readonly state: string
  readonly clock: Clock
  readonly say: (text: string) => void
  readonly signal: AbortSignal
  /** `LOGIN_TIMEOUT_MS` where left out. */
  readonly timeoutMs?: number
}

export interface LoggedIn {
  readonly userId: string
  readonly userName: string | undefined
  readonly endsAtMs: number
  readonly path: string
}

/** @throws LoginError */
export async function logIn(options: LoginOptions): Promise<LoggedIn> {
  if (options.readLine !== undefined) return logInByPaste(options, options.readLine)
  const { port, state, say } = options
  const onForeign = () => say('A browser came back from another login; still waiting for this one.')
  const door = await openCallbackDoor(port, state, onForeign)
  try {
    sayLink(options)
    const done = await finish(options, await inTime(options, door.callback))
    await door.close('Logged in', `${whoOf(done)}. You can close this window.`)
    return done
  } catch (error) {
    const text = error instanceof LoginError ? error.message : 'fostream login has said why.'
    await door.close('The login did not work', text)
    throw error
  }
}

async function logInByPaste(
  options: LoginOptions,
  readLine: () => Promise<string>,
): Promise<LoggedIn> {
  sayLink(options)
  options.say('Paste the address that the browser ends at, or the request_token in it:')
  const pasted = await inTime(options, readLine())
  return finish(options, readPasted(pasted, options.state))
}

export function whoOf({ userId, userName }: LoggedIn): string {
  return userName === undefined ? userId : `${userName} (${userId})`
}

function sayLink({ account, loginRoot, state, port, say, readLine }: LoginOptions): void {
  say(
    `Log in account ${account.name} here:\n\n  ${kiteLoginUrl(account.apiKey, { state }, loginRoot)}\n`,
  )
  if (readLine === undefined) {
    say(`The Kite app's redirect URL must be ${loginCallbackUrl(port)}. Waiting for the browser …`)
  }
}

/** The user may take a while, but not for ever, and may press Ctrl-C. */
function inTime<T>({ clock, signal, timeoutMs }: LoginOptions, answer: Promise<T>): Promise<T> {
  const waitMs = timeoutMs ?? LOGIN_TIMEOUT_MS
  return new Promise((resolve, reject) => {
    const cancel = clock.after(waitMs, () => {
      const minutes = Math.round(waitMs / 60_000)
      reject(new LoginError('timeout', `Nobody logged in within ${minutes} min. Begin anew.`))
    })
    const onAbort = () => reject(new LoginError('aborted', 'The login was given up.'))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    answer.then(resolve, reject).finally(() => {
      cancel()
      signal.removeEventListener('abort', onAbort)
    })
  })
}

async function finish(options: LoginOptions, callback: Callback): Promise<LoggedIn> {
  const session = await openSession(options, requestTokenOf(callback))
  const issuedAtMs = session.loginTimeMs ?? options.clock.nowMs()
  const path = await keep(options, session.accessToken, issuedAtMs)
  const { userId, userName } = session
  return { userId, userName, endsAtMs: tokensEndAfterMs(issuedAtMs), path }
}

function requestTokenOf(callback: Callback): string {
  switch (callback.kind) {
    case 'granted':
      return callback.requestToken
    case 'denied':
      throw new LoginError('denied', `The login was cancelled or denied (${callback.status}).`)
    case 'foreign':
      throw new LoginError('foreign', 'This address is from another login. Begin anew.')
    case 'incomplete':
      throw new LoginError('foreign', 'There is no request_token in it. Begin anew.')
  }
}

async function openSession(options: LoginOptions, requestToken: string): Promise<KiteSession> {
  const { account, restRoot, clock, signal } = options
  const { apiKey, apiSecret, name } = account
  const rest = new KiteRest({ root: restRoot, apiKey, accessToken: () => undefined, clock })
  try {
    return await rest.createSession(requestToken, apiSecret, signal)
  } catch (error) {
    if (!(error instanceof KiteError)) throw error
    throw refusal(name, error)
  }
}

function refusal(account: string, error: KiteError): LoginError {
  if (error.code === 'aborted') return new LoginError('aborted', 'The login was given up.')
  if (error.retryable) {
    return new LoginError('broker_unavailable', `The broker did not answer: ${error.message}`)
  }
  const isChecksum = /checksum/i.test(error.message)
  const hint = isChecksum
    ? `Is the api_secret of account ${account} right?`
    : 'A request token is good for one use within a few minutes; begin anew.'
  return new LoginError('refused', `The broker refused the login: ${error.message}. ${hint}`)
}

async function keep(
  { account, dataDir, clock }: LoginOptions,
  accessToken: string,
  issuedAtMs: number,
): Promise<string> {
  const { name, accessTokenFile } = account
  const path = accessTokenFile ?? tokenFilePath(dataDir, name)
  // A clock that is ahead at the broker must not make the token last.
  const text = formatTokenText(accessToken, Math.min(issuedAtMs, clock.nowMs()))
  try {
    await replaceSecretFile(path, accessTokenFile === undefined ? text : `${accessToken}\n`)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new LoginError('not_stored', `${path} cannot be written: ${code}`, { cause })
  }
  return path
}

/** `23 Nov 2026`-like times are read by people in India: date and minute, IST. */
export function endText({ endsAtMs }: LoggedIn): string {
  return formatIst(endsAtMs).slice(0, 16).replace('T', ' ')
}
