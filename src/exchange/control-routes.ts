/**
 * The exchange's controls, for this machine only: accounts, faults on demand, the rate of packets,
 * what is subscribed, and the ledger of all that was sent.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { type Static, Type } from 'typebox'
import { type ErrorCode, errorBody } from '../contract/api/error.ts'
import { FOREIGN_HOST_STATUS, foreignHost } from '../contract/api/host-check.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import {
  EXCHANGE_FAULT_MAX_MS,
  EXCHANGE_LEDGER_ANSWER_PACKETS,
  EXCHANGE_RATE_MAX,
  EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION,
} from '../limits.ts'
import type { Accounts } from './accounts.ts'
import type { ClientConnection } from './client-connection.ts'
import { isLoopback, shownAccounts, shownTime } from './control-answers.ts'
import {
  type ActiveFault,
  CONNECTION_FAULTS,
  type ConnectionFault,
  FAULT_KINDS,
  type FaultKind,
  type FaultRequest,
  type Faults,
} from './faults.ts'
import type { Feed } from './feed.ts'
import type { ConnectionLedger, Ledger } from './ledger.ts'
import type { Market } from './market/market.ts'
import type { MarketClock } from './market-clock.ts'

export interface ControlRoutesOptions {
  readonly accounts: Accounts
  readonly clock: Clock
  readonly faults: Faults
  readonly feed: Feed
  readonly ledger: Ledger
  readonly log: Log
  readonly market: Market
  readonly marketClock: MarketClock
  readonly seed: number
}

/** Refused in the shape that all of this project's APIs share. */
class ControlRefusal extends Error {
  override readonly name = 'ControlRefusal'
  readonly status: number
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | null

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    details: Record<string, unknown> | null = null,
  ) {
    super(message)
    this.status = status
    this.code = code
    this.details = details
  }
}

const strict = { additionalProperties: false } as const
const DEFAULT_DELAY_MS = 1_500
const LONGEST_DELAY_MS = 60_000

const faultKind = Type.Optional(Type.Unsafe<FaultKind>({ type: 'string', enum: [...FAULT_KINDS] }))
const FaultBody = Type.Object(
  {
    /** What is to go wrong; `kind` and `type` say the same. */
    fault: faultKind,
    kind: faultKind,
    type: faultKind,
    /** Name or api_key; all accounts where it is missing. */
    account: Type.Optional(Type.String()),
    connection: Type.Optional(Type.Integer({ minimum: 1 })),
    duration_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: EXCHANGE_FAULT_MAX_MS })),
    delay_ms: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_DELAY_MS })),
    /** For `mute`: these instruments alone. */
    tokens: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1 }), {
        minItems: 1,
        maxItems: EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION,
      }),
    ),
  },
  strict,
)
type FaultBody = Static<typeof FaultBody>

const RateBody = Type.Object(
  {
    /** Null: the market sets the pace. */
    ticks_per_second: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum: 0,
      maximum: EXCHANGE_RATE_MAX,
    }),
  },
  strict,
)
type RateBody = Static<typeof RateBody>

const wholeNumber = Type.String({ pattern: '^\\d{1,15}$' })
const LedgerQuery = Type.Object(
  {
    account: Type.Optional(Type.String()),
    connection: Type.Optional(wholeNumber),
    /** Together with `connection`: single packets from this ordinal on. */
    from_ordinal: Type.Optional(wholeNumber),
    limit: Type.Optional(wholeNumber),
  },
  strict,
)
type LedgerQuery = Static<typeof LedgerQuery>

/** Registers the routes, for a scope of their own under `/control`. */
export function controlRoutes(options: ControlRoutesOptions) {
  const control = new Control(options)
  return (app: FastifyInstance, _: unknown, done: () => void): void => {
    app.setErrorHandler((error: Error, _request, reply) => answerError(error, reply, options.log))
    app.setNotFoundHandler((_request, reply) => {
      void reply.code(404).send(errorBody('not_found', 'there is no such control'))
    })
    app.addHook('onRequest', async (request) => {
      if (!isLoopback(request.ip)) {
        throw new ControlRefusal(403, 'forbidden', 'the controls are for this machine only')
      }
      // Wherever the feed listens: a page of another site must not reach them through the browser.
      const fault = foreignHost('127.0.0.1', request.headers.host)
      if (fault === undefined) return
      throw new ControlRefusal(FOREIGN_HOST_STATUS, fault.code, fault.message, fault.details)
    })
    app.get('/accounts', () => control.accounts())
    app.get('/faults', () => ({ faults: control.faults() }))
    app.post<{ Body: FaultBody }>('/faults', { schema: { body: FaultBody } }, (request, reply) =>
      reply.code(201).send(control.inject(request.body)),
    )
    app.delete('/faults', () => control.clearFaults())
    app.get('/rate', () => control.rate())
    app.post<{ Body: RateBody }>('/rate', { schema: { body: RateBody } }, (request) =>
      control.setRate(request.body),
    )
    app.get<{ Querystring: LedgerQuery }>(
      '/ledger',
      { schema: { querystring: LedgerQuery } },
      (request) => control.ledger(request.query),
    )
    app.get('/subscriptions', () => control.subscriptions())
    app.get('/status', () => control.status())
    app.get('/clock', () => control.time())
    done()
  }
}

class Control {
  private readonly options: ControlRoutesOptions

  constructor(options: ControlRoutesOptions) {
    this.options = options
  }

  accounts() {
    return shownAccounts(this.options.accounts)
  }

  inject(body: FaultBody) {
    const { accounts, faults } = this.options
    const fault = faults.add(this.requestOf(body))
    if (fault.kind === 'token_expired') accounts.suspend(fault.account, fault.untilElapsedMs)
    const connections = this.connectionsOf(fault)
    for (const connection of connections) this.strike(connection, fault)
    return { ...this.shown(fault), connections: connections.map(({ id }) => id) }
  }

  faults() {
    return this.options.faults.listed().map((fault) => this.shown(fault))
  }

  clearFaults() {
    const { accounts, clock, faults, feed } = this.options
    faults.clear()
    accounts.suspend(undefined, clock.elapsedMs())
    for (const connection of feed.connections) connection.clearFaults()
    return { faults: [] }
  }

  rate() {
    return { ticks_per_second: this.options.feed.ticksPerSecond ?? null }
  }

  setRate({ ticks_per_second }: RateBody) {
    // A rate of 0 is silence; null gives the pace back to the market.
    this.options.feed.ticksPerSecond = ticks_per_second ?? undefined
    return this.rate()
  }

  ledger(query: LedgerQuery) {
    const account = this.accountOf(query.account)
    const connection = query.connection === undefined ? undefined : Number(query.connection)
    const chosen = this.options.ledger
      .connections()
      .filter((each) => account === undefined || each.account === account)
      .filter((each) => connection === undefined || each.connection === connection)
    if (connection !== undefined && chosen.length === 0) {
      throw new ControlRefusal(404, 'not_found', `connection ${connection} is not in the ledger`)
    }
    const connections = chosen.map(shownLedger)
    if (query.from_ordinal === undefined) return { connections }
    if (connection === undefined) {
      throw new ControlRefusal(400, 'bad_request', 'single packets are those of one connection', {
        missing: 'connection',
      })
    }
    const limit = Math.min(
      Number(query.limit ?? EXCHANGE_LEDGER_ANSWER_PACKETS),
      EXCHANGE_LEDGER_ANSWER_PACKETS,
    )
    return { connections, packets: chosen[0]?.from(Number(query.from_ordinal), limit) ?? [] }
  }

  /** What each open connection would be sent: modes by token, as the exchange has heard them. */
  subscriptions() {
    const connections = [...this.options.feed.connections].map((connection) => ({
      connection: connection.id,
      account: connection.account.name,
      subscriptions: Object.fromEntries(
        [...connection.subscriptions.values()].map(({ token, mode }) => [token, mode]),
      ),
    }))
    return { connections }
  }

  status() {
    const { feed, market, marketClock, seed } = this.options
    const { date, contracts } = market.listing(marketClock.nowMs())
    return {
      feed: 'simulated',
      seed,
      ...this.time(),
      ticks_per_second: feed.ticksPerSecond ?? null,
      date,
      contracts: contracts.length,
      instruments_streamed: feed.instrumentCount,
      packets: feed.packets,
      conflated_slots: feed.conflatedSlots,
      connections: [...feed.connections].map((connection) => ({
        connection: connection.id,
        account: connection.account.name,
        instruments: connection.subscriptions.size,
        packets: connection.ledger.packets,
        buffered_bytes: connection.bufferedBytes,
        faults: CONNECTION_FAULTS.filter((kind) => connection.isFaulty(kind)),
      })),
      faults: this.faults(),
    }
  }

  time() {
    return shownTime(this.options.marketClock, this.options.clock)
  }

  private requestOf(body: FaultBody): FaultRequest {
    const { connection, tokens } = body
    const known = [...this.options.feed.connections].some(({ id }) => id === connection)
    if (connection !== undefined && !known) {
      throw new ControlRefusal(404, 'not_found', `no open connection ${connection}`)
    }
    const kind = body.fault ?? body.kind ?? body.type
    if (kind === undefined) {
      throw new ControlRefusal(400, 'bad_request', 'say which fault', { fault: FAULT_KINDS })
    }
    if (tokens !== undefined && kind !== 'mute') {
      throw new ControlRefusal(400, 'bad_request', 'only `mute` takes tokens', { fault: kind })
    }
    return {
      kind,
      account: this.accountOf(body.account),
      connection,
      durationMs: body.duration_ms,
      delayMs: body.delay_ms ?? DEFAULT_DELAY_MS,
      ...(tokens === undefined ? {} : { tokens: new Set(tokens) }),
    }
  }

  private accountOf(nameOrKey: string | undefined): string | undefined {
    if (nameOrKey === undefined) return undefined
    const account = this.options.accounts.named(nameOrKey)
    if (account !== undefined) return account.name
    throw new ControlRefusal(404, 'not_found', `no account ${nameOrKey}`, {
      accounts: this.options.accounts.identities.map(({ name }) => name),
    })
  }

  private connectionsOf({ kind, account, connection }: ActiveFault): ClientConnection[] {
    if (kind === 'http_429' || kind === 'http_500') return []
    return [...this.options.feed.connections].filter(
      (each) =>
        (account === undefined || each.account.name === account) &&
        (connection === undefined || each.id === connection),
    )
  }

  private strike(connection: ClientConnection, fault: ActiveFault): void {
    const { kind } = fault
    if (isConnectionFault(kind)) {
      connection.inject(kind, fault)
      return
    }
    // Nothing is sent, or entered as sent, after the decision to close.
    this.options.feed.drop(connection)
    connection.close()
  }

  private shown(fault: ActiveFault) {
    const { id, kind, account, connection, tokens, durationMs, untilElapsedMs } = fault
    const leftMs = Math.max(0, Math.round(untilElapsedMs - this.options.clock.elapsedMs()))
    return {
      id,
      fault: kind,
      account: account ?? null,
      connection: connection ?? null,
      tokens: tokens === undefined ? null : [...tokens],
      duration_ms: durationMs ?? null,
      remaining_ms: leftMs,
    }
  }
}

function shownLedger(ledger: ConnectionLedger) {
  return {
    connection: ledger.connection,
    account: ledger.account,
    remote_port: ledger.remotePort ?? null,
    uid: ledger.uid ?? null,
    opened_ms: ledger.openedMs,
    closed_ms: ledger.closedMs ?? null,
    close_code: ledger.closeCode ?? null,
    packets: ledger.packets,
    malformed: ledger.malformed,
    truncated: ledger.truncated,
    conflated: ledger.conflated,
    withheld: ledger.withheld,
    frames: ledger.frames,
    heartbeats: ledger.heartbeats,
    bytes: ledger.bytes,
    by_token: ledger.byToken(),
  }
}

function isConnectionFault(kind: FaultKind): kind is ConnectionFault {
  return (CONNECTION_FAULTS as readonly FaultKind[]).includes(kind)
}

function answerError(error: Error, reply: FastifyReply, log: Log): void {
  if (error instanceof ControlRefusal) {
    void reply.code(error.status).send(errorBody(error.code, error.message, error.details))
    return
  }
  const { statusCode, validation } = error as { statusCode?: number; validation?: unknown[] }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const details = validation === undefined ? null : { faults: validation }
    void reply.code(statusCode).send(errorBody('bad_request', error.message, details))
    return
  }
  log.error({ err: error }, 'Control failed')
  void reply.code(500).send(errorBody('internal', 'the control failed'))
}
