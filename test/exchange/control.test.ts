import { get } from 'node:http'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ExchangePortInUse } from '../../src/exchange/http-server.ts'
import { until } from '../until.ts'
import { NOON_MS } from './driven-clock.ts'
import { afterTest, json, startTestExchange } from './exchange-under-test.ts'
import { connected } from './raw-client.ts'

const NIFTY = 256265
const BANK = 260105

describe('the controls', () => {
  it.each([
    ['127.0.0.1', 200],
    ['localhost', 200],
    ['[::1]', 200],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
  ])('called as %s answer %i, wherever the exchange listens', async (name, status) => {
    const exchange = await startTestExchange({ host: '0.0.0.0' })
    const { port } = exchange
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve) => {
      const headers = { host: `${name}:${port}` }
      get({ host: '127.0.0.1', port, path: '/control/status', headers }, async (response) => {
        resolve({ status: response.statusCode, text: (await response.toArray()).join('') })
      })
    })
    expect(answer.status).toBe(status)
    if (status === 200) return
    expect(JSON.parse(answer.text)).toMatchObject({
      error: { code: 'forbidden', details: { field: 'host', value: `${name}:${port}` } },
    })
  })

  it('show three accounts that follow from the seed', async () => {
    const [one, again, other] = await Promise.all(
      [42, 42, 43].map(async (seed) => {
        const exchange = await startTestExchange({ seed })
        return json(exchange.control('/accounts'))
      }),
    )
    expect(one).toHaveLength(3)
    expect(one[0]).toEqual({
      name: 'sim1',
      api_key: expect.stringMatching(/^[0-9a-f]{16}$/),
      api_secret: expect.stringMatching(/^[0-9a-f]{32}$/),
      access_token: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(again).toEqual(one)
    expect(other[0].api_key).not.toBe(one[0].api_key)
  })

  it('tell the time, the listing and what is streamed', async () => {
    const exchange = await startTestExchange()
    const client = await connected(exchange.url, exchange.account)
    client.subscribe([NIFTY])
    await until(() => client.ticks.length === 1)
    const status = await json(exchange.control('/status'))
    expect(status).toMatchObject({
      feed: 'simulated',
      seed: 42,
      speed: 1,
      market_time_ms: NOON_MS,
      market_time: '2026-11-23T12:00:00+05:30',
      date: '2026-11-23',
      ticks_per_second: null,
      instruments_streamed: 1,
      connections: [{ connection: 1, account: 'sim1', instruments: 1, packets: 1, faults: [] }],
      faults: [],
    })
    expect(status.contracts).toBeGreaterThan(5_000)
    expect(await json(exchange.control('/clock'))).toMatchObject({
      market_time_ms: NOON_MS,
    })
  })

  it('show what each open connection has subscribed, with its mode', async () => {
    const exchange = await startTestExchange()
    const first = await connected(exchange.url, exchange.account)
    const second = await connected(exchange.url, exchange.account)
    first.subscribe([NIFTY, BANK])
    first.say({ a: 'mode', v: ['full', [BANK]] })
    second.subscribe([BANK], 'ltp')
    await Promise.all([first.settle(), second.settle()])
    expect(await json(exchange.control('/subscriptions'))).toEqual({
      connections: [
        { connection: 1, account: 'sim1', subscriptions: { [NIFTY]: 'quote', [BANK]: 'full' } },
        { connection: 2, account: 'sim1', subscriptions: { [BANK]: 'ltp' } },
      ],
    })
    first.say({ a: 'unsubscribe', v: [NIFTY] })
    second.close()
    await first.settle()
    await until(() => second.closeCode !== undefined)
    expect(await json(exchange.control('/subscriptions'))).toEqual({
      connections: [{ connection: 1, account: 'sim1', subscriptions: { [BANK]: 'full' } }],
    })
  })

  it('keep every packet in order per connection, counted by token', async () => {
    const exchange = await startTestExchange()
    const first = await connected(exchange.url, exchange.account, '&uid=abc')
    const second = await connected(exchange.url, exchange.account)
    first.subscribe([NIFTY, BANK], 'full')
    second.subscribe([BANK], 'full')
    await until(() => first.ticks.length === 4 && second.ticks.length === 2)
    exchange.clock.advance(10_000)
    for (const client of [first, second]) await client.settle()
    const answer = await exchange.control('/ledger?connection=1&from_ordinal=1')
    const { connections, packets } = await json(answer)
    expect(connections).toHaveLength(1)
    expect(connections[0]).toMatchObject({
      connection: 1,
      account: 'sim1',
      uid: 'abc',
      closed_ms: null,
      packets: first.ticks.length,
      by_token: {
        [NIFTY]: first.ticks.filter(({ token }) => token === NIFTY).length,
        [BANK]: first.ticks.filter(({ token }) => token === BANK).length,
      },
    })
    expect(packets.map(({ token }: { token: number }) => token)).toEqual(
      first.ticks.map(({ token }) => token),
    )
    expect(packets.map(({ ordinal }: { ordinal: number }) => ordinal)).toEqual(
      first.ticks.map((_, i) => i + 1),
    )
    const tail = await json(exchange.control('/ledger?connection=1&from_ordinal=5&limit=2'))
    expect(tail.packets.map(({ ordinal }: { ordinal: number }) => ordinal)).toEqual([5, 6])
    second.close()
    await until(async () => {
      const all = await json(exchange.control('/ledger'))
      return all.connections[1].closed_ms !== null
    })
    const books = await json(exchange.control('/ledger?account=sim1'))
    expect(books.connections[1].packets).toBe(second.ticks.length)
    expect(books.connections[1].close_code).toBe(1005)
  })

  it('refuse what they do not understand, in the shape of all our APIs', async () => {
    const exchange = await startTestExchange()
    const cases: [string, unknown, number][] = [
      ['/faults', { fault: 'earthquake' }, 400],
      ['/faults', { account: 'sim1' }, 400],
      ['/faults', { fault: 'mute', duration_ms: -1 }, 400],
      ['/faults', { fault: 'mute', duration_ms: '5' }, 400],
      ['/faults', { fault: 'mute', durationMs: 5 }, 400],
      ['/faults', { fault: 'mute', account: 'nobody' }, 404],
      ['/faults', { fault: 'mute', connection: 99 }, 404],
      ['/faults', { fault: 'mute', tokens: [] }, 400],
      ['/faults', { fault: 'slow', tokens: [1] }, 400],
      ['/faults', [], 400],
      ['/rate', { ticks_per_second: 'fast' }, 400],
      ['/rate', { ticks_per_second: 1e9 }, 400],
      ['/rate', {}, 400],
      ['/nothing', {}, 404],
    ]
    for (const [path, body, status] of cases) {
      const answer = await exchange.control(path, body)
      expect(answer.status).toBe(status)
      expect(await json(answer)).toEqual({
        error: {
          code: expect.any(String),
          message: expect.any(String),
          details:
            status === 400 ? expect.anything() : expect.toSatisfy((value) => value !== undefined),
        },
      })
    }
    for (const path of ['/ledger?connection=x', '/ledger?from_ordinal=1', '/ledger?bad=1']) {
      expect((await exchange.control(path)).status).toBe(400)
    }
    expect((await exchange.control('/ledger?connection=7')).status).toBe(404)
    const notJson = await fetch(`${exchange.url}/control/rate`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    })
    expect(notJson.status).toBe(400)
    expect((await json(notJson)).error.code).toBe('bad_request')
  })
})

describe('starting the exchange', () => {
  it('names the setting when the port is taken', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    afterTest(() => server.close())
    const starting = startTestExchange({ port })
    await expect(starting).rejects.toThrow(ExchangePortInUse)
    await expect(starting).rejects.toThrow(/EXCHANGE_PORT/)
  })

  it('refuses a speed that it cannot keep', async () => {
    await expect(startTestExchange({ speed: 0 })).rejects.toThrow(/EXCHANGE_SPEED/)
    await expect(startTestExchange({ speed: 601 })).rejects.toThrow(/EXCHANGE_SPEED/)
  })

  it('ends with 1001 for those who are connected, and stops twice', async () => {
    const exchange = await startTestExchange()
    const client = await connected(exchange.url, exchange.account)
    await exchange.stop()
    await exchange.stop()
    await until(() => client.closeCode === 1001)
  })
})
