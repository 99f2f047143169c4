/**
 * One account's access token: the newest of those that are offered, tried at the broker before it
 * takes the place of one that works, so that a wrong one does no harm.
 */
import type { Log } from '../../kit/log.ts'
import { KiteError } from '../../kite/kite-error.ts'
import { formatIst } from '../../market/ist.ts'
import type { BrokerFactory } from '../broker.ts'
import { type AccessToken, judgeToken, type Verdict } from './access-token.ts'

export type Outcome = Verdict | 'refused'

export interface TokenKeeperDeps {
  readonly account: string
  readonly apiKey: string
  readonly broker: BrokerFactory
  readonly nowMs: () => number
  readonly log: Log
}

export class TokenKeeper {
  readonly #deps: TokenKeeperDeps
  #token: AccessToken | undefined
  #use: (accessToken: string) => void = () => undefined
  /** Offers are judged one after another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(deps: TokenKeeperDeps, token: AccessToken | undefined) {
    this.#deps = deps
    this.#token = token
  }

  /** In use, or the last that was. */
  get token(): AccessToken | undefined {
    return this.#token
  }

  /** Who is told of every token that is taken from here on. */
  onTaken(use: (accessToken: string) => void): void {
    this.#use = use
  }

  offer(offered: AccessToken): Promise<Outcome> {
    const outcome = this.#last.then(() => this.#judge(offered))
    this.#last = Promise.allSettled([outcome])
    return outcome
  }

  async #judge(offered: AccessToken): Promise<Outcome> {
    const { account, nowMs, log } = this.#deps
    const verdict = judgeToken(this.#token, offered, nowMs())
    const fields = { account, source: offered.source }
    if (verdict === 'same') return verdict
    if (verdict !== 'take') {
      log.info({ ...fields, verdict }, 'Access token left aside')
      return verdict
    }
    if (await this.#isRefused(offered.accessToken)) {
      log.warn(fields, 'Access token refused by the broker, not taken')
      return 'refused'
    }
    this.#token = offered
    log.info({ ...fields, ...times(offered) }, 'Access token taken')
    this.#use(offered.accessToken)
    return verdict
  }

  /** A broker that does not answer has refused nothing. */
  async #isRefused(accessToken: string): Promise<boolean> {
    const { broker, apiKey, account, log } = this.#deps
    try {
      await broker({ apiKey, accessToken: () => accessToken }).rest.profile()
      return false
    } catch (error) {
      if (!(error instanceof KiteError)) throw error
      if (error.code === 'token_expired') return true
      log.warn({ account, err: error }, 'Access token could not be tried, taken as it is')
      return false
    }
  }
}

function times({ issuedAtMs, endsAtMs }: AccessToken) {
  return {
    issued_at: issuedAtMs === undefined ? null : formatIst(issuedAtMs),
    expires_at: endsAtMs === undefined ? null : formatIst(endsAtMs),
  }
}
