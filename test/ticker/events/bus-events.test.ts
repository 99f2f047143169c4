import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { compareEventIds, type LifecycleEvent } from '../../../src/contract/events.ts'
import { systemClock } from '../../../src/kit/clock.ts'
import { BUS_EVENTS_PER_PUBLISH, OUTBOX_EVENTS_MAX } from '../../../src/limits.ts'
import { openRedisBus } from '../../../src/redis/redis-bus.ts'
import { BusEvents } from '../../../src/ticker/events/bus-events.ts'
import type { Bus } from '../../../src/ticker/ports.ts'
import { compiledProgram } from '../../compiled-program.ts'
import { hasRedisServer, RedisServer } from '../../redis-server.ts'
import { redisUrl } from '../../services.ts'
import { MemoryBus } from '../support/memory-bus.ts'
import { keptLog } from '../support/silent-log.ts'
import { numbered } from './numbered-events.ts'

const shared = await redisUrl()
const WITHIN = { timeout: 60_000, interval: 10 }
const releasers: (() => unknown)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0).reverse()) await release()
})

describe('events of the outbox', () => {
  it('are told once, in order, where all goes well', async () => {
    const bus = new MemoryBus()
    const { events } = await start(bus)
    await Promise.all([events.append(newEvents(1, 700)), events.append(newEvents(701, 1_000))])
    await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    expect(bus.eventIds()).toEqual(ids(1, 1_000))
    expect(events.fault).toBeNull()
  })

  it('are on the disk before anybody hears of them', async () => {
    const bus = new MemoryBus()
    const folder = newFolder()
    const unsaved: string[] = []
    bus.publish = async (messages) => {
      const text = readFileSync(join(folder, 'outbox.jsonl'), 'utf8')
      unsaved.push(...messages.map((m) => m.text).filter((each) => !text.includes(each)))
      bus.heard.push(...messages)
      await Promise.resolve()
    }
    const { events } = await start(bus, folder)
    for (let i = 1; i <= 50; i++) void events.append(newEvents(i, i))
    await vi.waitFor(() => expect(bus.eventIds()).toEqual(ids(1, 50)), WITHIN)
    expect(unsaved).toEqual([])
  })

  it('wait while the bus is away, also for the next process, with their ids and before newer ones', async () => {
    const bus = new MemoryBus()
    bus.error = 'away'
    const first = await start(bus)
    await first.events.append(newEvents(1, 3))
    await first.events.stop()
    const second = await start(bus, first.folder)
    expect(second.events.waiting).toBe(3)
    await second.events.append(numbered(8, 1, 1))
    bus.comeBack()
    await vi.waitFor(() => expect(bus.eventIds()).toEqual([...ids(1, 3), '8-1']), WITHIN)
    await vi.waitFor(() => expect(second.events.waiting).toBe(0), WITHIN)
    await second.events.stop()
    const third = await start(bus, first.folder)
    expect(third.events.waiting).toBe(0)
  })

  it('are repeated with the same id where nobody knows whether they arrived', async () => {
    const bus = new MemoryBus()
    bus.isInDoubt = true
    const { events, log } = await start(bus)
    await events.append(newEvents(1, 2))
    await vi.waitFor(() => expect(bus.heard.length).toBeGreaterThan(4), WITHIN)
    expect(events.fault).toBe('events wait: no answer')
    bus.isInDoubt = false
    await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    expect(new Set(bus.eventIds())).toEqual(new Set(ids(1, 2)))
    const waits = log.lines.filter(({ message }) => message === 'Lifecycle events wait for Redis')
    expect(waits).toHaveLength(1)
  })

  it('that the own copy kept are told unless the outbox had them already', async () => {
    const bus = new MemoryBus()
    const first = await start(bus)
    await first.events.append(newEvents(1, 5))
    await vi.waitFor(() => expect(first.events.waiting).toBe(0), WITHIN)
    await first.events.stop()
    const second = newBusEvents(bus, first.folder)
    await second.events.start(newEvents(4, 7))
    await vi.waitFor(() => expect(bus.eventIds()).toEqual(ids(1, 7)), WITHIN)
  })

  it('end at a torn line, which is cut', async () => {
    const bus = new MemoryBus()
    bus.error = 'away'
    const first = await start(bus)
    await first.events.append(newEvents(1, 2))
    await first.events.stop()
    const path = join(first.folder, 'outbox.jsonl')
    const line = readFileSync(path, 'utf8').split('\n')[2] ?? ''
    appendFileSync(path, line.slice(0, line.length - 5))
    const second = await start(bus, first.folder)
    expect(second.log.lines).toMatchObject([{ level: 'warn', fields: { lines: 1 } }])
    await second.events.append(newEvents(3, 3))
    await second.events.stop()
    bus.error = null
    await start(bus, first.folder)
    await vi.waitFor(() => expect(bus.eventIds()).toEqual(ids(1, 3)), WITHIN)
  })

  it('of a file that is something else begin anew, and the file is kept', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'outbox.jsonl'), 'my notes\n')
    const bus = new MemoryBus()
    const { events, log } = await start(bus, folder)
    await events.append(newEvents(1, 1))
    await vi.waitFor(() => expect(bus.eventIds()).toEqual(ids(1, 1)), WITHIN)
    expect(log.lines[0]?.message).toBe('Outbox cannot be read, it is set aside')
    expect(readFileSync(join(folder, 'outbox.jsonl.unreadable'), 'utf8')).toBe('my notes\n')
  })

  it('give way to the newest when there are too many, counted, and the file stays bounded', async () => {
    const bus = new MemoryBus()
    bus.error = 'away'
    const { events, folder, log } = await start(bus)
    for (let i = 0; i < 16; i++) await events.append(newEvents(1 + i * 5_000, (i + 1) * 5_000))
    expect(events.waiting).toBe(OUTBOX_EVENTS_MAX)
    expect(events.fault).toBe('60000 events were never handed over, the outbox was full')
    expect(log.lines.filter(({ message }) => message.startsWith('Outbox is full'))).toHaveLength(1)
    // 80,000 events: without being written anew it would have four times what it must hold.
    const text = readFileSync(join(folder, 'outbox.jsonl'), 'utf8')
    const held = (text.length / text.split('\n').length) * OUTBOX_EVENTS_MAX
    expect(text.length).toBeLessThan(3.5 * held)
    bus.comeBack()
    await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    expect(bus.eventIds()).toEqual(ids(60_001, 80_000))
  }, 240_000)

  it('are told although the disk does not take them, and it is said', async () => {
    const bus = new MemoryBus()
    const folder = join(newFolder(), 'a file')
    writeFileSync(folder, '')
    const { events, log } = await start(bus, folder)
    await events.append(newEvents(1, BUS_EVENTS_PER_PUBLISH + 1))
    await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    expect(bus.eventIds()).toHaveLength(BUS_EVENTS_PER_PUBLISH + 1)
    expect(events.fault).toMatch(/^the outbox is not saved: /)
    expect(log.lines.filter(({ level }) => level === 'error').length).toBeGreaterThan(0)
  })
})

describe.skipIf(!hasRedisServer)('while Redis is killed, hangs and comes back', () => {
  it('every event arrives at least once, and in order', async () => {
    const server = await RedisServer.start()
    releasers.push(() => server.remove())
    const log = keptLog()
    const redis = openRedisBus({ url: server.url, clock: systemClock, log, random: () => 0.5 })
    releasers.push(() => redis.close())
    const door = { isOpen: true }
    const { events } = await start(behindDoor(redis, door))
    const heard: string[] = []
    let listener = await listen(server.url, 'events', heard)
    let next = 1
    const flow = async (count: number) => {
      for (let i = 0; i < count; i++) await events.append(newEvents(next, ++next - 1))
    }
    await flow(50)
    for (let round = 0; round < 3; round++) {
      await flow(20)
      await server.kill()
      listener.disconnect()
      door.isOpen = false
      await flow(30)
      await server.start()
      // Pub/sub keeps nothing for who comes later: the listener is first.
      listener = await listen(server.url, 'events', heard)
      door.isOpen = true
      await vi.waitFor(() => expect(redis.error).toBeNull(), WITHIN)
      await flow(10)
      await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    }
    server.pause()
    releasers.push(() => server.resume())
    await flow(100)
    await vi.waitFor(() => expect(redis.error).not.toBeNull(), WITHIN)
    expect(events.waiting).toBe(100)
    server.resume()
    await vi.waitFor(() => expect(events.waiting).toBe(0), WITHIN)
    await vi.waitFor(() => expect(firstSeen(heard)).toHaveLength(next - 1), WITHIN)
    expect(firstSeen(heard)).toEqual(ids(1, next - 1))
  }, 240_000)
})

describe.skipIf(shared === undefined)('a process that is killed again and again', () => {
  it('loses no event that it had taken, and tells them in order', async () => {
    const url = shared ?? ''
    const program = await compiledProgram('test/ticker/events/tell-numbers-process.ts', newFolder())
    const folder = newFolder()
    const channel = `test:${randomBytes(6).toString('hex')}:events`
    const heard: string[] = []
    await listen(url, channel, heard)
    for (let epoch = 1; epoch <= 6; epoch++) {
      const child = run(program, url, folder, channel, String(epoch))
      await once(child.stdout, 'data')
      // In the midst of telling, each time at another place.
      const wanted = heard.length + ((epoch * 37) % 100)
      await vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(wanted), WITHIN)
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    const kept = readFileSync(join(folder, 'kept.txt'), 'utf8').trim().split('\n')
    expect(new Set(kept.map((id) => id.split('-')[0])).size).toBe(6)
    const [code] = await once(run(program, url, folder, channel, '7', 'drain'), 'exit')
    expect(code).toBe(0)
    await vi.waitFor(() => {
      const seen = new Set(heard)
      expect(kept.filter((id) => !seen.has(id))).toEqual([])
    }, WITHIN)
    const first = firstSeen(heard)
    expect(first).toEqual([...first].sort(compareEventIds))
  }, 240_000)
})

function run(program: string, ...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  releasers.push(() => child.kill('SIGKILL'))
  return child
}

/** The bus as long as the door is open. */
function behindDoor(bus: Bus, door: { readonly isOpen: boolean }): Bus {
  return {
    get error() {
      return door.isOpen ? bus.error : 'the door is closed'
    },
    get dropped() {
      return bus.dropped
    },
    get highWaterBytes() {
      return bus.highWaterBytes
    },
    publish: (messages) => bus.publish(messages),
    send: (messages) => bus.send(messages),
    listeners: (channels) => bus.listeners(channels),
    onUp: (listener) => bus.onUp(listener),
  }
}

async function listen(url: string, channel: string, heard: string[]): Promise<Redis> {
  const client = new Redis(url, { retryStrategy: null })
  client.on('error', () => undefined)
  releasers.push(() => client.disconnect())
  client.on('message', (_channel, text: string) => {
    heard.push((JSON.parse(text) as { event_id: string }).event_id)
  })
  await client.subscribe(channel)
  return client
}

/** As a receiver sees it that drops what it has seen. */
function firstSeen(heard: readonly string[]): string[] {
  return [...new Set(heard)]
}

function ids(from: number, to: number): string[] {
  return newEvents(from, to).map(({ event_id: id }) => id)
}

function newEvents(from: number, to: number): LifecycleEvent[] {
  return numbered(7, from, to)
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fostream-outbox-'))
  releasers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function newBusEvents(bus: Bus, folder: string) {
  const log = keptLog()
  const shared = { clock: systemClock, log, random: () => 0.5 }
  const events = new BusEvents({ bus, channel: 'events', folder, ...shared })
  releasers.push(() => events.stop())
  return { events, log, folder }
}

async function start(bus: Bus, folder = newFolder()) {
  const opened = newBusEvents(bus, folder)
  await opened.events.start([])
  return opened
}
