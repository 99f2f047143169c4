/** The stream over real sockets; its rules are tested in `stream-hub.test.ts`. */
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { applyDelta } from '../../../src/contract/api/chain-delta.ts'
import type { ServerMessage } from '../../../src/contract/api/stream.ts'
import type {
  StreamChain,
  StrikeDistribution,
} from '../../../src/contract/api/strike-distribution.ts'
import { STREAM_MESSAGE_MAX_BYTES } from '../../../src/limits.ts'
import { until } from '../../until.ts'
import { OPEN_MS } from '../scenario.ts'
import { LiveMarket, servers } from './live-market.ts'

const start = servers()

interface Listener {
  readonly socket: WebSocket
  readonly heard: ServerMessage[]
  closedWith: number | undefined
}

async function listen(url: string, headers: Record<string, string> = {}): Promise<Listener> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/stream`, { headers })
  const listener: Listener = { socket, heard: [], closedWith: undefined }
  socket.on('message', (data) => listener.heard.push(JSON.parse(String(data))))
  socket.on('close', (code) => {
    listener.closedWith = code
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return listener
}

/** The chain without what only REST says. */
function withoutAges({ age_ms: _, ...chain }: StrikeDistribution): StreamChain {
  const strip = (leg: StrikeDistribution['strikes'][number]['call']) => {
    if (leg === null) return null
    const { age_ms: __, ...rest } = leg
    return rest
  }
  return {
    ...chain,
    strikes: chain.strikes.map((s) => ({ ...s, call: strip(s.call), put: strip(s.put) })),
  }
}

function chainOf(heard: readonly ServerMessage[]): StreamChain | undefined {
  let chain: StreamChain | undefined
  for (const message of heard) {
    if (message.op === 'snapshot') chain = message.chain
    else if (message.op === 'delta' && chain !== undefined) chain = applyDelta(chain, message)
  }
  return chain
}

describe('GET /stream', () => {
  it('brings the chain that REST answers, snapshot and deltas', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS)
    const { socket, heard } = await listen(api.url)
    socket.send(JSON.stringify({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' }))
    await until(() => heard.length === 1)
    for (let step = 1; step <= 3; step++) {
      market.tickAll(OPEN_MS + step * 1_000, 24_500 + 3 * step)
      await until(() => heard.length > step)
    }
    const { body } = await api.get('/fo/strike-distribution?symbol=NIFTY')
    expect(body.spot).toBe(24_509)
    expect(chainOf(heard)).toEqual(withoutAges(body))
    expect(heard.filter(({ op }) => op === 'delta')).toHaveLength(3)
    expect((await api.get('/status')).body.stream_clients).toBe(1)
    socket.close()
    await until(async () => (await api.get('/status')).body.stream_clients === 0)
  })

  it('keeps a socket that says nonsense, and closes one that says too much', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const listener = await listen(api.url)
    listener.socket.send('nonsense')
    await until(() => listener.heard.length === 1)
    expect(listener.heard[0]).toMatchObject({ op: 'error', id: null })
    listener.socket.send('x'.repeat(STREAM_MESSAGE_MAX_BYTES + 1))
    await until(() => listener.closedWith !== undefined)
    expect(listener.closedWith).toBe(1009)
    expect((await api.get('/health')).status).toBe(200)
  })

  it('is not opened for a page of another origin, unless it is allowed', async () => {
    const api = await start(new LiveMarket(), OPEN_MS, { corsOrigins: ['https://desk.example'] })
    await expect(listen(api.url, { origin: 'https://evil.example' })).rejects.toThrow('403')
    for (const origin of [api.url, 'https://desk.example']) {
      const { socket } = await listen(api.url, { origin })
      expect(socket.readyState).toBe(WebSocket.OPEN)
      socket.close()
    }
  })

  it('passes the guard like any request', async () => {
    const { ApiError } = await import('../../../src/backend/api/api-error.ts')
    const api = await start(new LiveMarket(), OPEN_MS, {
      authenticate: async () => {
        throw new ApiError(401, 'unauthorized', 'No key.')
      },
    })
    await expect(listen(api.url)).rejects.toThrow('401')
  })

  it.each(['/nothing', '/fo/expiries', '/%zz'])(
    'at %s is no stream, and leaves no socket behind',
    async (path) => {
      const api = await start(new LiveMarket(), OPEN_MS)
      const closed = await new Promise<string>((resolve, reject) => {
        let text = ''
        const socket = connect(api.port, '127.0.0.1', () => {
          socket.write(
            `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
              'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
          )
        })
        socket.on('data', (data) => {
          text += data.toString()
        })
        socket.on('close', () => resolve(text))
        socket.on('error', reject)
      })
      expect(closed).toMatch(/^HTTP\/1\.1 (?:400|404|101) /)
    },
  )

  it('tells its clients when the server stops', async () => {
    const api = await start(new LiveMarket(), OPEN_MS)
    const listener = await listen(api.url)
    await api.stop()
    await until(() => listener.closedWith !== undefined)
    expect(listener.heard.at(-1)).toMatchObject({ op: 'dropped', reason: 'shutting_down' })
    expect(listener.closedWith).toBe(1001)
  })

  it('drops no one who reads while another does not', async () => {
    const market = new LiveMarket()
    market.tickAll(OPEN_MS, 24_500)
    const api = await start(market, OPEN_MS)
    const deaf = await listen(api.url)
    const hearing = await listen(api.url)
    for (const { socket } of [deaf, hearing]) {
      socket.send(JSON.stringify({ op: 'subscribe', channel: 'chain', symbol: 'NIFTY' }))
    }
    await until(() => deaf.heard.length === 1 && hearing.heard.length === 1)
    deaf.socket.pause()
    for (let step = 1; step <= 5; step++) {
      market.tickAll(OPEN_MS + step * 1_000, 24_500 + step)
      await until(() => hearing.heard.length > step)
    }
    expect(chainOf(hearing.heard)?.spot).toBe(24_505)
    deaf.socket.resume()
    await until(() => chainOf(deaf.heard)?.spot === 24_505)
  })
})
