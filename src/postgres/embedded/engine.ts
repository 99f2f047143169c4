/**
 * PGlite, PostgreSQL compiled to WebAssembly, as the gateway's engine.
 *
 * Three things that it leaves to its user are done here. When its program ends inside a statement,
 * PGlite would call the dead program again for ever: the first exit that is no SQL error makes the
 * engine dead. No background process makes checkpoints, so the write-ahead log would grow without
 * end: `checkpointIfDue` does. And its usual way of answering keeps a parsed copy of every answer:
 * answers are streamed instead.
 */
import { PGlite } from '@electric-sql/pglite'
import { EMBEDDED_ANSWER_PIECE_BYTES, EMBEDDED_CHECKPOINT_WAL_BYTES } from '../../limits.ts'
import type { Engine } from './gateway.ts'
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

export const EMBEDDED_USER = 'postgres'
export const EMBEDDED_DATABASE = 'postgres'

/** Beyond PGlite's own: little memory, little log, and the time zone that users read. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams,
  ...[
    'shared_buffers=16MB',
    'wal_buffers=1MB',
    'min_wal_size=32MB',
    'TimeZone=Asia/Kolkata',
  ].flatMap((setting) => ['-c', setting]),
]

/** What PGlite calls, by name and at every statement, in the module that this class reaches into. */
const STATEMENT_STEPS = [
  '_PostgresMainLoopOnce',
  '_PostgresMainLongJmp',
  '_PostgresSendReadyForQueryIfNecessary',
  '_pgl_pq_flush',
] as const

type EngineModule = Record<(typeof STATEMENT_STEPS)[number], () => void> & {
  stackRestore: (stack: number) => void
}

export class PgliteEngine implements Engine {
  readonly greeting: Uint8Array
  readonly #pglite: PGlite
  #death: EngineDeadError | undefined
  #checkpointAtBytes = 0

  /**
   * Opens the cluster in `folder`, which must hold one. Rejects with `UnreadableStoreError` where the
   * cluster is to blame, and with anything else where the machine is (memory, disk, permissions).
   */
  static async open(folder: string): Promise<PgliteEngine> {
    const said: string[] = []
    const onStderr = (line: string) => said.push(line) < 0
    const pglite = new PGlite(folder, { startParams: START_PARAMETERS, onStderr })
    try {
      await pglite.waitReady
    } catch (cause) {
      throw startFailure(said, cause)
    }
    said.length = 0
    return new PgliteEngine(pglite)
  }

  constructor(pglite: PGlite) {
    this.#pglite = pglite
    this.#watchForDeath(pglite.Module)
    this.greeting = this.#collect(startupPacket(EMBEDDED_USER, EMBEDDED_DATABASE))
  }

  execute(messages: Uint8Array, onAnswer: (piece: Uint8Array) => void): void {
    const pieces = new Pieces(onAnswer)
    const run = this.#pglite.execProtocolRawStream(messages, {
      syncToFs: false,
      onRawData: (bytes) => pieces.add(bytes),
    })
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
