import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/kit/clock.ts'
import { ChannelSubscriber } from '../../src/redis/channel-subscriber.ts'
import { hasRedisServer, RedisServer } from '../redis-server.ts'
import { keptLog } from '../ticker/support/silent-log.ts'
import { until } from '../until.ts'

const releasers: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0).reverse()) await release()
})

describe.skipIf(!hasRedisServer)('a subscriber of a channel', () => {
  it('listens only while it is asked to, over one connection', async () => {
    const server = await startServer()
    const channel = newChannel()
    const { subscriber, heard, ups } = subscribe(server.url, channel, true)
    const publisher = newClient(server.url)
    await until(() => subscriber.error === null)
    expect(await publisher.publish(channel, 'before')).toBe(0)
    subscriber.resume()
    await until(() => ups() === 1)
    expect(await publisher.publish(channel, 'while listening')).toBe(1)
    await until(() => heard.length === 1)
    subscriber.pause()
    await until(async () => (await publisher.publish(channel, 'after')) === 0)
    expect(subscriber.error).toBeNull()
    subscriber.resume()
    await until(() => ups() === 2)
    await publisher.publish(channel, 'again')
    await until(() => heard.includes('again'))
    expect(heard).toEqual(['while listening', 'again'])
  })

  it('ends as what it was asked last, however often that changes', async () => {
    const server = await startServer()
    const channel = newChannel()
    const { subscriber, heard } = subscribe(server.url, channel, false)
    const publisher = newClient(server.url)
    await until(() => subscriber.error === null)
    for (let i = 0; i < 20; i++) i % 2 === 0 ? subscriber.pause() : subscriber.resume()
    await until(async () => (await publisher.publish(channel, 'x')) === 1)
    await until(() => heard.length > 0)
    for (let i = 0; i < 21; i++) i % 2 === 0 ? subscriber.pause() : subscriber.resume()
    await until(async () => (await publisher.publish(channel, 'y')) === 0)
  })

  it('tells of a lost server only while it listens, and stays paused over a restart', async () => {
    const server = await startServer()
    const channel = newChannel()
    const { subscriber, ups, downs } = subscribe(server.url, channel, false)
    await until(() => ups() === 1)
    await server.kill()
    await until(() => downs() === 1)
    subscriber.pause()
    await server.start()
    await until(() => subscriber.error === null)
    await server.kill()
    await until(() => subscriber.error !== null)
    expect([ups(), downs()]).toEqual([1, 1])
    subscriber.resume()
    await server.start()
    await until(() => ups() === 2)
  }, 240_000)
})

function subscribe(url: string, channel: string, isPaused: boolean) {
  const heard: string[] = []
  let ups = 0
  let downs = 0
  const subscriber = new ChannelSubscriber({
    url,
    channels: [channel],
    isPaused,
    clock: systemClock,
    log: keptLog(),
    random: () => 0,
    onMessage: (_channel, text) => heard.push(text),
    onUp: () => {
      ups++
    },
    onDown: () => {
      downs++
    },
  })
  releasers.push(() => subscriber.close())
  return { subscriber, heard, ups: () => ups, downs: () => downs }
}

async function startServer(): Promise<RedisServer> {
  const server = await RedisServer.start()
  releasers.push(() => server.remove())
  return server
}

function newClient(url: string): Redis {
  const client = new Redis(url)
  releasers.push(() => client.disconnect())
  return client
}

function newChannel(): string {
  return `test:${randomBytes(6).toString('hex')}`
}
