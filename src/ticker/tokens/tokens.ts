/**
 * The access tokens of all accounts: from the settings, from a login, from watched files and from a
 * PUT. The newest counts. Their end at 6 AM is known and said ahead.
 */
import type { AccountToken } from '../../contract/api/accounts.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { replaceSecretFile } from '../../kit/replace-file.ts'
import { TOKEN_CHECK_PERIOD_MS } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import { formatIst, istDate } from '../../market/ist.ts'
import type { BrokerFactory } from '../broker.ts'
import type { Account, AccountSettings } from '../connection/account.ts'
import {
  type AccessToken,
  endedReason,
  hasEnded,
  newestToken,
  type TokenPhase,
  type TokenSource,
  tokenPhase,
  tokensEndAfterMs,
} from './access-token.ts'
import { type FoundToken, TokenFile, tokenFilePath } from './token-file.ts'
import { type Outcome, TokenKeeper } from './token-keeper.ts'
import { formatTokenText } from './token-text.ts'

/** What the settings say of an account's token beyond the token. */
export interface TokenSettings {
  /** Looked at once a second. */
  readonly accessTokenFile?: string | undefined
  /** The settings' token was there at this time, epoch ms; the start where left out. */
  readonly accessTokenWrittenAtMs?: number | undefined
}

export type AccountWithToken = AccountSettings & TokenSettings

export interface TokensDeps {
  readonly accounts: readonly AccountWithToken[]
  /** The simulated exchange hands out a token that does not end. */
  readonly isSimulated: boolean
  readonly dataDir: string
  readonly calendar: MarketCalendar
  readonly broker: BrokerFactory
  readonly clock: Clock
  readonly log: Log
}

interface Source {
  readonly kind: TokenSource
  readonly file: TokenFile
  fault: string | null
}

interface Holder {
  readonly keeper: TokenKeeper
  readonly sources: readonly Source[]
  phase: TokenPhase | undefined
}

/** Reads what is there; with that the accounts begin. */
export async function openTokens(deps: TokensDeps): Promise<Tokens> {
  const holders = new Map<string, Holder>()
  for (const account of deps.accounts) holders.set(account.name, await openHolder(account, deps))
  return new Tokens(deps, holders)
}

export class Tokens {
  readonly #deps: TokensDeps
  readonly #holders: ReadonlyMap<string, Holder>
  #accounts: readonly Account[] = []
  #stopWatch: () => void = () => undefined
  #looking: Promise<void> | undefined

  constructor(deps: TokensDeps, holders: ReadonlyMap<string, Holder>) {
    this.#deps = deps
    this.#holders = holders
  }

  /** The token to begin with; undefined where there is none, or it has ended. */
  accessToken(account: string): string | undefined {
    const token = this.#tokenOf(account)
    return token === undefined || this.#hasEnded(token) ? undefined : token.accessToken
  }

  /** Hands new tokens to the accounts from here on. */
  start(accounts: readonly Account[]): void {
    const { clock, log } = this.#deps
    this.#accounts = accounts
    for (const account of accounts) {
      this.#holderOf(account.name).keeper.onTaken((token) => account.setAccessToken(token))
    }
    this.#announce()
    this.#stopWatch = clock.every(TOKEN_CHECK_PERIOD_MS, () => {
      this.#announce()
      this.#looking ??= this.#look()
        .catch((err: unknown) => log.error({ err }, 'Token files could not be looked at'))
        .finally(() => {
          this.#looking = undefined
        })
    })
  }

  async stop(): Promise<void> {
    this.#stopWatch()
    await this.#looking
  }

  /** A token from the API: tried, used, and kept for the next start. */
  async put(account: string, accessToken: string): Promise<Outcome> {
    const { clock, log, dataDir } = this.#deps
    const nowMs = clock.nowMs()
    const outcome = await this.#holderOf(account).keeper.offer(issued(accessToken, 'api', nowMs))
    if (outcome !== 'take') return outcome
    try {
      const path = tokenFilePath(dataDir, account)
      await replaceSecretFile(path, formatTokenText(accessToken, nowMs))
    } catch (err) {
      log.error({ err, account }, 'Access token is in use, but could not be kept')
    }
    return outcome
  }

  /** Null where there has been none. */
  view(account: string): AccountToken | null {
    const token = this.#tokenOf(account)
    if (token === undefined) return null
    const { issuedAtMs, endsAtMs, source } = token
    const nowMs = this.#deps.clock.nowMs()
    return {
      source,
      issued_at: issuedAtMs === undefined ? null : formatIst(issuedAtMs),
      expires_at: endsAtMs === undefined ? null : formatIst(endsAtMs),
      age_s: issuedAtMs === undefined ? null : Math.max(0, Math.floor((nowMs - issuedAtMs) / 1000)),
      is_expired: this.#hasEnded(token),
    }
  }

  /** Why the account does not stream, or is about to stop; null where it is well. */
  reason({ name, reason }: Pick<Account, 'name' | 'reason'>): string | null {
    return endedReason(this.#tokenOf(name), this.#deps.clock.nowMs()) ?? reason
  }

  async #look(): Promise<void> {
    for (const [account, { keeper, sources }] of this.#holders) {
      for (const source of sources) {
        const token = await takeFrom(source, account, this.#deps)
        if (token !== undefined) await keeper.offer(token)
      }
    }
  }

  /** Says each phase once, as it begins. */
  #announce(): void {
    const { clock, calendar } = this.#deps
    const nowMs = clock.nowMs()
    const isTradingDay = calendar.isTradingDay(istDate(nowMs))
    for (const account of this.#accounts) {
      const holder = this.#holderOf(account.name)
      const phase = tokenPhase(holder.keeper.token, nowMs, isTradingDay)
      // From midnight to the next 08:00 of a trading day nobody expects a login that was missing before.
      const isOldNews = phase === 'ended' && holder.phase === 'overdue'
      if (phase !== holder.phase && !isOldNews) this.#say(account, phase)
      holder.phase = phase
    }
  }

  #say(account: Account, phase: TokenPhase): void {
    if (phase === 'good') return
    const { name, access } = account
    const { expires_at = null } = this.view(name) ?? {}
    const fields = { account: name, expires_at, login_url: access.loginUrl }
    this.#deps.log.warn(fields, ANNOUNCEMENTS[phase])
  }

  #tokenOf(account: string): AccessToken | undefined {
    return this.#holderOf(account).keeper.token
  }

  #hasEnded(token: AccessToken): boolean {
    return hasEnded(token, this.#deps.clock.nowMs())
  }

  #holderOf(account: string): Holder {
    const holder = this.#holders.get(account)
    if (holder === undefined) throw new RangeError(`no account is called ${account}`)
    return holder
  }
}

const ANNOUNCEMENTS: Readonly<Record<Exclude<TokenPhase, 'good'>, string>> = {
  ends_soon: 'Access token ends at 06:00, a new login is due',
  ended: 'No access token holds, a login is needed',
  overdue: 'Still no access token after 08:00, log in before the market opens',
}

async function openHolder(account: AccountWithToken, deps: TokensDeps): Promise<Holder> {
  const { clock, log, broker, dataDir } = deps
  const { name, apiKey, accessTokenFile } = account
  const own: Source = {
    kind: 'login',
    file: new TokenFile(tokenFilePath(dataDir, name)),
    fault: null,
  }
  const sources =
    accessTokenFile === undefined
      ? [own]
      : [own, { kind: 'file' as const, file: new TokenFile(accessTokenFile), fault: null }]
  const tokens = fromSettings(account, deps)
  for (const source of sources) {
    // The second look makes what is there at the start count at once.
    await takeFrom(source, name, deps)
    const token = await takeFrom(source, name, deps)
    if (token !== undefined) tokens.push(token)
  }
  const keeper = new TokenKeeper(
    { account: name, apiKey, broker, nowMs: () => clock.nowMs(), log },
    newestToken(tokens, clock.nowMs()),
  )
  return { keeper, sources, phase: undefined }
}

/** When it was issued nobody knows; not after it was written into the settings. */
function fromSettings(
  account: AccountWithToken,
  { isSimulated, clock }: TokensDeps,
): AccessToken[] {
  const { accessToken, accessTokenWrittenAtMs = clock.nowMs() } = account
  if (accessToken === undefined) return []
  const source = 'settings'
  if (isSimulated) {
    return [{ accessToken, source, issuedAtMs: clock.nowMs(), endsAtMs: undefined }]
  }
  const endsAtMs = tokensEndAfterMs(accessTokenWrittenAtMs)
  return [{ accessToken, source, issuedAtMs: undefined, endsAtMs }]
}

async function takeFrom(
  source: Source,
  account: string,
  { clock, log }: TokensDeps,
): Promise<AccessToken | undefined> {
  const { found, fault } = await source.file.look()
  if (fault !== null && fault !== source.fault) log.warn({ account, fault }, 'Token file')
  if (fault !== null || found !== undefined) source.fault = fault
  return found && issuedBy(found, source.kind, clock.nowMs())
}

/** A clock that is ahead elsewhere must not make a token last. */
function issuedBy(found: FoundToken, kind: TokenSource, nowMs: number): AccessToken {
  const { accessToken, loginTimeMs, writtenAtMs } = found
  return issued(accessToken, kind, Math.min(nowMs, loginTimeMs ?? writtenAtMs))
}

function issued(accessToken: string, source: TokenSource, issuedAtMs: number): AccessToken {
  return { accessToken, source, issuedAtMs, endsAtMs: tokensEndAfterMs(issuedAtMs) }
}
