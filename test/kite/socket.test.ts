import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { KiteError } from '../../src/kite/kite-error.ts'
import {
  type KiteSocket,
  type KiteSocketClosed,
  type KiteSocketHandlers,
  openKiteSocket,
} from '../../src/kite/socket.ts'
import {
  KITE_MAX_FRAME_BYTES,
  KITE_SOCKET_CLOSE_TIMEOUT_MS,
  KITE_SOCKET_OPEN_TIMEOUT_MS,
  KITE_TOKENS_PER_MESSAGE,
} from '../../src/limits.ts'
import { ManualClock } from './manual-clock.ts'

const TOKEN = 'aB+/secret=token'

describe('opening', () => {
  it('sends api_key and access_token in the URL, the version in a header, and no compression', async () => {
    const broker = await startBroker()
    await openTo(broker)
    const request = broker.requests[0]
    const url = new URL(request?.url ?? '', 'ws://localhost')
    expect(url.pathname).toBe('/')
    expect(url.searchParams.get('api_key')).toBe('key')
    expect(url.searchParams.get('access_token')).toBe(TOKEN)
    expect(request?.headers['x-kite-version']).toBe('3')
    expect(request?.headers['sec-websocket-extensions']).toBeUndefined()
  })

  it.each([
    [403, {}, { code: 'forbidden', retryable: false, retryAfterMs: undefined }],
    [429, {}, { code: 'too_many_connections', retryable: true, retryAfterMs: undefined }],
    [429, { 'retry-after': '7' }, { code: 'too_many_connections', retryAfterMs: 7_000 }],
    [503, { 'retry-after': '2' }, { code: 'server_error', retryable: true, retryAfterMs: 2_000 }],
    [400, {}, { code: 'bad_request', retryable: false }],
    [302, { location: 'http://127.0.0.1:1/' }, { code: 'bad_answer' }],
    [200, {}, { code: 'bad_answer' }],
  ])('refused with %i %j fails typed', async (status, headers, expected) => {
    const broker = await startBroker((_, response) => response.writeHead(status, headers).end('no'))
    const error = await failureOf(open(broker.root))
    expect(error).toMatchObject({ ...expected, httpStatus: status })
  })

  it('to a port where nobody listens is a network failure', async () => {
    const broker = await startBroker()
    await broker.stop()
    expect(await failureOf(open(broker.root))).toMatchObject({ code: 'network', retryable: true })
  })

  it('gives up a broker that does not answer, by the clock', async () => {
    const broker = await startBroker(() => undefined)
    const clock = new ManualClock()
    const failure = failureOf(open(broker.root, { clock }))
    await vi.waitFor(() => expect(broker.requests).toHaveLength(1), { timeout: 60_000 })
    clock.advance(KITE_SOCKET_OPEN_TIMEOUT_MS)
    expect(await failure).toMatchObject({ code: 'timeout', retryable: true })
  })

  it('ends with the signal of the caller, before and while it goes on', async () => {
    const broker = await startBroker(() => undefined)
    const aborted = failureOf(open(broker.root, { signal: AbortSignal.abort() }))
    expect(await aborted).toMatchObject({ code: 'aborted', retryable: false })
    const controller = new AbortController()
    const failure = failureOf(open(broker.root, { signal: controller.signal }))
    await vi.waitFor(() => expect(broker.requests).toHaveLength(1), { timeout: 60_000 })
    controller.abort()
    expect(await failure).toMatchObject({ code: 'aborted' })
  })

  it('leaves no timer behind, however it ends', async () => {
    const clock = new ManualClock()
    const broker = await startBroker()
    await openTo(broker, { clock })
    const refusing = await startBroker((_, response) => response.writeHead(403).end())
    await failureOf(open(refusing.root, { clock }))
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('an open socket', () => {
  it('hands over binary messages, heartbeats and text with the time they came', async () => {
    const broker = await startBroker()
    const clock = new ManualClock()
    const { log, peer } = await openTo(broker, { clock })
    peer.send(Buffer.from([0]))
    peer.send(Buffer.from([0, 1, 0, 8, 0, 6, 0x3a, 1, 0, 2, 0x66, 0x83]))
    peer.send('{"type":"message","data":"hello"}')
    await vi.waitFor(() => expect(log.texts).toHaveLength(1), { timeout: 60_000 })
    expect(log.frames.map((frame) => frame.length)).toEqual([1, 12])
    expect(log.texts).toEqual(['{"type":"message","data":"hello"}'])
    expect(log.times).toEqual([clock.nowMs(), clock.nowMs(), clock.nowMs()])
  })

  it('misses nothing that the broker sends at once, in the same breath as its yes', async () => {
    const broker = await startBroker()
    broker.onPeer = (peer) => {
      for (let i = 0; i < 5; i++) peer.send(Buffer.from([i, i]))
    }
    const { log } = await openTo(broker)
    await vi.waitFor(() => expect(log.frames).toHaveLength(5), { timeout: 60_000 })
  })

  it('subscribes, unsubscribes and sets modes in messages of bounded length', async () => {
    const broker = await startBroker()
    const { socket, received } = await openTo(broker)
    const tokens = Array.from({ length: 2 * KITE_TOKENS_PER_MESSAGE + 1 }, (_, i) => i + 1)
    await socket.subscribe(tokens)
    await socket.setMode('full', tokens)
    await socket.unsubscribe([7])
    await vi.waitFor(() => expect(received).toHaveLength(7), { timeout: 60_000 })
    const messages = received.map((text) => JSON.parse(text) as { a: string; v: unknown[] })
    expect(messages.map((message) => message.a)).toEqual([
      ...['subscribe', 'subscribe', 'subscribe'],
      ...['mode', 'mode', 'mode'],
      'unsubscribe',
    ])
    expect(messages.slice(0, 3).flatMap((message) => message.v)).toEqual(tokens)
    expect(messages.slice(3, 6).map((message) => message.v[0])).toEqual(['full', 'full', 'full'])
    expect(messages.slice(3, 6).flatMap((message) => message.v[1])).toEqual(tokens)
    expect(messages[6]).toEqual({ a: 'unsubscribe', v: [7] })
  })

  it('writes nothing where there is no token', async () => {
    const broker = await startBroker()
    const { socket, received } = await openTo(broker)
    await socket.subscribe([])
    await socket.subscribe([1])
    await vi.waitFor(() => expect(received).toEqual(['{"a":"subscribe","v":[1]}']), {
      timeout: 60_000,
    })
  })

  it('paused reads no more than what the network held, and resumed misses nothing', async () => {
    const broker = await startBroker()
    const { socket, log, peer } = await openTo(broker)
    socket.pause()
    const frames = 2_000
    for (let i = 0; i < frames; i++) peer.send(Buffer.alloc(4_096, i & 0xff))
    await vi.waitFor(() => expect(peer.bufferedAmount).toBeGreaterThan(0), { timeout: 60_000 })
    expect(log.frames.length).toBeLessThan(50)
    socket.resume()
    await vi.waitFor(() => expect(log.frames).toHaveLength(frames), { timeout: 5_000 })
    expect(log.frames.every((frame, i) => frame[0] === (i & 0xff))).toBe(true)
  })
})

describe('an end', () => {
  it('by the broker is told once, with code and reason', async () => {
    const broker = await startBroker()
    const { socket, log, peer } = await openTo(broker)
    peer.close(1001, 'going away')
    await vi.waitFor(() => expect(log.closed).toHaveLength(1), { timeout: 60_000 })
    expect(log.closed).toEqual([{ code: 1001, reason: 'going away', error: undefined }])
    expect(socket.isOpen).toBe(false)
    expect(await failureOf(socket.subscribe([1]))).toMatchObject({ code: 'closed' })
  })

  it('by a broken connection has the code 1006', async () => {
    const broker = await startBroker()
    const { log, peer } = await openTo(broker)
    peer.terminate()
    await vi.waitFor(() => expect(log.closed).toMatchObject([{ code: 1006, reason: '' }]), {
      timeout: 60_000,
    })
  })

  it('by a message beyond the cap says so', async () => {
    const broker = await startBroker()
    const { log, peer } = await openTo(broker)
    peer.send(Buffer.alloc(KITE_MAX_FRAME_BYTES + 1))
    await vi.waitFor(() => expect(log.closed).toHaveLength(1), { timeout: 60_000 })
    expect(log.closed[0]?.error).toMatch(/payload/i)
    expect(log.frames).toEqual([])
  })

  it('by us is final: no handler is called again', async () => {
    const broker = await startBroker()
    const { socket, log, peer } = await openTo(broker)
    const closed = socket.close()
    peer.send(Buffer.from([1, 2, 3]))
    peer.send('late')
    await closed
    expect(log).toMatchObject({ frames: [], texts: [], closed: [] })
    await expect(socket.close()).resolves.toBeUndefined()
    expect(await failureOf(socket.setMode('ltp', [1]))).toMatchObject({ code: 'closed' })
  })

  it('by us while paused does not wait to be resumed', async () => {
    const broker = await startBroker()
    const { socket, log, peer } = await openTo(broker)
    socket.pause()
    for (let i = 0; i < 200; i++) peer.send(Buffer.alloc(4_096))
    await socket.close()
    expect(log.closed).toEqual([])
  })

  it('by us with a broker that no longer answers is enforced by the clock', async () => {
    const broker = await startBroker()
    const clock = new ManualClock()
    const { socket, peer } = await openTo(broker, { clock })
    peer.pause()
    const closed = socket.close()
    expect(clock.pendingTimers).toBe(1)
    clock.advance(KITE_SOCKET_CLOSE_TIMEOUT_MS)
    await closed
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('the access token', () => {
  it('stands in no error, whatever goes wrong', async () => {
    const refusing = await startBroker((_, response) => response.writeHead(403).end(TOKEN))
    const silent = await startBroker((_, response) => response.destroy())
    const gone = await startBroker()
    await gone.stop()
    for (const root of [refusing.root, silent.root, gone.root]) {
      expectNoToken(await failureOf(open(root)))
    }
  })

  it('stands in no reason for a close', async () => {
    const broker = await startBroker()
    const { log, peer } = await openTo(broker)
    peer.close(4000, `session ${TOKEN} ended`)
    await vi.waitFor(() => expect(log.closed).toHaveLength(1), { timeout: 60_000 })
    expect(log.closed[0]?.reason).toBe('session [redacted] ended')
  })
})

interface Broker {
  readonly root: string
  readonly requests: IncomingMessage[]
  onPeer: (peer: WebSocket) => void
  stop(): Promise<void>
}

interface Log {
  frames: Buffer[]
  texts: string[]
  times: number[]
  closed: KiteSocketClosed[]
}

const releasers: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0).reverse()) await release()
})

/** Accepts every upgrade, or lets `refuse` answer it as a plain request. */
async function startBroker(
  refuse?: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Broker> {
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true })
  const requests: IncomingMessage[] = []
  const broker: Broker = { root: '', requests, onPeer: () => undefined, stop: () => stop(server) }
  server.on('request', (request, response) => {
    requests.push(request)
    refuse?.(request, response)
  })
  if (refuse === undefined) {
    server.on('upgrade', (request, socket, head) => {
      requests.push(request)
      sockets.handleUpgrade(request, socket, head, (peer) => {
        broker.onPeer(peer)
      })
    })
  }
  releasers.push(() => {
    for (const peer of sockets.clients) peer.terminate()
    return stop(server)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(broker, { root: `ws://127.0.0.1:${port}` })
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

function open(
  root: string,
  more: { clock?: ManualClock; signal?: AbortSignal; log?: Log } = {},
): Promise<KiteSocket> {
  const { log = emptyLog(), clock = new ManualClock(), signal } = more
  const options = { root, apiKey: 'key', accessToken: TOKEN, clock }
  return openKiteSocket(signal === undefined ? options : { ...options, signal }, handlersOf(log))
}

async function openTo(broker: Broker, more: { clock?: ManualClock } = {}) {
  const log = emptyLog()
  const received: string[] = []
  const peers: WebSocket[] = []
  const onPeer = broker.onPeer
  broker.onPeer = (peer) => {
    peers.push(peer)
    peer.on('message', (data) => received.push(data.toString()))
    onPeer(peer)
  }
  const socket = await open(broker.root, { ...more, log })
  releasers.push(() => {
    void socket.close()
  })
  const [peer] = peers
  if (peer === undefined) throw new Error('opened without a peer')
  return { socket, log, peer, received }
}

function emptyLog(): Log {
  return { frames: [], texts: [], times: [], closed: [] }
}

function handlersOf(log: Log): KiteSocketHandlers {
  return {
    onFrame(bytes, receivedAtMs) {
      log.frames.push(bytes)
      log.times.push(receivedAtMs)
    },
    onText(text, receivedAtMs) {
      log.texts.push(text)
      log.times.push(receivedAtMs)
    },
    onClose: (closed) => log.closed.push(closed),
  }
}

async function failureOf(attempt: Promise<unknown>): Promise<KiteError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof KiteError) return error
  throw new Error(`expected a KiteError, not ${inspect(error)}`)
}

function expectNoToken(error: KiteError): void {
  const everything = `${inspect(error, { depth: 9, showHidden: true })}${error.stack}${JSON.stringify(error)}`
  expect(everything).not.toContain(TOKEN)
  expect(everything).not.toContain(encodeURIComponent(TOKEN))
  expect(everything).not.toContain('access_token')
}
