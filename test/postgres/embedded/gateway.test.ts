import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/kit/clock.ts'
import {
  EMBEDDED_CLIENT_WAITING_JOBS,
  EMBEDDED_IDLE_TRANSACTION_MS,
  EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS,
  EMBEDDED_OUTSIDE_HOLD_MS,
} from '../../../src/limits.ts'
import { type Engine, Gateway } from '../../../src/postgres/embedded/gateway.ts'
import {
  concatBytes,
  queryMessage,
  sqlOf,
  startupPacket,
  statementOf,
  syncMessage,
} from '../../../src/postgres/embedded/wire.ts'

/** Writes down what it is given, as `SELECT 1`, `parse c1_x`, `sync`; knows BEGIN from COMMIT. */
class FakeEngine implements Engine {
  readonly greeting = Buffer.from('hello')
  readonly ran: string[][] = []
  #inTransaction = false

  execute(messages: Uint8Array, onAnswer: (piece: Uint8Array) => void): void {
    const job = messagesOf(messages)
    this.ran.push(job)
    for (const sql of job) {
      if (sql === 'BEGIN') this.#inTransaction = true
      if (sql === 'COMMIT' || sql === 'ROLLBACK') this.#inTransaction = false
    }
    onAnswer(Buffer.from(`<${job.join(' | ')}>`))
  }

  isInTransaction(): boolean {
    return this.#inTransaction
  }
}

function messagesOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seen: string[] = []
  for (let at = 0; at < bytes.byteLength; ) {
    const length = 1 + view.getInt32(at + 1)
    const message = {
      type: String.fromCharCode(bytes[at] ?? 0),
      bytes: bytes.subarray(at, at + length),
    }
    const statement = statementOf(message)
    const plain = message.type === 'S' ? 'sync' : message.type
    seen.push(statement ? `${statement.act} ${statement.name}` : (sqlOf(message) ?? plain))
    at += length
  }
  return seen
}

class FakeClock implements Clock {
  #nowMs = 0
  readonly #timers = new Map<() => void, number>()

  nowMs(): number {
    return this.#nowMs
  }

  elapsedMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): () => void {
    this.#timers.set(task, this.#nowMs + delayMs)
    return () => this.#timers.delete(task)
  }

  every(): () => void {
    throw new Error('the gateway has nothing periodic')
  }

  /** The engine works, and no timer has its turn. */
  workFor(ms: number): void {
    this.#nowMs += ms
  }

  advance(ms: number): void {
    this.#nowMs += ms
    for (const [task, dueMs] of [...this.#timers]) {
      if (dueMs <= this.#nowMs && this.#timers.delete(task)) task()
    }
  }
}

function setUp() {
  const engine = new FakeEngine()
  const clock = new FakeClock()
  const gateway = new Gateway(engine, clock)
  const connect = (isOutside = false) => {
    const answers: string[] = []
    const sink = {
      send: (piece: Uint8Array) => void answers.push(Buffer.from(piece).toString('latin1')),
      isFull: () => false,
      end: () => void answers.push('END'),
    }
    const { receive, gone } = gateway.connect(sink, { isOutside })
    receive(startupPacket('postgres', 'postgres'))
    answers.length = 0
    const query = (sql: string) => receive(queryMessage(sql))
    return { answers, receive, gone, query }
  }
  return { engine, clock, gateway, connect }
}

const parse = (name: string, sql = 'SELECT 1') => {
  const body = Buffer.from(`${name}\0${sql}\0\0\0`)
  const head = Buffer.from([0x50, 0, 0, 0, 0])
  head.writeInt32BE(body.byteLength + 4, 1)
  return Buffer.concat([head, body])
}
const message = (type: string) => Buffer.from([type.charCodeAt(0), 0, 0, 0, 4])

describe('a client of the embedded store', () => {
  it('is greeted with what the engine says, after its wish for encryption is declined', () => {
    const { gateway } = setUp()
    const answers: string[] = []
    const sink = {
      send: (piece: Uint8Array) => void answers.push(Buffer.from(piece).toString()),
      isFull: () => false,
      end: () => undefined,
    }
    const client = gateway.connect(sink, { isOutside: true })
    const request = Buffer.alloc(8)
    request.writeInt32BE(8, 0)
    request.writeInt32BE(80_877_103, 4)
    client.receive(request)
    client.receive(startupPacket('somebody', 'postgres'))
    expect(answers).toEqual(['N', 'hello'])
  })

  it('has its messages run as one when Sync comes, not before', () => {
    const { engine, connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.receive(parse('x'))
    b.receive(parse('x'))
    expect(engine.ran).toEqual([])
    b.receive(syncMessage())
    a.receive(syncMessage())
    expect(engine.ran).toEqual([
      ['parse c2_x', 'sync'],
      ['parse c1_x', 'sync'],
    ])
    expect(a.answers).toEqual(['<parse c1_x | sync>'])
    expect(b.answers).toEqual(['<parse c2_x | sync>'])
  })

  it('has the engine alone while its transaction is open', () => {
    const { engine, connect } = setUp()
    const [a, b, c] = [connect(), connect(), connect()]
    a.query('BEGIN')
    b.query('SELECT b')
    c.query('SELECT c')
    a.query('SELECT a')
    expect(b.answers).toEqual([])
    a.query('COMMIT')
    expect(engine.ran.flat()).toEqual(['BEGIN', 'SELECT a', 'COMMIT', 'SELECT b', 'SELECT c'])
  })

  it('has the engine alone between Flush and Sync', () => {
    const { engine, connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.receive(concatBytes([parse(''), message('H')]))
    b.query('SELECT b')
    a.receive(concatBytes([message('E'), syncMessage()]))
    expect(engine.ran).toEqual([['SELECT 1', 'H'], ['E', 'sync'], ['SELECT b']])
  })

  it('that sends ahead keeps its order, and its transaction whole', () => {
    const { engine, connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.query('BEGIN')
    b.receive(
      concatBytes([queryMessage('BEGIN'), queryMessage('SELECT b'), queryMessage('COMMIT')]),
    )
    a.query('COMMIT')
    expect(engine.ran.flat()).toEqual(['BEGIN', 'COMMIT', 'BEGIN', 'SELECT b', 'COMMIT'])
  })

  it('that goes away in a transaction has it rolled back, and its statements dropped', () => {
    const { engine, connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.receive(concatBytes([parse('x'), syncMessage()]))
    a.query('BEGIN')
    b.query('SELECT b')
    engine.ran.length = 0
    a.gone()
    expect(engine.ran).toEqual([['sync'], ['ROLLBACK'], ['SELECT b'], ['close c1_x', 'sync']])
  })

  it('that goes away while another has a transaction does not disturb it', () => {
    const { engine, connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.receive(concatBytes([parse('x'), syncMessage()]))
    b.query('BEGIN')
    a.query('SELECT a')
    engine.ran.length = 0
    a.gone()
    b.query('COMMIT')
    expect(engine.ran).toEqual([['COMMIT'], ['close c1_x', 'sync']])
  })

  it('is ended when its transaction is idle for too long, our own later than others', () => {
    for (const isOutside of [false, true]) {
      const { engine, clock, connect } = setUp()
      const [a, b] = [connect(isOutside), connect()]
      const limitMs = isOutside
        ? EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS
        : EMBEDDED_IDLE_TRANSACTION_MS
      a.query('BEGIN')
      b.query('SELECT b')
      clock.advance(limitMs - 1)
      a.query('SELECT a')
      clock.advance(limitMs - 1)
      expect(b.answers).toEqual([])
      clock.advance(1)
      expect(a.answers.at(-2)).toMatch(/C25P03.*idle for too long/s)
      expect(a.answers.at(-1)).toBe('END')
      expect(b.answers).toEqual(['<SELECT b>'])
      expect(engine.ran.flat()).toContain('ROLLBACK')
    }
  })

  it('from outside is ended when its transaction is open for too long, also when it asks before any timer', () => {
    const { engine, clock, connect } = setUp()
    const [a, b] = [connect(true), connect()]
    a.query('BEGIN')
    b.query('SELECT b')
    clock.workFor(EMBEDDED_OUTSIDE_HOLD_MS)
    a.query('SELECT a')
    expect(engine.ran.flat()).not.toContain('SELECT a')
    expect(a.answers.at(-2)).toMatch(/C25P03.*open for too long/s)
    expect(a.answers.at(-1)).toBe('END')
    expect(b.answers).toEqual(['<SELECT b>'])
    clock.advance(EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS)
    expect(b.answers).toEqual(['<SELECT b>'])
  })

  it('from outside leaves no settings behind', () => {
    const { engine, connect } = setUp()
    const a = connect(true)
    a.query('SET timezone = UTC')
    expect(engine.ran.flat()).toEqual([
      'SET SESSION AUTHORIZATION outside',
      'SET timezone = UTC',
      'SET SESSION AUTHORIZATION postgres; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; SELECT pg_advisory_unlock_all()',
    ])
    expect(a.answers).toEqual(['<SET timezone = UTC>'])
  })

  it('is told by the engine what is refused, and nothing of that job runs', () => {
    const { engine, connect } = setUp()
    const a = connect()
    a.query('INSERT INTO t VALUES (1); COPY t FROM STDIN')
    a.receive(concatBytes([parse('', 'COPY t FROM STDIN'), message('E'), syncMessage()]))
    a.query('SELECT 1')
    expect(engine.ran.map(([first]) => first?.slice(0, 18))).toEqual([
      'DO $$BEGIN RAISE E',
      'DO $$BEGIN RAISE E',
      'SELECT 1',
    ])
  })

  it('is dismissed for breaking the protocol, without harm to others', () => {
    const { connect } = setUp()
    const [a, b] = [connect(), connect()]
    a.receive(Buffer.from([0x51, 0, 0, 0, 1]))
    b.query('SELECT b')
    expect(a.answers.at(0)).toMatch(/C08P01/)
    expect(a.answers.at(-1)).toBe('END')
    expect(b.answers).toEqual(['<SELECT b>'])
  })

  it('is dismissed for sending too far ahead', () => {
    const { connect, gateway } = setUp()
    const [a, b] = [connect(), connect()]
    a.query('BEGIN')
    expect(gateway.jobsHighWater).toBe(1)
    for (let i = 0; i <= EMBEDDED_CLIENT_WAITING_JOBS; i++) b.query('SELECT b')
    expect(b.answers.join()).toMatch(/C53400.*END/s)
    expect(gateway.jobsHighWater).toBe(EMBEDDED_CLIENT_WAITING_JOBS)
    a.query('COMMIT')
    expect(b.answers.join()).not.toContain('SELECT b')
  })
})
