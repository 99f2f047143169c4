/**
 * The accounts of the simulated exchange and their sessions. Keys and secrets follow from the seed,
 * and so does a first access token that needs no login and does not end at 6 AM, so that a laptop
 * may run for days. Tokens from a login end as the real ones do.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { sessionChecksum } from '../kite/login.ts'
import { EXCHANGE_REQUEST_TOKENS, EXCHANGE_SESSIONS_PER_ACCOUNT } from '../limits.ts'
import { DAY_MS, HOUR_MS, IST_OFFSET_MS, MINUTE_MS } from '../market/ist.ts'

export interface AccountIdentity {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string
  readonly userId: string
  /** Valid from the start, until it is given back. */
  readonly firstAccessToken: string
}

/** What a program needs to use an account. */
export interface Credentials {
  readonly name: string
  readonly apiKey: string
  readonly apiSecret: string
  /** The newest that works; null where every token has been given back or has ended. */
  readonly accessToken: string | null
}

interface Session {
  readonly accessToken: string
  /** Market time. */
  readonly endsMs: number
  /** Not valid before this, in ms of `elapsedMs`: an injected expiry. */
  suspendedUntilMs: number
}

/** A request token and whose it is; good for one exchange within a few minutes. */
interface Grant {
  readonly apiKey: string
  readonly endsMs: number
}

export type SessionFault = 'unknown_api_key' | 'bad_request_token' | 'bad_checksum'

const ACCOUNTS = 3
const GRANT_MS = 5 * MINUTE_MS
const TOKENS_END_HOUR = 6

export interface AccountsOptions {
  readonly seed: string
  /** Market time. */
  readonly nowMs: () => number
  /** Monotonic, for injected expiries. */
  readonly elapsedMs: () => number
}

export class Accounts {
  readonly identities: readonly AccountIdentity[]
  private readonly options: AccountsOptions
  private readonly byKey: ReadonlyMap<string, AccountIdentity>
  /** By api_key, newest last. */
  private readonly sessions = new Map<string, Session[]>()
  private readonly grants = new Map<string, Grant>()

  constructor(options: AccountsOptions) {
    this.options = options
    this.identities = Array.from({ length: ACCOUNTS }, (_, i) => identity(options.seed, i + 1))
    this.byKey = new Map(this.identities.map((account) => [account.apiKey, account]))
    for (const { apiKey, firstAccessToken } of this.identities) {
      this.openSession(apiKey, firstAccessToken, Number.POSITIVE_INFINITY)
    }
  }

  /** Whose key it is; undefined where it is nobody's. */
  find(apiKey: string): AccountIdentity | undefined {
    return this.byKey.get(apiKey)
  }

  /** By name or api_key. */
  named(nameOrKey: string): AccountIdentity | undefined {
    return this.find(nameOrKey) ?? this.identities.find(({ name }) => name === nameOrKey)
  }

  /** The account whose session this is; undefined where it is none, or has ended. */
  authenticate(apiKey: string, accessToken: string): AccountIdentity | undefined {
    const session = this.sessions.get(apiKey)?.find((each) => each.accessToken === accessToken)
    return session !== undefined && this.isValid(session) ? this.find(apiKey) : undefined
  }

  credentials(): Credentials[] {
    return this.identities.map(({ name, apiKey, apiSecret }) => {
      const newest = this.sessions.get(apiKey)?.findLast((each) => this.isValid(each))
      return { name, apiKey, apiSecret, accessToken: newest?.accessToken ?? null }
    })
  }

  /** The login: a request token for the app to exchange. */
  grant(apiKey: string): string {
    const requestToken = randomBytes(16).toString('hex')
    if (this.grants.size >= EXCHANGE_REQUEST_TOKENS) this.dropOldestGrant()
    this.grants.set(requestToken, { apiKey, endsMs: this.options.nowMs() + GRANT_MS })
    return requestToken
  }

  /** Exchanges a request token for an access token. */
  exchange(apiKey: string, requestToken: string, checksum: string): string | SessionFault {
    const account = this.find(apiKey)
    if (account === undefined) return 'unknown_api_key'
    const grant = this.grants.get(requestToken)
    if (grant?.apiKey !== apiKey || grant.endsMs < this.options.nowMs()) return 'bad_request_token'
    const expected = sessionChecksum(apiKey, requestToken, account.apiSecret)
    if (!sameText(checksum, expected)) return 'bad_checksum'
    this.grants.delete(requestToken)
    const accessToken = randomBytes(16).toString('hex')
    this.openSession(apiKey, accessToken, nextMorning(this.options.nowMs()))
    return accessToken
  }

  /** The logout. */
  revoke(apiKey: string, accessToken: string): void {
    const kept = this.sessions.get(apiKey)?.filter((each) => each.accessToken !== accessToken)
    this.sessions.set(apiKey, kept ?? [])
  }

  /**
   * Takes every token of an account (of all, where no name is given) for ended until an instant of
   * `elapsedMs`; a new login works.
   */
  suspend(name: string | undefined, untilElapsedMs: number): void {
    for (const account of this.identities) {
      if (name !== undefined && name !== account.name) continue
      for (const session of this.sessions.get(account.apiKey) ?? []) {
        session.suspendedUntilMs = untilElapsedMs
      }
    }
  }

  private openSession(apiKey: string, accessToken: string, endsMs: number): void {
    const open = (this.sessions.get(apiKey) ?? []).filter(
      (each) => each.endsMs > this.options.nowMs(),
    )
    open.push({ accessToken, endsMs, suspendedUntilMs: Number.NEGATIVE_INFINITY })
    this.sessions.set(apiKey, open.slice(-EXCHANGE_SESSIONS_PER_ACCOUNT))
  }

  private isValid(session: Session): boolean {
    const { nowMs, elapsedMs } = this.options
    return nowMs() < session.endsMs && elapsedMs() >= session.suspendedUntilMs
  }

  private dropOldestGrant(): void {
    for (const oldest of this.grants.keys()) {
      this.grants.delete(oldest)
      return
    }
  }
}

function identity(seed: string, number: number): AccountIdentity {
  const name = `sim${number}`
  return {
    name,
    apiKey: derivedText(seed, `${name} api key`, 16),
    apiSecret: derivedText(seed, `${name} api secret`, 32),
    userId: `SM${String(number).padStart(4, '0')}`,
    firstAccessToken: derivedText(seed, `${name} access token`, 32),
  }
}

function derivedText(seed: string, what: string, length: number): string {
  return createHash('sha256').update(`${seed}\n${what}`).digest('hex').slice(0, length)
}

function sameText(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** 6 AM IST of the next day. */
function nextMorning(nowMs: number): number {
  const day = Math.floor((nowMs + IST_OFFSET_MS) / DAY_MS)
  return (day + 1) * DAY_MS - IST_OFFSET_MS + TOKENS_END_HOUR * HOUR_MS
}
