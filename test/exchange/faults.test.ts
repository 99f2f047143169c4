import { describe, expect, it } from 'vitest'
import { until } from '../until.ts'
import { json, startTestExchange } from './exchange-under-test.ts'
import { connect, connected, type RawClient } from './raw-client.ts'

const NIFTY = 256265
const BANK = 260105

describe('a fault on demand', () => {
  it('disconnect: closes at once and refuses while it lasts; other accounts go on', async () => {
    const { exchange, client } = await streaming()
    const [, other] = exchange.accounts
    if (other === undefined) throw new Error('one account only')
    const bystander = await connected(exchange.url, other)
    const answer = await inject(exchange, {
      fault: 'disconnect',
      account: 'sim1',
      duration_ms: 5_000,
    })
    expect(answer).toMatchObject({ fault: 'disconnect', account: 'sim1', connections: [1] })
    await until(() => client.closeCode === 1001)
    expect(await connect(exchange.url, exchange.account)).toBe(503)
    expect(bystander.isOpen).toBe(true)
    exchange.clock.advance(5_000)
    expect(typeof (await connect(exchange.url, exchange.account))).not.toBe('number')
  })

  it('mute: heartbeats go on, packets do not, until it ends', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'mute', duration_ms: 5_000 })
    const before = client.ticks.length
    exchange.clock.advance(4_900)
    await client.settle()
    expect(client.ticks.length).toBe(before)
    expect(client.heartbeats).toBeGreaterThanOrEqual(2)
    exchange.clock.advance(3_000)
    await client.settle()
    expect(client.ticks.length).toBeGreaterThan(before + 2)
  })

  it('mute: a client that connects anew is healed', async () => {
    const { exchange } = await streaming()
    await inject(exchange, { fault: 'mute', duration_ms: 60_000 })
    const second = await connected(exchange.url, exchange.account)
    second.subscribe([NIFTY])
    await until(() => second.ticks.length === 1)
  })

  it('mute with tokens: the others go on, it is subscribed anew to be healed, the ledger has the rest', async () => {
    const { exchange, client } = await streaming()
    client.subscribe([BANK])
    await until(() => client.ticks.some(({ token }) => token === BANK))
    await inject(exchange, { fault: 'mute', tokens: [BANK], duration_ms: 60_000 })
    const of = (wanted: number) => client.ticks.filter(({ token }) => token === wanted).length
    const before = { nifty: of(NIFTY), bank: of(BANK) }
    exchange.clock.advance(5_000)
    await client.settle()
    expect(of(BANK)).toBe(before.bank)
    expect(of(NIFTY)).toBeGreaterThan(before.nifty + 2)
    const { connections } = await json(exchange.control('/ledger?connection=1'))
    const { withheld } = connections[0]
    expect(withheld.packets).toBeGreaterThanOrEqual(4)
    expect(withheld.last_ms - withheld.first_ms).toBeGreaterThanOrEqual(3_000)
    client.say({ a: 'unsubscribe', v: [BANK] })
    client.subscribe([BANK])
    await until(() => of(BANK) > before.bank)
    exchange.clock.advance(3_000)
    await client.settle()
    expect(of(BANK)).toBeGreaterThan(before.bank + 2)
  })

  it('half_open: nothing is sent, read or answered, and the socket stays', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'half_open', duration_ms: 10_000 })
    const before = { ticks: client.ticks.length, heartbeats: client.heartbeats }
    client.subscribe([BANK], 'full')
    exchange.clock.advance(9_000)
    const other = await connected(exchange.url, exchange.account)
    await other.settle()
    expect({ ticks: client.ticks.length, heartbeats: client.heartbeats }).toEqual(before)
    expect(client.isOpen).toBe(true)
    exchange.clock.advance(3_000)
    await until(() => client.ticks.some(({ token }) => token === BANK))
  })

  it('slow: every frame comes late, none is lost', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'slow', duration_ms: 4_000, delay_ms: 2_000 })
    const before = client.ticks.length
    exchange.clock.advance(1_900)
    await client.settle()
    expect(client.ticks.length).toBe(before)
    exchange.clock.advance(8_000)
    await client.settle()
    const seconds = client.ticks.slice(before).map(({ exchangeTimeS }) => exchangeTimeS ?? 0)
    for (let i = 1; i < seconds.length; i++) expect(seconds[i]).toBe((seconds[i - 1] ?? 0) + 1)
    expect(seconds.length).toBeGreaterThanOrEqual(9)
  })

  it('malformed: one packet has a length that no kind has, the next are whole', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'malformed' })
    exchange.clock.advance(3_000)
    await client.settle()
    expect(client.faults.map(({ code }) => code)).toEqual(['bad_length'])
    await expectBooksToBalance(exchange, client)
    expect((await books(exchange)).malformed).toBe(1)
  })

  it('truncated: one frame ends within a packet', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'truncated' })
    exchange.clock.advance(3_000)
    await client.settle()
    expect(client.faults.map(({ code }) => code)).toEqual(['truncated'])
    await expectBooksToBalance(exchange, client)
    expect((await books(exchange)).truncated).toBe(1)
  })

  it('malformed with a duration: every frame', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'malformed', duration_ms: 3_000 })
    const before = client.frames.length
    exchange.clock.advance(2_900)
    await client.settle()
    expect(client.faults.length).toBe(client.frames.length - before)
    await expectBooksToBalance(exchange, client)
  })

  it('duplicate: a frame comes twice', async () => {
    const { exchange, client } = await streaming()
    await inject(exchange, { fault: 'duplicate' })
    const before = client.frames.length
    exchange.clock.advance(3_000)
    await client.settle()
    const [first, second, third] = client.frames.slice(before)
    expect(second?.equals(first ?? Buffer.alloc(0))).toBe(true)
    expect(third?.equals(first ?? Buffer.alloc(0))).toBe(false)
    await expectBooksToBalance(exchange, client)
  })

  it('out_of_order: two frames change places', async () => {
    const { exchange, client } = await streaming()
    const before = client.ticks.length
    await inject(exchange, { fault: 'out_of_order' })
    exchange.clock.advance(4_000)
    await client.settle()
    const seconds = client.ticks.slice(before).map(({ exchangeTimeS }) => exchangeTimeS ?? 0)
    const sorted = [...seconds].sort((a, b) => a - b)
    expect(seconds).not.toEqual(sorted)
    expect(seconds.slice(2)).toEqual(sorted.slice(2))
    await expectBooksToBalance(exchange, client)
  })

  it('token_expired: sockets are closed, 403 everywhere, a new login works, the old one later', async () => {
    const { exchange, client } = await streaming()
    const { account, url } = exchange
    await inject(exchange, { fault: 'token_expired', account: account.apiKey, duration_ms: 60_000 })
    await until(() => client.closeCode === 1001)
    expect(await connect(url, account)).toBe(403)
    const refused = await exchange.get('/user/profile')
    expect(refused.status).toBe(403)
    expect((await json(refused)).error_type).toBe('TokenException')
    const [shown] = await json(exchange.control('/accounts'))
    expect(shown.access_token).toBeNull()
    exchange.clock.advance(60_000)
    expect((await exchange.get('/user/profile')).status).toBe(200)
  })

  it('http_429 and http_500: every request of the account, the connection too', async () => {
    const { exchange, client } = await streaming()
    const { account, url } = exchange
    await inject(exchange, { fault: 'http_429', account: 'sim1', duration_ms: 1_000 })
    const limited = await exchange.get('/user/profile')
    expect(limited.status).toBe(429)
    expect(limited.headers.get('retry-after')).toBe('1')
    expect(await json(limited)).toMatchObject({
      message: 'Too many requests',
      error_type: 'NetworkException',
    })
    expect(await connect(url, account)).toBe(429)
    expect((await exchange.get('/user/profile', exchange.accounts[1])).status).toBe(200)
    exchange.clock.advance(1_000)
    await inject(exchange, { fault: 'http_500' })
    const broken = await exchange.get('/user/profile')
    expect(broken.status).toBe(500)
    expect((await json(broken)).status).toBe('error')
    expect(await connect(url, account)).toBe(500)
    expect(client.isOpen).toBe(true)
    await exchange.control('/faults', undefined, 'DELETE')
    expect((await exchange.get('/user/profile')).status).toBe(200)
  })
})

describe('a client that does not read', () => {
  it('gets the newest state when it reads again, and the others do not wait', async () => {
    const exchange = await startTestExchange({ ticksPerSecond: 200_000 })
    const { url, account, clock } = exchange
    const slow = await connected(url, account)
    const quick = await connected(url, account)
    for (const client of [slow, quick]) {
      client.subscribe([NIFTY, BANK], 'full')
      await until(() => client.ticks.length === 4)
    }
    slow.pause()
    while ((await books(exchange)).conflated === 0) clock.advance(100)
    const before = quick.ticks.length
    clock.advance(100)
    await until(() => quick.ticks.length > before)
    slow.resume()
    await slow.settle()
    clock.advance(100)
    await slow.settle()
    const last = slow.ticks.at(-1)?.exchangeTimeS ?? 0
    expect(last).toBeGreaterThanOrEqual(Math.floor(exchange.marketTimeMs() / 1_000) - 1)
    await expectBooksToBalance(exchange, slow)
  })

  it('is closed when it goes on for too long', async () => {
    const exchange = await startTestExchange({ ticksPerSecond: 200_000 })
    const { url, account, clock } = exchange
    const slow = await connected(url, account)
    slow.subscribe([NIFTY, BANK], 'full')
    await until(() => slow.ticks.length === 4)
    slow.pause()
    for (let i = 0; i < 400 && (await status(exchange)).connections.length > 0; i++) {
      clock.advance(100)
    }
    expect((await status(exchange)).connections).toEqual([])
    slow.resume()
    await until(() => slow.closeCode !== undefined)
  })
})

type Exchange = Awaited<ReturnType<typeof startTestExchange>>

/** One index, whose packets come once a second, frame by frame. */
async function streaming() {
  const exchange = await startTestExchange()
  const client = await connected(exchange.url, exchange.account)
  client.subscribe([NIFTY], 'full')
  await until(() => client.ticks.length === 2)
  exchange.clock.advance(1_000)
  await client.settle()
  return { exchange, client }
}

async function inject(exchange: Exchange, fault: Record<string, unknown>) {
  const answer = await exchange.control('/faults', fault)
  expect(answer.status).toBe(201)
  return json(answer)
}

async function books(exchange: Exchange) {
  const { connections } = await json(exchange.control('/ledger?connection=1'))
  return connections[0]
}

async function status(exchange: Exchange) {
  return json(exchange.control('/status'))
}

/** What the exchange sent is what came, packet by packet. */
async function expectBooksToBalance(exchange: Exchange, client: RawClient): Promise<void> {
  const { packets, malformed, truncated, by_token } = await books(exchange)
  expect(packets).toBe(client.packets)
  expect(malformed + truncated).toBe(client.faults.length)
  for (const [token, count] of Object.entries(by_token)) {
    expect(client.ticks.filter((tick) => tick.token === Number(token)).length).toBe(count)
  }
}
