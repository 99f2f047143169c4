/**
 * PGlite, PostgreSQL compiled to WebAssembly, as the gateway's engine.
 *
 * What it leaves to its user is done here. When its program ends inside a statement, PGlite would
 * call the dead program again for ever: the first exit that is no SQL error makes the engine dead.
 * Nobody sends it a signal to cancel a statement: what it calls of ours while it works, for files and
 * answers, raises its flag. No background process makes checkpoints, so the write-ahead log would
 * grow without end: `checkpointIfDue` does. It reads on where its files are damaged: here that is its
 * end. And its usual way of answering keeps a parsed copy of every answer: answers are streamed.
 */
import { setFlagsFromString } from 'node:v8'
import { PGlite } from '@electric-sql/pglite'
import {
  EMBEDDED_ANSWER_PIECE_BYTES,
  EMBEDDED_CHECKPOINT_WAL_BYTES,
  EMBEDDED_TIERING_BUDGET,
} from '../../limits.ts'
import {
  cancelStatement,
  type EngineModule,
  forgetCancel,
  onFileAccess,
  requireShape,
  STATEMENT_STEPS,
} from './engine-module.ts'
import type { Engine } from './gateway.ts'
import { MAKE_OUTSIDE_ROLE, OWN_ROLE } from './outside-role.ts'
import { concatBytes, firstValue, queryMessage, startupPacket } from './wire.ts'

/** The engine ended inside a statement; nothing more can be asked of it. */
export class EngineDeadError extends Error {
  override readonly name = 'EngineDeadError'
  readonly code = 'ENGINE_DEAD'
}

/** The engine read the cluster and found it damaged or of another version. */
export class UnreadableStoreError extends Error {
  override readonly name = 'UnreadableStoreError'
  readonly code = 'STORE_UNREADABLE'
}

/** The engine's own way of jumping out of a statement that failed. */
const SQL_ERROR_EXIT = 100

export const EMBEDDED_DATABASE = 'postgres'

/** Beyond PGlite's own: little memory, little log, and the time zone that users read. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams,
  ...[
    'shared_buffers=16MB',
    'wal_buffers=1MB',
    'min_wal_size=32MB',
    'maintenance_work_mem=16MB',
    'log_line_prefix=%e ',
    'TimeZone=Asia/Kolkata',
  ].flatMap((setting) => ['-c', setting]),
]

const always = () => true

export class PgliteEngine implements Engine {
  readonly greeting: Uint8Array
  readonly #pglite: PGlite
  readonly #module: EngineModule
  #death: EngineDeadError | UnreadableStoreError | undefined
  #mayGoOn: () => boolean = always
  #checkpointAtBytes = 0

  /**
   * Opens the cluster in `folder`, which must hold one. Rejects with `UnreadableStoreError` where the
   * cluster is to blame, and with anything else where the machine is (memory, disk, permissions).
   */
  static async open(folder: string): Promise<PgliteEngine> {
    const said: string[] = []
    let listen = (line: string): void => void said.push(line)
    const onStderr = (line: string) => {
      listen(line)
      return true
    }
    setFlagsFromString(`--wasm-tiering-budget=${EMBEDDED_TIERING_BUDGET}`)
    const pglite = new PGlite(folder, { startParams: START_PARAMETERS, onStderr })
    try {
      await pglite.waitReady
    } catch (cause) {
      throw startFailure(said, cause)
    }
    const damage = damageIn(said)
    if (damage !== undefined) throw damage
    const engine = new PgliteEngine(pglite)
    listen = (line) => {
      engine.#death ??= damageIn([line])
    }
    engine.#collect(queryMessage(MAKE_OUTSIDE_ROLE))
    return engine
  }

  private constructor(pglite: PGlite) {
    this.#pglite = pglite
    this.#module = requireShape(pglite.Module)
    this.#watchForDeath(this.#module)
    onFileAccess(this.#module, () => this.#cancelIfUnwanted())
    this.greeting = this.#collect(startupPacket(OWN_ROLE, EMBEDDED_DATABASE))
  }

  execute(
    messages: Uint8Array,
    onAnswer: (piece: Uint8Array) => void,
    mayGoOn: () => boolean = always,
  ): void {
    const pieces = new Pieces(onAnswer)
    this.#mayGoOn = mayGoOn
    const run = this.#pglite.execProtocolRawStream(messages, {
      syncToFs: false,
      onRawData: (bytes) => {
        pieces.add(bytes)
        this.#cancelIfUnwanted()
      },
    })
    this.#mayGoOn = always
    // What was cancelled too late to notice must not cancel the next statement.
    forgetCancel(this.#module)
    // All of it has run by now, the promise notwithstanding; what else can fail is not survivable.
    run.catch((cause: unknown) => {
      if (this.#death === undefined) throw cause
    })
    pieces.end()
    if (this.#death !== undefined) throw this.#death
  }

  isInTransaction(): boolean {
    return this.#pglite.isInTransaction()
  }

  /** Writes a checkpoint when the write-ahead log has grown by its cap since the last one. */
  checkpointIfDue(): void {
    const atBytes = this.#walPositionBytes()
    if (atBytes < this.#checkpointAtBytes) return
    this.#collect(queryMessage('CHECKPOINT'))
    this.#checkpointAtBytes = atBytes + EMBEDDED_CHECKPOINT_WAL_BYTES
  }

  /** Ends the session and writes a last checkpoint. */
  async close(): Promise<void> {
    if (this.#death === undefined) await this.#pglite.close()
  }

  #cancelIfUnwanted(): void {
    if (!this.#mayGoOn()) cancelStatement(this.#module)
  }

  #walPositionBytes(): number {
    const answer = this.#collect(queryMessage("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
    return Number(firstValue(answer))
  }

  #collect(messages: Uint8Array): Uint8Array {
    const pieces: Uint8Array[] = []
    this.execute(messages, (piece) => pieces.push(piece))
    return concatBytes(pieces)
  }

  /**
   * Only a failed SQL statement may jump out of the engine. After anything else PGlite would call it
   * again; `stackRestore` stands outside of what PGlite catches, so throwing there ends that.
   */
  #watchForDeath(module: EngineModule): void {
    for (const name of STATEMENT_STEPS) {
      const step = module[name]
      module[name] = () => this.#watch(step)
    }
    const { stackRestore } = module
    module.stackRestore = (stack) => {
      if (this.#death !== undefined) throw this.#death
      stackRestore(stack)
    }
  }

  #watch(step: () => void): void {
    try {
      step()
    } catch (cause) {
      if (!isSqlError(cause)) this.#death ??= new EngineDeadError('the engine ended', { cause })
      throw cause
    }
  }
}

const FATAL_LINE = /(?:FATAL|PANIC): +(.*)/
const MACHINE_TO_BLAME =
  /no space left|out of memory|memory alloc|permission denied|read-only|too many open files|input\/output error/i

/** Why the engine did not start, in its own words where it said any. */
export function startFailure(said: readonly string[], cause: unknown): unknown {
  const reason = said.flatMap((line) => FATAL_LINE.exec(line)?.[1] ?? []).at(-1)
  if (reason === undefined) return cause
  if (MACHINE_TO_BLAME.test(reason)) return new Error(reason, { cause })
  return new UnreadableStoreError(reason, { cause })
}

/** A line of the engine: SQLSTATE, level, words. */
const SAID = /^(\w{5}) \w+: +(.*)/
const DAMAGE_STATES = new Set(['XX001', 'XX002'])
const DAMAGE_WORDS =
  /could not open file "(?:base|global|pg_xact|pg_multixact)\/.*No such file|could not access status of transaction/
/**
 * How the replay of a damaged log ends: like its orderly end (zeros), but with later changes already in
 * the tables, whose transactions would come back to life when their numbers are used again.
 */
const LOG_DAMAGE_WORDS =
  /incorrect resource manager data checksum|incorrect prev-link|invalid resource manager ID|invalid record length at .*got [1-9]|record length \d+ .*too long/

/** Files that are not as the engine left them; undefined where no line speaks of that. */
export function damageIn(said: readonly string[]): UnreadableStoreError | undefined {
  for (const line of said) {
    const [, state = '', words = ''] = SAID.exec(line) ?? []
    const isDamage =
      DAMAGE_STATES.has(state) || DAMAGE_WORDS.test(words) || LOG_DAMAGE_WORDS.test(words)
    if (isDamage) return new UnreadableStoreError(words)
  }
  return undefined
}

/** The engine throws what it exits with: a bare object with a status, no Error. */
function isSqlError(thrown: unknown): boolean {
  return (
    typeof thrown === 'object' &&
    thrown !== null &&
    'status' in thrown &&
    thrown.status === SQL_ERROR_EXIT
  )
}

/** Gathers the engine's small writes, which lie in its own memory, into pieces worth a message. */
class Pieces {
  readonly #emit: (piece: Uint8Array) => void
  #buffer = new Uint8Array(EMBEDDED_ANSWER_PIECE_BYTES)
  #used = 0

  constructor(emit: (piece: Uint8Array) => void) {
    this.#emit = emit
  }

  add(bytes: Uint8Array): void {
    if (this.#used + bytes.byteLength > this.#buffer.byteLength) this.end()
    if (bytes.byteLength > this.#buffer.byteLength) {
      this.#emit(bytes.slice())
    } else {
      this.#buffer.set(bytes, this.#used)
      this.#used += bytes.byteLength
    }
  }

  end(): void {
    if (this.#used > 0) this.#emit(this.#buffer.slice(0, this.#used))
    this.#used = 0
  }
}
