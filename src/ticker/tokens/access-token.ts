/**
 * How long an access token lives, and which of several counts. Pure.
 *
 * The broker ends all tokens at 6 AM IST, so that a token's end is known with its issue. A token whose
 * issue nobody knows (it stands in the settings) gives way to every one whose issue is known.
 */
import {
  DAY_MS,
  formatIst,
  HOUR_MS,
  IST_OFFSET_MS,
  istMinuteOfDay,
  MINUTE_MS,
} from '../../market/ist.ts'

/** settings; a login of ours; the account's `access_token_file`; a PUT. */
export type TokenSource = 'settings' | 'login' | 'file' | 'api'

export interface AccessToken {
  readonly accessToken: string
  readonly source: TokenSource
  /** Epoch ms: the login where it is known, else when the token was written or arrived. */
  readonly issuedAtMs: number | undefined
  /** Epoch ms; undefined = never (the simulated exchange's own). */
  readonly endsAtMs: number | undefined
}

export type Verdict =
  | 'take'
  /** It is the one in use. */
  | 'same'
  /** It ended at 06:00. */
  | 'ended'
  /** The one in use is newer. */
  | 'older'

export type TokenPhase = 'good' | 'ends_soon' | 'ended' | 'overdue'

const TOKENS_END_HOUR = 6
const ANNOUNCED_BEFORE_MS = 30 * MINUTE_MS
/** Instruments and logins are expected by now; the market opens at 09:15. */
const OVERDUE_MINUTE_OF_DAY = 8 * 60

/** The first 06:00 IST after `ms`. */
export function tokensEndAfterMs(ms: number): number {
  const shiftedMs = ms + IST_OFFSET_MS - TOKENS_END_HOUR * HOUR_MS
  const morning = Math.floor(shiftedMs / DAY_MS) + 1
  return morning * DAY_MS - IST_OFFSET_MS + TOKENS_END_HOUR * HOUR_MS
}

export function hasEnded({ endsAtMs }: AccessToken, nowMs: number): boolean {
  return endsAtMs !== undefined && nowMs >= endsAtMs
}

/** Whether `offered` takes the place of `current`. */
export function judgeToken(
  current: AccessToken | undefined,
  offered: AccessToken,
  nowMs: number,
): Verdict {
  if (offered.accessToken === current?.accessToken) return 'same'
  if (hasEnded(offered, nowMs)) return 'ended'
  if (current === undefined || hasEnded(current, nowMs)) return 'take'
  return issueOf(offered) > issueOf(current) ? 'take' : 'older'
}

/** The one to begin with; where all have ended, the one that ended last, so that it can be said. */
export function newestToken(
  tokens: readonly AccessToken[],
  nowMs: number,
): AccessToken | undefined {
  const living = tokens.filter((token) => !hasEnded(token, nowMs))
  const order = living.length > 0 ? issueOf : (token: AccessToken) => token.endsAtMs ?? 0
  const among = living.length > 0 ? living : tokens
  return among.toSorted((a, b) => compare(order(b), order(a)))[0]
}

/**
 * Where in its life the account's token is; none at all counts as ended. On a day without trading
 * nobody needs one.
 */
export function tokenPhase(
  token: AccessToken | undefined,
  nowMs: number,
  isTradingDay: boolean,
): TokenPhase {
  if (token === undefined || hasEnded(token, nowMs)) {
    const isMissed = isTradingDay && istMinuteOfDay(nowMs) >= OVERDUE_MINUTE_OF_DAY
    return isMissed ? 'overdue' : 'ended'
  }
  const { endsAtMs } = token
  const isNear = endsAtMs !== undefined && nowMs >= endsAtMs - ANNOUNCED_BEFORE_MS
  return isNear ? 'ends_soon' : 'good'
}

/** Why an account has no good token; null where it has one. */
export function endedReason(token: AccessToken | undefined, nowMs: number): string | null {
  if (token?.endsAtMs === undefined || nowMs < token.endsAtMs) return null
  const [date] = formatIst(token.endsAtMs).split('T')
  return `the access token ended at 06:00 on ${date}; log in again`
}

function issueOf({ issuedAtMs }: AccessToken): number {
  return issuedAtMs ?? Number.NEGATIVE_INFINITY
}

/** Infinities, too. */
function compare(a: number, b: number): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
