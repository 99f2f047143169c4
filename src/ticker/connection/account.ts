/**
 * One broker account: its access token, its sockets, and whether the broker lets it in.
 *
 *   up ◀──accepted──▶ refused ──▶ down            the token has ended: a login is needed
 *                        └──────▶ no_market_data  the token is good, the plan has no data
 *   no_token: nobody has logged in yet
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { KiteError } from '../../kite/kite-error.ts'
import { TICKER_INSTRUMENTS_PER_CONNECTION } from '../../limits.ts'
import type { BrokerAccess, BrokerFactory } from '../broker.ts'
import { Connection, type ConnectionDeps } from './connection.ts'
import type { AccountRoom } from './placement.ts'

export interface AccountSettings {
  readonly name: string
  readonly apiKey: string
  readonly accessToken: string | undefined
  readonly maxConnections: number
  /** The broker's limit, or what the user leaves to the ticker. */
  readonly maxInstruments: number
  readonly historyRequestsPerSecond: number
  readonly quoteRequestsPerSecond: number
}

export type AccountState = 'up' | 'down' | 'no_token' | 'no_market_data'

export interface AccountDeps {
  readonly broker: BrokerFactory
  readonly clock: Clock
  readonly log: Log
  /** New instruments stop here. */
  readonly instrumentsPerAccount: number
  readonly connection: Pick<
    ConnectionDeps,
    'random' | 'muteAfterMs' | 'openSession' | 'onGap' | 'onSubscribed'
  >
  /** The state has changed. */
  readonly onChange: (account: Account) => void
}

export class Account {
  readonly settings: AccountSettings
  readonly access: BrokerAccess
  readonly connections: readonly Connection[]
  readonly #deps: AccountDeps
  #accessToken: string | undefined
  #state: AccountState
  #reason: string | null
  #sinceMs: number

  constructor(settings: AccountSettings, deps: AccountDeps) {
    this.settings = settings
    this.#deps = deps
    this.#accessToken = settings.accessToken
    this.#state = settings.accessToken === undefined ? 'no_token' : 'up'
    this.#reason = settings.accessToken === undefined ? 'nobody has logged in yet' : null
    this.#sinceMs = deps.clock.nowMs()
    this.access = deps.broker({
      apiKey: settings.apiKey,
      accessToken: () => this.#accessToken,
    })
    this.connections = Array.from({ length: settings.maxConnections }, (_, i) => {
      return this.#newConnection(i + 1)
    })
  }

  get name(): string {
    return this.settings.name
  }

  get state(): AccountState {
    return this.#state
  }

  /** Why it is not up; null while it is. */
  get reason(): string | null {
    return this.#reason
  }

  /** Wall clock, epoch ms. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  get instruments(): number {
    return this.connections.reduce((sum, { size }) => sum + size, 0)
  }

  /** Instruments that it takes before new ones are refused. */
  get limit(): number {
    return Math.min(this.#deps.instrumentsPerAccount, this.settings.maxInstruments)
  }

  get room(): AccountRoom {
    return {
      account: this.name,
      isUp: this.#state === 'up',
      instruments: this.instruments,
      limit: this.limit,
      sockets: this.connections.map(({ slot, size }) => ({
        connection: slot.connection,
        instruments: size,
        capacity: TICKER_INSTRUMENTS_PER_CONNECTION,
      })),
    }
  }

  /** A new login: what was refused is tried at once. */
  setAccessToken(accessToken: string): void {
    this.#accessToken = accessToken
    this.#retryAll()
  }

  async stop(): Promise<void> {
    await Promise.all(this.connections.map((connection) => connection.stop()))
  }

  #newConnection(connection: number): Connection {
    const { clock, log } = this.#deps
    return new Connection({
      ...this.#deps.connection,
      slot: { account: this.name, connection },
      clock,
      log,
      openSocket: (handlers, signal) => {
        const accessToken = this.#accessToken
        if (accessToken === undefined) return Promise.reject(noToken())
        return this.access.openSocket(accessToken, handlers, signal)
      },
      onReport: (news, error) => this.#onReport(news, error),
    })
  }

  #onReport(news: 'accepted' | 'refused' | 'busy', error: KiteError | undefined): void {
    // Too many connections (`busy`) is no verdict on the account.
    if (news === 'refused') this.#onRefused(error)
    if (news === 'accepted') this.#onAccepted()
  }

  #onAccepted(): void {
    const wasUp = this.#state === 'up'
    this.#become('up', null)
    if (!wasUp) this.#retryAll()
  }

  #onRefused(error: KiteError | undefined): void {
    if (this.#accessToken === undefined) {
      this.#become('no_token', 'nobody has logged in yet')
      return
    }
    if (this.#state !== 'up') return
    this.#become('down', error?.message ?? 'the broker refuses the access token')
    this.#askWhy().catch((cause: unknown) => {
      this.#deps.log.error({ err: cause, account: this.name }, 'Account could not be looked into')
    })
  }

  /** A dead token and a plan without market data are refused alike; only the profile tells them apart. */
  async #askWhy(): Promise<void> {
    const token = this.#accessToken
    try {
      await this.access.rest.profile()
    } catch (error) {
      if (!(error instanceof KiteError)) throw error
      if (error.code === 'token_expired' && this.#state === 'down') {
        this.#become('down', 'the access token has ended or is wrong')
      }
      return
    }
    if (this.#state === 'down' && token === this.#accessToken) {
      this.#become('no_market_data', 'the token is good, but the plan has no market data')
    }
  }

  #become(state: AccountState, reason: string | null): void {
    if (this.#state === state && this.#reason === reason) return
    const isNew = this.#state !== state
    this.#state = state
    this.#reason = reason
    if (!isNew) return
    this.#sinceMs = this.#deps.clock.nowMs()
    const fields = { account: this.name, state, reason }
    if (state === 'up') this.#deps.log.info(fields, 'Account up')
    else this.#deps.log.error({ ...fields, login_url: this.access.loginUrl }, 'Account down')
    this.#deps.onChange(this)
  }

  #retryAll(): void {
    for (const connection of this.connections) connection.retryNow()
  }
}

function noToken(): KiteError {
  return new KiteError('forbidden', 'there is no access token')
}
