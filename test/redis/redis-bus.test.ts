import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/kit/clock.ts'
import { BUS_SENDING_MAX_BYTES } from '../../src/limits.ts'
import { openRedisBus, type RedisBus } from '../../src/redis/redis-bus.ts'
import { compiledProgram } from '../compiled-program.ts'
import { hasRedisServer, RedisServer } from '../redis-server.ts'
import { redisUrl } from '../services.ts'
import { keptLog } from '../ticker/support/silent-log.ts'

const shared = await redisUrl()
const WITHIN = { timeout: 60_000, interval: 10 }
const releasers: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0).reverse()) await release()
})

describe.skipIf(shared === undefined)('the bus', () => {
  const url = shared ?? ''

  it('hands messages over in order to who listens', async () => {
    const { bus } = await upBus(url)
    const { channel, heard } = await listen(url)
    const texts = Array.from({ length: 1_000 }, (_, i) => `message ${i}`)
    await bus.publish(texts.slice(0, 500).map((text) => ({ channel, text })))
    expect(bus.send(texts.slice(500).map((text) => ({ channel, text })))).toBe(true)
    await vi.waitFor(() => expect(heard).toHaveLength(1_000), WITHIN)
    expect(heard).toEqual(texts)
    expect(bus.dropped).toBe(0)
  })

  it('knows how many listen, those of a pattern for every channel', async () => {
    const { bus } = await upBus(url)
    const { channel } = await listen(url)
    const before = await bus.listeners([channel, `${channel}:nobody`])
    expect((before.get(channel) ?? 0) - (before.get(`${channel}:nobody`) ?? 0)).toBe(1)
  })
})

describe.skipIf(!hasRedisServer)('a server of its own', () => {
  it('counts a subscriber of a pattern as a listener of every channel', async () => {
    const server = await startServer()
    const { bus } = await upBus(server.url)
    const client = newClient(server.url)
    await client.subscribe('a')
    const watcher = newClient(server.url)
    await watcher.psubscribe('nothing:*')
    expect(await bus.listeners(['a', 'b'])).toEqual(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    )
  })

  it('that is not there is found when it comes, and meanwhile nothing waits', async () => {
    const server = await RedisServer.absent()
    releasers.push(() => server.remove())
    const { bus, log } = newBus(server.url)
    await vi.waitFor(() => expect(bus.error).toContain('ECONNREFUSED'), WITHIN)
    expect(bus.send([{ channel: 'c', text: 'lost' }])).toBe(false)
    expect(bus.dropped).toBe(1)
    await expect(bus.publish([{ channel: 'c', text: 'kept by the caller' }])).rejects.toMatchObject(
      { code: 'away', retryable: true },
    )
    await expect(bus.listeners(['c'])).rejects.toMatchObject({ code: 'away' })
    await server.start()
    await vi.waitFor(() => expect(bus.error).toBeNull(), WITHIN)
    expect(log.lines.map(({ message }) => message)).toEqual(['Redis is away', 'Redis is back'])
  })

  it('that is killed is lost and found, each said once', async () => {
    const server = await startServer()
    const { bus, log } = await upBus(server.url)
    let ups = 0
    bus.onUp(() => ups++)
    await server.kill()
    await vi.waitFor(() => expect(bus.error).not.toBeNull(), WITHIN)
    await server.start()
    await vi.waitFor(() => expect(ups).toBe(1), WITHIN)
    await bus.publish([{ channel: 'c', text: 'again' }])
    const said = log.lines.map(({ message }) => message)
    expect(said).toEqual(['Redis connected', 'Redis lost', 'Redis is back'])
  })

  it('that hangs is given up, takes no more memory than its share, and is found again', async () => {
    const server = await startServer()
    const { bus } = await upBus(server.url)
    releasers.push(() => server.resume())
    server.pause()
    const text = 'x'.repeat(1024)
    const group = Array.from({ length: 1024 }, () => ({ channel: 'c', text }))
    let taken = 0
    while (bus.send(group)) taken += group.length * text.length
    expect(taken).toBe(BUS_SENDING_MAX_BYTES)
    expect(bus.highWaterBytes).toBe(BUS_SENDING_MAX_BYTES)
    await expect(bus.publish([{ channel: 'c', text: 'unknown' }])).rejects.toMatchObject({
      code: 'away',
    })
    expect(bus.error).not.toBeNull()
    expect(bus.dropped).toBe(taken / text.length + group.length)
    server.resume()
    await vi.waitFor(() => expect(bus.error).toBeNull(), WITHIN)
    expect(bus.send(group)).toBe(true)
  }, 240_000)

  it('lets in who has the password, which nobody gets to read', async () => {
    const password = `pw-${randomBytes(8).toString('hex')}`
    const server = await startServer('--requirepass', password)
    const right = await upBus(`redis://default:${password}@127.0.0.1:${server.port}`)
    await right.bus.publish([{ channel: 'c', text: 'let in' }])
    const wrong = newBus(`redis://default:${password}x@127.0.0.1:${server.port}`)
    await vi.waitFor(() => expect(wrong.bus.error).toContain('WRONGPASS'), WITHIN)
    const failure = await wrong.bus.publish([{ channel: 'c', text: '-' }]).catch(String)
    const told = JSON.stringify([right.log.lines, wrong.log.lines, wrong.bus.error, failure])
    expect(told).toContain('WRONGPASS')
    expect(told).not.toContain(password)
  })

  it('that does not allow the channel says so and is asked again', async () => {
    const server = await startServer()
    const admin = newClient(server.url)
    await admin.acl('SETUSER', 'reader', 'on', '>secret', 'resetchannels', '+@all')
    const { bus } = await upBus(`redis://reader:secret@127.0.0.1:${server.port}`)
    await expect(bus.publish([{ channel: 'c', text: '-' }])).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('NOPERM'),
    })
  })

  it('that speaks TLS is spoken to where its authority is trusted, and nowhere else', async () => {
    const server = await startServer()
    const certificate = makeCertificate(server.folder)
    await server.kill()
    const tls = await startServer(
      ...['--tls-cert-file', certificate.cert, '--tls-key-file', certificate.key],
      ...['--tls-ca-cert-file', certificate.cert, '--tls-auth-clients', 'no'],
      ...['--requirepass', 'secret', '--tls-port', String(server.port)],
    )
    expect(tls.port).not.toBe(server.port)
    const url = `rediss://default:secret@127.0.0.1:${server.port}`
    const { bus } = newBus(url)
    await vi.waitFor(() => expect(bus.error).toMatch(/self-signed|SELF_SIGNED/), WITHIN)
    const program = await compiledProgram('test/redis/publish-once-process.ts', server.folder)
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificate.cert }
    const said = execFileSync(process.execPath, [program, url], { env, encoding: 'utf8' })
    expect(said.trim()).toBe('published')
  })
})

interface Opened {
  readonly bus: RedisBus
  readonly log: ReturnType<typeof keptLog>
}

function newBus(url: string): Opened {
  const log = keptLog()
  const bus = openRedisBus({ url, clock: systemClock, log, random: () => 0.5 })
  releasers.push(() => bus.close())
  return { bus, log }
}

async function upBus(url: string): Promise<Opened> {
  const opened = newBus(url)
  await vi.waitFor(() => expect(opened.bus.error).toBeNull(), WITHIN)
  return opened
}

async function startServer(...settings: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...settings)
  releasers.push(() => server.remove())
  return server
}

function newClient(url: string): Redis {
  const client = new Redis(url)
  releasers.push(() => client.disconnect())
  return client
}

async function listen(url: string): Promise<{ channel: string; heard: string[] }> {
  const channel = `test:${randomBytes(6).toString('hex')}`
  const heard: string[] = []
  const client = newClient(url)
  client.on('message', (_channel, text: string) => heard.push(text))
  await client.subscribe(channel)
  return { channel, heard }
}

function makeCertificate(folder: string): { readonly cert: string; readonly key: string } {
  const cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject]
  execFileSync('openssl', [...args, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { cert, key }
}
