import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { classify } from '../../src/postgres/classify-error.ts'
import { describeStores } from './stores.ts'

const withCode = (code: string) => Object.assign(new Error('refused'), { code })

describe('a failure', () => {
  it.each([
    ['22003', 'data', false],
    ['23514', 'data', false],
    ['08006', 'connection', true],
    ['57P01', 'connection', true],
    ['57P03', 'connection', true],
    ['25006', 'connection', true],
    ['ECONNREFUSED', 'connection', true],
    ['EPIPE', 'connection', true],
    ['40001', 'other', true],
    ['57014', 'other', true],
    ['53100', 'other', true],
    ['42P01', 'other', false],
    ['28P01', 'other', false],
    ['ERR_ASSERTION', 'other', false],
  ] as const)('with code %s is of kind %s, retryable: %s', (code, kind, retryable) => {
    expect(classify(withCode(code))).toEqual({ kind, retryable, code, message: 'refused' })
  })

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated',
    'Client has encountered a connection error and is not queryable',
    'timeout expired',
  ])('of the driver without a code is a lost connection: %s', (message) => {
    expect(classify(new Error(message))).toMatchObject({ kind: 'connection', code: undefined })
  })

  it('of several addresses is that of the first', () => {
    const several = new AggregateError([withCode('ECONNREFUSED'), withCode('ENETUNREACH')])
    expect(classify(several)).toMatchObject({ kind: 'connection', code: 'ECONNREFUSED' })
  })

  it('that is no error at all is other', () => {
    expect(classify('nonsense')).toMatchObject({ kind: 'other', retryable: false })
  })
})

describe('a server that is not there', () => {
  it('is a failed connection', async () => {
    const client = new pg.Client({ host: '127.0.0.1', port: 1, user: 'nobody' })
    client.on('error', () => undefined)
    const failure = await client.connect().then(() => undefined, classify)
    expect(failure).toMatchObject({ kind: 'connection', retryable: true, code: 'ECONNREFUSED' })
  })
})

await describeStores('a refused statement', (store) => {
  const failureOf = (sql: string) =>
    store()
      .pool.query(sql)
      .then(() => undefined, classify)

  it('says whether its values are to blame', async () => {
    expect(await failureOf('SELECT 1/0')).toMatchObject({ kind: 'data', code: '22012' })
    expect(await failureOf("SELECT 'x'::int")).toMatchObject({ kind: 'data', code: '22P02' })
    expect(await failureOf('SELECT * FROM nowhere')).toMatchObject({ kind: 'other', code: '42P01' })
  })
})
