/**
 * One broker account: its access token, its sockets, and whether the broker lets it in.
 *
 *   up ◀──accepted──▶ refused ──▶ down            the token has ended: a login is needed
 *    ▲                   └──────▶ no_market_data  the token is good, the plan has no data
 *    └──accepted──▶ no socket opens for a while, others' do ──▶ down
 *   no_token: nobody has logged in yet
 *
 * While it is down one socket goes on trying, whoever carries its instruments meanwhile.
 */
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { KiteError } from '../../kite/kite-error.ts'
import {
  TICKER_ACCOUNT_SETTLED_MS,
  TICKER_ACCOUNT_UNREACHABLE_MS,
  TICKER_INSTRUMENTS_PER_CONNECTION,
  TICKER_SOCKET_BLOCKED_MS,
} from '../../limits.ts'
import { DAY_MS, HOUR_MS, istDate, startOfDateMs } from '../../market/ist.ts'
import type { BrokerAccess, BrokerFactory } from '../broker.ts'
import { Connection, type ConnectionDeps } from './connection.ts'
import type { ConnectionState } from './connection-state.ts'
import type { AccountRoom } from './rooms.ts'

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

/** What programs may branch on; the reason is for people. */
export type AccountFault =
  | 'no_token'
  /** The token is wrong, or another login has ended it. */
  | 'refused'
  /** The broker ends all tokens at 06:00 IST. */
  | 'expired'
  | 'no_market_data'
  /** No socket opens, while other accounts' do. */
  | 'no_connection'
  /** 429: other programs hold the sockets of the key. */
  | 'too_many_connections'

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
  #fault: AccountFault | null
  #sinceMs: number
  #tokenSinceMs: number
  #logins = 0
  /** Monotonic: since when a socket is open while it is up, and since when none is. */
  #openSinceMs: number | undefined
  #shutSinceMs: number | undefined
  readonly #busySinceMs = new Map<Connection, number>()
  readonly #blockedUntilMs = new Map<Connection, number>()

  constructor(settings: AccountSettings, deps: AccountDeps) {
    this.settings = settings
    this.#deps = deps
    this.#accessToken = settings.accessToken
    this.#state = settings.accessToken === undefined ? 'no_token' : 'up'
    this.#reason = settings.accessToken === undefined ? NO_TOKEN : null
    this.#fault = settings.accessToken === undefined ? 'no_token' : null
    this.#sinceMs = deps.clock.nowMs()
    this.#tokenSinceMs = this.#sinceMs
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

  /** The same for programs. */
  get fault(): AccountFault | null {
    return this.#fault
  }

  /** Wall clock, epoch ms. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** How often it was given another access token since the start. */
  get logins(): number {
    return this.#logins
  }

  get instruments(): number {
    return this.connections.reduce((sum, { size }) => sum + size, 0)
  }

  /** Instruments that it takes before new ones are refused. */
  get limit(): number {
    return Math.min(this.#deps.instrumentsPerAccount, this.settings.maxInstruments)
  }

  /** Instruments that it takes over from others before they have to wait. */
  get brokerLimit(): number {
    const { maxConnections, maxInstruments } = this.settings
    return Math.min(maxInstruments, maxConnections * TICKER_INSTRUMENTS_PER_CONNECTION)
  }

  /** @param homes instruments that belong to it, whoever carries them */
  room(homes: number): AccountRoom {
    return {
      account: this.name,
      isUp: this.#state === 'up',
      isSettled: this.isSettled,
      homes,
      limit: this.limit,
      brokerLimit: this.brokerLimit,
      sockets: this.connections.map((connection) => ({
        connection: connection.slot.connection,
        instruments: connection.size,
        capacity: TICKER_INSTRUMENTS_PER_CONNECTION,
        isUsable: !this.#blockedUntilMs.has(connection),
      })),
    }
  }

  /** It has stayed up long enough to be trusted with what others carry for it. */
  get isSettled(): boolean {
    const sinceMs = this.#openSinceMs
    return sinceMs !== undefined && this.#elapsedSince(sinceMs) >= TICKER_ACCOUNT_SETTLED_MS
  }

  get hasOpenSocket(): boolean {
    return this.connections.some(({ state }) => state.kind === 'open')
  }

  /** A new login: what was refused is tried at once. */
  setAccessToken(accessToken: string): void {
    this.#accessToken = accessToken
    this.#tokenSinceMs = this.#deps.clock.nowMs()
    this.#logins++
    if (this.#state !== 'up') this.#probeWith(this.#shut)
    this.#retryAll()
  }

  /**
   * Once a second. `isOtherOpen`: a socket of another account is open, so it is not our own network;
   * `isAwaited`: instruments that belong to it are carried elsewhere.
   */
  check(isOtherOpen: boolean, isAwaited: boolean): void {
    const nowMs = this.#deps.clock.elapsedMs()
    const isOpen = this.hasOpenSocket
    const isTrying = this.connections.some(({ state }) => isTryingToOpen(state))
    this.#openSinceMs = isOpen && this.#state === 'up' ? (this.#openSinceMs ?? nowMs) : undefined
    this.#shutSinceMs = isOpen || !isTrying ? undefined : (this.#shutSinceMs ?? nowMs)
    for (const connection of this.connections) this.#checkBusy(connection, nowMs)
    if (this.#shutSinceMs !== undefined && isOtherOpen) this.#onShut(this.#shutSinceMs)
    const isOut = this.#state === 'down' || this.#state === 'no_market_data'
    // Only one that is opened anew tells whether the broker lets the account in again.
    if (isOut) this.#probeWith(this.#shut)
    else this.#probeWith(this.#state === 'up' && isAwaited ? this.#open : undefined)
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

  /** A socket that the broker has not let in for a while, though it takes the account, is given up. */
  #checkBusy(connection: Connection, nowMs: number): void {
    const { state } = connection
    const untilMs = this.#blockedUntilMs.get(connection)
    const isOver = state.kind === 'idle' && untilMs !== undefined && nowMs >= untilMs
    if (state.kind === 'open' || isOver) this.#blockedUntilMs.delete(connection)
    if (!isTryingToOpen(state)) this.#busySinceMs.delete(connection)
    if (state.kind !== 'waiting' || state.cause !== 'busy') return
    const sinceMs = this.#busySinceMs.get(connection) ?? nowMs
    this.#busySinceMs.set(connection, sinceMs)
    if (nowMs - sinceMs < TICKER_ACCOUNT_UNREACHABLE_MS) return
    this.#blockedUntilMs.set(connection, nowMs + TICKER_SOCKET_BLOCKED_MS)
  }

  #onShut(sinceMs: number): void {
    if (this.#state !== 'up' || this.#elapsedSince(sinceMs) < TICKER_ACCOUNT_UNREACHABLE_MS) return
    const isBusy = this.connections.some(({ state }) => {
      return state.kind === 'waiting' && state.cause === 'busy'
    })
    if (isBusy) this.#become('down', TOO_MANY, 'too_many_connections')
    else this.#become('down', 'no socket can be opened', 'no_connection')
  }

  #onReport(news: 'accepted' | 'refused' | 'busy', error: KiteError | undefined): void {
    // Too many connections (`busy`) is no verdict on the account.
    if (news === 'refused') this.#onRefused(error)
    if (news === 'accepted') this.#onAccepted()
  }

  #onAccepted(): void {
    const wasUp = this.#state === 'up'
    this.#become('up', null, null)
    if (wasUp) return
    this.#blockedUntilMs.clear()
    this.#retryAll()
  }

  #onRefused(error: KiteError | undefined): void {
    if (this.#accessToken === undefined) {
      this.#become('no_token', NO_TOKEN, 'no_token')
      return
    }
    const isKnown = this.#state !== 'up' && !isNoVerdict(this.#fault)
    if (isKnown) return
    const reason = error?.message ?? 'the broker refuses the access token'
    this.#become('down', reason, this.#hasTokenEnded() ? 'expired' : 'refused')
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
        const isExpired = this.#fault === 'expired'
        this.#become('down', isExpired ? EXPIRED : REFUSED, isExpired ? 'expired' : 'refused')
      }
      return
    }
    if (this.#state === 'down' && token === this.#accessToken) {
      this.#become('no_market_data', NO_MARKET_DATA, 'no_market_data')
    }
  }

  /** 06:00 IST has passed since it was given. */
  #hasTokenEnded(): boolean {
    const nowMs = this.#deps.clock.nowMs()
    const todayMs = startOfDateMs(istDate(nowMs)) + TOKENS_END_HOUR * HOUR_MS
    const lastEndMs = todayMs <= nowMs ? todayMs : todayMs - DAY_MS
    return this.#tokenSinceMs < lastEndMs
  }

  #become(state: AccountState, reason: string | null, fault: AccountFault | null): void {
    if (this.#state === state && this.#reason === reason && this.#fault === fault) return
    const isNew = this.#state !== state
    this.#state = state
    this.#reason = reason
    this.#fault = fault
    if (!isNew) return
    this.#sinceMs = this.#deps.clock.nowMs()
    this.#openSinceMs = undefined
    const fields = { account: this.name, state, fault, reason }
    if (state === 'up') this.#deps.log.info(fields, 'Account up')
    else this.#deps.log.error({ ...fields, login_url: this.access.loginUrl }, 'Account down')
    this.#deps.onChange(this)
  }

  get #shut(): Connection | undefined {
    return this.connections.find(({ state }) => state.kind !== 'open')
  }

  get #open(): Connection | undefined {
    return this.connections.find(({ state }) => state.kind === 'open') ?? this.connections[0]
  }

  /** One socket, carrying anything or not, is enough to learn how the broker takes the account. */
  #probeWith(probe: Connection | undefined): void {
    for (const connection of this.connections) connection.setProbing(connection === probe)
  }

  #elapsedSince(elapsedMs: number): number {
    return this.#deps.clock.elapsedMs() - elapsedMs
  }

  #retryAll(): void {
    for (const connection of this.connections) connection.retryNow()
  }
}

const TOKENS_END_HOUR = 6
const NO_TOKEN = 'nobody has logged in yet'
const REFUSED = 'the access token has ended or is wrong'
const EXPIRED = 'the access token ended at 06:00, a new login is due'
const NO_MARKET_DATA = 'the token is good, but the plan has no market data'
const TOO_MANY = 'the broker allows no more sockets: other programs hold those of this key'

function isTryingToOpen({ kind }: ConnectionState): boolean {
  return kind === 'opening' || kind === 'waiting'
}

/** Down for want of a socket, which a refusal explains better. */
function isNoVerdict(fault: AccountFault | null): boolean {
  return fault === 'no_connection' || fault === 'too_many_connections'
}

function noToken(): KiteError {
  return new KiteError('forbidden', 'there is no access token')
}
