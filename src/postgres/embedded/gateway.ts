/**
 * Lets many clients share the embedded store's one engine and one session, each as if alone.
 *
 * A client's messages are collected up to Sync, Query or Flush and run as one job, so that no other
 * client's message comes between a Bind and its Execute. A job that leaves a transaction open (or a
 * Flush, which leaves a portal open) makes its client the owner of the engine: everybody else waits,
 * until the owner is done, is gone or has been idle for too long.
 *
 *   job ──► owner? none, or mine ──► run ──► in transaction? yes: I own it   no: next waiting job
 *                  another's ──► wait
 *
 * Programs that are not ours work as a role of their own, have the engine for a bounded time, wait
 * behind our statements, and leave no settings, no temporary tables (which would hide ours) and no locks
 * (which would fill the lock table) behind.
 */
import type { Clock } from '../../kit/clock.ts'
import {
  EMBEDDED_CLIENT_WAITING_JOBS,
  EMBEDDED_IDLE_TRANSACTION_MS,
  EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS,
  EMBEDDED_MAX_MESSAGE_BYTES,
  EMBEDDED_OUTSIDE_HOLD_MS,
  EMBEDDED_OUTSIDE_MAX_MESSAGE_BYTES,
  EMBEDDED_OUTSIDE_STARTUP_MS,
  EMBEDDED_OUTSIDE_WAIT_MS,
} from '../../limits.ts'
import { OUTSIDE_ROLE, OWN_ROLE } from './outside-role.ts'
import { refusalOf } from './refused-sql.ts'
import {
  closeStatementMessage,
  concatBytes,
  FrameReader,
  type FrontendMessage,
  fatalMessage,
  negotiateVersionMessage,
  queryMessage,
  sqlOf,
  statementOf,
  syncMessage,
  WireError,
  withPrefix,
} from './wire.ts'

/** The one engine. Everything is synchronous: while it works, its thread does nothing else. */
export interface Engine {
  /** What a client is told when it connects: authentication, parameters, ready for query. */
  readonly greeting: Uint8Array
  /**
   * Runs whole messages and hands the answer out in pieces. Throws when the engine is dead. Asks
   * `mayGoOn` now and then while it works, and cancels the statement (SQLSTATE 57014) where not.
   */
  execute(
    messages: Uint8Array,
    onAnswer: (piece: Uint8Array) => void,
    mayGoOn?: () => boolean,
  ): void
  isInTransaction(): boolean
}

/** Where a client's answers go. Pieces are the receiver's own. */
export interface ClientSink {
  send(piece: Uint8Array): void
  /** Whether the client has left so much unread that it gets no more. */
  isFull(): boolean
  /** Closes the connection after what was sent. */
  end(): void
}

/** What the owner of a connection tells the gateway. */
export interface GatewayClient {
  receive(chunk: Uint8Array): void
  /** The connection is gone. */
  gone(): void
}

export interface ClientOptions {
  /** True for a program that we did not write: its idle transactions end soon, its settings are undone. */
  readonly isOutside: boolean
}

interface Client {
  readonly prefix: string
  readonly sink: ClientSink
  readonly isOutside: boolean
  readonly reader: FrameReader
  readonly statements: Set<string>
  state: 'starting' | 'ready' | 'ended'
  batch: Uint8Array[]
  refusal: string | undefined
  waitingJobs: number
}

interface Job {
  readonly client: Client
  readonly bytes: Uint8Array
  /** A Flush: the client goes on with the same portal. */
  readonly keepsEngine: boolean
  /** Monotonic. */
  readonly sinceMs: number
}

const ENDS_A_JOB = new Set(['S', 'Q', 'F', 'H'])
/** Password and COPY data, which nobody asked for. */
const IGNORED = new Set(['p', 'd', 'c', 'f'])
const BECOME_OUTSIDE = `SET SESSION AUTHORIZATION ${OUTSIDE_ROLE}`
const UNDO_OUTSIDE = `SET SESSION AUTHORIZATION ${OWN_ROLE}; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; SELECT pg_advisory_unlock_all()`

export class Gateway {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #waiting: Job[] = []
  #owner: Client | undefined
  /** Monotonic: how long the client from outside that has the engine may keep it. */
  #holdUntilMs = 0
  #ranOutsideLast = false
  #cancelNextDrain: (() => void) | undefined
  #cancelIdleTimer: (() => void) | undefined
  #clientsSeen = 0
  #jobsHighWater = 0

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  /** The most statements that one client ever had waiting. */
  get jobsHighWater(): number {
    return this.#jobsHighWater
  }

  /** Whether no transaction is open, so that a statement of the engine's own may run. */
  get isFree(): boolean {
    return this.#owner === undefined
  }

  connect(sink: ClientSink, options: ClientOptions): GatewayClient {
    const client: Client = {
      prefix: `c${++this.#clientsSeen}_`,
      sink,
      isOutside: options.isOutside,
      reader: new FrameReader(
        options.isOutside ? EMBEDDED_OUTSIDE_MAX_MESSAGE_BYTES : EMBEDDED_MAX_MESSAGE_BYTES,
      ),
      statements: new Set(),
      state: 'starting',
      batch: [],
      refusal: undefined,
      waitingJobs: 0,
    }
    if (options.isOutside) {
      this.#clock.after(EMBEDDED_OUTSIDE_STARTUP_MS, () => this.#endSilent(client))
    }
    return {
      receive: (chunk) => this.#receive(client, chunk),
      gone: () => this.#end(client),
    }
  }

  #receive(client: Client, chunk: Uint8Array): void {
    client.reader.push(chunk)
    try {
      while (this.#takeNext(client));
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#dismiss(client, '08P01', error.message)
    }
  }

  /** Takes one message, if a whole one is there. */
  #takeNext(client: Client): boolean {
    if (client.state === 'ended') return false
    if (client.state === 'starting') return this.#takeStartup(client)
    const message = client.reader.nextMessage()
    if (message === undefined) return false
    this.#take(client, message)
    return true
  }

  #takeStartup(client: Client): boolean {
    const startup = client.reader.nextStartup()
    if (startup === undefined) return false
    if (startup.kind === 'encryption') {
      client.sink.send(Uint8Array.of(0x4e))
    } else if (startup.kind === 'cancel') {
      // What it asks for is read after the statement that it wants to cancel.
      this.#end(client)
    } else if (startup.majorVersion !== 3) {
      this.#dismiss(client, '08P01', `protocol version ${startup.majorVersion} is not supported`)
    } else {
      if (startup.minorVersion > 0) client.sink.send(negotiateVersionMessage())
      client.sink.send(this.#engine.greeting.slice())
      client.state = 'ready'
    }
    return true
  }

  #take(client: Client, message: FrontendMessage): void {
    if (message.type === 'X') this.#end(client)
    if (message.type === 'X' || IGNORED.has(message.type)) return
    const sql = sqlOf(message)
    if (sql !== undefined) client.refusal ??= refusalOf(sql)
    client.batch.push(withOwnStatement(client, message))
    if (ENDS_A_JOB.has(message.type)) this.#submit(this.#takeJob(client, message))
  }

  #takeJob(client: Client, last: FrontendMessage): Job {
    const { batch, refusal } = client
    client.batch = []
    client.refusal = undefined
    const job = { client, sinceMs: this.#clock.elapsedMs() }
    if (refusal !== undefined) {
      return { ...job, bytes: refusedMessage(refusal), keepsEngine: false }
    }
    return { ...job, bytes: concatBytes(batch), keepsEngine: last.type === 'H' }
  }

  #submit(job: Job): void {
    const { client } = job
    if (client.waitingJobs >= EMBEDDED_CLIENT_WAITING_JOBS) {
      this.#dismiss(client, '53400', 'too many statements sent ahead')
    } else {
      this.#enqueue(job)
      this.#drain()
    }
  }

  #endSilent(client: Client): void {
    if (client.state === 'starting') this.#dismiss(client, '08P01', 'no startup packet came')
  }

  #enqueue(job: Job): void {
    job.client.waitingJobs++
    this.#jobsHighWater = Math.max(this.#jobsHighWater, job.client.waitingJobs)
    this.#waiting.push(job)
  }

  #drain(): void {
    for (;;) {
      this.#endOverdue()
      const at = this.#nextIndex()
      const [job] = at < 0 ? [] : this.#waiting.splice(at, 1)
      if (job === undefined) break
      this.#run(job)
      // The messages of the program's own clients may have come meanwhile: they are to be seen first.
      if (job.client.isOutside && this.#waiting.length > 0) {
        this.#drainLater()
        break
      }
    }
    this.#watchOwner()
  }

  #drainLater(): void {
    this.#cancelNextDrain ??= this.#clock.after(0, () => {
      this.#cancelNextDrain = undefined
      this.#drain()
    })
  }

  #watchOwner(): void {
    const owner = this.#owner
    if (owner === undefined || this.#cancelIdleTimer !== undefined) return
    const limitMs = owner.isOutside
      ? Math.min(EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS, this.#holdLeftMs())
      : EMBEDDED_IDLE_TRANSACTION_MS
    this.#cancelIdleTimer = this.#clock.after(limitMs, () => this.#endIdle(owner))
  }

  #holdLeftMs(): number {
    return Math.max(0, this.#holdUntilMs - this.#clock.elapsedMs())
  }

  /** The job that may run now, the program's own first; -1 where there is none. */
  #nextIndex(): number {
    const owner = this.#owner
    if (owner !== undefined) return this.#waiting.findIndex(({ client }) => client === owner)
    const own = this.#waiting.findIndex(({ client }) => !client.isOutside)
    const outside = this.#waiting.findIndex(({ client }) => client.isOutside)
    if (own < 0 || outside < 0) return Math.max(own, outside)
    return this.#isOutsidesTurn(this.#waiting[outside]) ? outside : own
  }

  /** A busy program does not shut others out for good, but between two of theirs comes one of its own. */
  #isOutsidesTurn(job: Job | undefined): boolean {
    if (job === undefined || this.#ranOutsideLast) return false
    return this.#clock.elapsedMs() - job.sinceMs >= EMBEDDED_OUTSIDE_WAIT_MS
  }

  #run({ client, bytes, keepsEngine }: Job): void {
    client.waitingJobs--
    this.#stopIdleTimer()
    this.#ranOutsideLast = client.isOutside
    if (client.isOutside) this.#runOutside(client, bytes)
    else this.#engine.execute(bytes, (piece) => answer(client, piece))
    if (keepsEngine || this.#engine.isInTransaction()) {
      this.#owner = client
    } else {
      this.#release(client)
    }
    if (client.sink.isFull()) this.#dismiss(client, '53400', 'the answer was not read in time')
  }

  #runOutside(client: Client, bytes: Uint8Array): void {
    if (this.#owner === undefined) {
      this.#holdUntilMs = this.#clock.elapsedMs() + EMBEDDED_OUTSIDE_HOLD_MS
      this.#runSilently(queryMessage(BECOME_OUTSIDE))
    }
    const mayGoOn = () => this.#holdLeftMs() > 0 && !client.sink.isFull()
    this.#engine.execute(bytes, (piece) => answer(client, piece), mayGoOn)
  }

  #release(client: Client): void {
    this.#owner = undefined
    if (client.isOutside) this.#runSilently(queryMessage(UNDO_OUTSIDE))
  }

  /** Ends the client: what it began is undone, what it prepared is dropped, the next may run. */
  #end(client: Client): void {
    if (client.state === 'ended') return
    client.state = 'ended'
    this.#forgetJobs(client)
    if (this.#owner === client) this.#takeEngineFrom(client)
    this.#dropStatements(client)
    client.sink.end()
    this.#drain()
  }

  #dismiss(client: Client, sqlState: string, message: string): void {
    if (client.state !== 'ended') client.sink.send(fatalMessage(sqlState, message))
    this.#end(client)
  }

  #endIdle(owner: Client): void {
    this.#cancelIdleTimer = undefined
    if (this.#owner !== owner || this.#endOverdue()) return
    this.#dismiss(owner, '25P03', 'terminating connection: a transaction was idle for too long')
  }

  /** Asked before every job: a busy client's next one may be here before any timer has its turn. */
  #endOverdue(): boolean {
    const owner = this.#owner
    if (owner?.isOutside !== true || this.#holdLeftMs() > 0) return false
    this.#dismiss(owner, '25P03', 'terminating connection: a transaction was open for too long')
    return true
  }

  #takeEngineFrom(owner: Client): void {
    this.#stopIdleTimer()
    this.#runSilently(syncMessage())
    if (this.#engine.isInTransaction()) this.#runSilently(queryMessage('ROLLBACK'))
    this.#release(owner)
  }

  /** A job like any other: its Sync would end the portal of a client that is in the middle. */
  #dropStatements(client: Client): void {
    if (client.statements.size === 0) return
    const closing = [...client.statements].map((name) =>
      closeStatementMessage(client.prefix + name),
    )
    client.statements.clear()
    const bytes = concatBytes([...closing, syncMessage()])
    this.#enqueue({ client, bytes, keepsEngine: false, sinceMs: this.#clock.elapsedMs() })
  }

  #forgetJobs(client: Client): void {
    const others = this.#waiting.filter((job) => job.client !== client)
    this.#waiting.splice(0, this.#waiting.length, ...others)
  }

  #runSilently(bytes: Uint8Array): void {
    this.#engine.execute(bytes, () => undefined)
  }

  #stopIdleTimer(): void {
    this.#cancelIdleTimer?.()
    this.#cancelIdleTimer = undefined
  }
}

function answer({ state, sink }: Client, piece: Uint8Array): void {
  if (state !== 'ended' && !sink.isFull()) sink.send(piece)
}

/** Makes the engine itself refuse, so that an open transaction fails as it would anywhere. */
function refusedMessage(reason: string): Uint8Array {
  const text = reason.replaceAll("'", "''")
  return queryMessage(
    `DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = '${text}'; END$$`,
  )
}

function withOwnStatement(client: Client, message: FrontendMessage): Uint8Array {
  const statement = statementOf(message)
  if (statement === undefined) return message.bytes
  if (statement.act === 'parse') client.statements.add(statement.name)
  if (statement.act === 'close') client.statements.delete(statement.name)
  return withPrefix(message.bytes, statement, client.prefix)
}
