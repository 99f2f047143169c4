import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EMBEDDED_CHECKPOINT_WAL_BYTES } from '../../../src/limits.ts'
import {
  EngineDeadError,
  PgliteEngine,
  startFailure,
  UnreadableStoreError,
} from '../../../src/postgres/embedded/engine.ts'
import { concatBytes, firstValue, queryMessage } from '../../../src/postgres/embedded/wire.ts'
import { type Compiled, compiledEmbedded } from './compiled.ts'

const compiled = await compiledEmbedded()

function answerOf(engine: PgliteEngine, sql: string): string | undefined {
  const pieces: Uint8Array[] = []
  engine.execute(queryMessage(sql), (piece) => pieces.push(piece))
  return firstValue(concatBytes(pieces))
}

describe.skipIf(compiled === undefined)('the engine', () => {
  const { newFolder, seed } = (compiled ?? {}) as Compiled

  async function open(): Promise<PgliteEngine> {
    const folder = join(await newFolder(), 'cluster')
    await cp(seed, folder, { recursive: true })
    return PgliteEngine.open(folder)
  }

  it('is small, and shows times in India’s zone', async () => {
    const engine = await open()
    expect(answerOf(engine, 'SHOW shared_buffers')).toBe('16MB')
    expect(answerOf(engine, 'SHOW timezone')).toBe('Asia/Kolkata')
    await engine.close()
  })

  it('writes a checkpoint when its log has grown, so that the log does not grow for ever', async () => {
    const engine = await open()
    const redo = () => answerOf(engine, 'SELECT redo_lsn::text FROM pg_control_checkpoint()')
    const write = (bytes: number) =>
      answerOf(engine, `SELECT pg_logical_emit_message(false, 't', repeat('x', ${bytes}))`)
    engine.checkpointIfDue()
    const first = redo()
    write(EMBEDDED_CHECKPOINT_WAL_BYTES / 2)
    engine.checkpointIfDue()
    expect(redo()).toBe(first)
    write(EMBEDDED_CHECKPOINT_WAL_BYTES / 2)
    engine.checkpointIfDue()
    expect(redo()).not.toBe(first)
    await engine.close()
  })

  it('that ends inside a statement says so, then and ever after', async () => {
    const engine = await open()
    answerOf(engine, 'CREATE TABLE t (a int)')
    expect(() => answerOf(engine, 'COPY t FROM STDIN')).toThrow(EngineDeadError)
    expect(() => answerOf(engine, 'SELECT 1')).toThrow(EngineDeadError)
    await engine.close()
  })

  it('has one database, whose transaction ids can be vacuumed', async () => {
    const engine = await open()
    expect(answerOf(engine, "SELECT string_agg(datname, ',') FROM pg_database")).toBe('postgres')
    const age = 'SELECT age(datfrozenxid)::int FROM pg_database'
    const before = Number(answerOf(engine, age))
    answerOf(engine, 'VACUUM FREEZE')
    expect(Number(answerOf(engine, age))).toBeLessThan(before)
    await engine.close()
  })

  it('does not take a failed statement for its end', async () => {
    const engine = await open()
    answerOf(engine, 'SELECT 1/0')
    answerOf(engine, 'nonsense')
    expect(answerOf(engine, 'SELECT 42')).toBe('42')
    expect(engine.isInTransaction()).toBe(false)
    await engine.close()
  })
})

describe('an engine that does not start', () => {
  const cause = new Error('PGlite failed to initialize properly')
  const line = (text: string) => `2026-11-22 01:29:05.549 UTC [42] ${text}`

  it.each([
    'PANIC:  could not read file "global/pg_control": read 100 of 296',
    'FATAL:  incorrect checksum in control file',
    'PANIC:  could not locate a valid checkpoint record at 0/16EF9D0',
    'FATAL:  database files are incompatible with server',
  ])('blames the store: %s', (text) => {
    const failure = startFailure([line('LOG:  starting'), line(text), 'Aborted()'], cause)
    expect(failure).toBeInstanceOf(UnreadableStoreError)
    expect(failure).toMatchObject({ message: text.replace(/^\w+: +/, ''), cause })
  })

  it.each([
    'PANIC:  could not write to file "pg_wal/xlogtemp.42": No space left on device',
    'FATAL:  could not open file "global/pg_filenode.map": Permission denied',
    'FATAL:  invalid memory allocation request size 5120000 * 8192',
  ])('blames the machine: %s', (text) => {
    const failure = startFailure([line(text)], cause)
    expect(failure).not.toBeInstanceOf(UnreadableStoreError)
    expect(failure).toMatchObject({ cause })
  })

  it('says what was thrown where the engine said nothing', () => {
    expect(startFailure([line('LOG:  starting')], cause)).toBe(cause)
  })
})
