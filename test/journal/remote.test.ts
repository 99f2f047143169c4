import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { LOG_START, type TailItem } from '../../src/contract/journal-record.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { findRemoteJournal, type RemoteJournal } from '../../src/journal/remote-journal.ts'
import { journalRoutes } from '../../src/journal/serve-journal.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { JOURNAL_STREAM_ALIVE_MS, JOURNAL_STREAM_SILENT_MS } from '../../src/limits.ts'
import { silentLog } from '../silent-log.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'
import { bench, controlBatch, instrument, Reading, range, tickBatch } from './journal-fixture.ts'

const never = new AbortController().signal
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Served {
  readonly journal: Journal
  readonly app: FastifyInstance
  readonly url: string
}

async function serve(journal: Journal): Promise<Served> {
  const app = Fastify({
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false } },
  })
  journalRoutes({ journal, clock: systemClock, log: silentLog })(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  cleanups.push(() => app.close())
  return { journal, app, url }
}

async function served(): Promise<Served & { readonly proxy: TcpProxy }> {
  const made = await serve(await bench().open())
  const proxy = await TcpProxy.start(made.url)
  cleanups.push(() => proxy.stop())
  return { ...made, proxy }
}

function remote(url: string, signal = never): Promise<RemoteJournal> {
  const parts = { clock: systemClock, log: silentLog, random: Math.random }
  return findRemoteJournal({ url, ...parts }, signal)
}

/** Reads on in the background until the test ends. */
function follow(
  log: RemoteJournal,
  from = LOG_START,
  onItem: () => Promise<void> | void = () => {},
) {
  const reading = new Reading(from)
  const abort = new AbortController()
  const run = async () => {
    for await (const item of log.tail(0, from, abort.signal) as AsyncIterable<TailItem>) {
      reading.add(item)
      await onItem()
    }
  }
  const ended = run()
  ended.catch(() => undefined)
  cleanups.push(async () => {
    abort.abort()
    await ended.catch(() => undefined)
  })
  return { reading, ended }
}

async function write(journal: Journal, from: number, to: number): Promise<void> {
  for (let token = from; token <= to; ) {
    const size = Math.min(1 + (token % 7), to - token + 1)
    await journal.append(0, tickBatch(range(token, token + size - 1)))
    token += size
  }
}

describe('a journal over HTTP', () => {
  it('says whose it is, and gives what was written and what is written while it is read', async () => {
    const { journal, url } = await served()
    await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(1) }]))
    await write(journal, 1, 200)
    const log = await remote(url)
    expect(log).toMatchObject({ producer: 't1', feed: 'simulated', partitions: [0] })
    const { reading } = follow(log)
    await until(() => reading.tokens.length === 200)
    await write(journal, 201, 300)
    await until(() => reading.tokens.length === 300)
    expect(reading.tokens).toEqual(range(1, 300))
    expect(reading.breaks).toEqual([])
  })

  it('goes on behind the reader’s position, with the instruments known there', async () => {
    const { journal, url } = await served()
    await journal.append(0, controlBatch([{ kind: 'instrument', instrument: instrument(7) }]))
    await write(journal, 1, 50)
    const log = await remote(url)
    const { newest } = journal.status().partitions[0] ?? { newest: LOG_START }
    await write(journal, 51, 60)
    const { reading } = follow(log, newest)
    await until(() => reading.tokens.length === 10)
    expect(reading.tokens).toEqual(range(51, 60))
    expect(reading.openings[0]?.instruments.map(({ token }) => token)).toEqual([7])
  })

  it('ends at `to`, and without it never', async () => {
    const { journal, url, app } = await served()
    await write(journal, 1, 30)
    const { epoch, sequence } = journal.status().partitions[0]?.newest ?? LOG_START
    const whole = await app.inject(`/journal/0?to=${epoch}-${sequence}`)
    const beyond = await app.inject(`/journal/0?to=${epoch + 1}-1`)
    expect(whole.rawPayload.length).toBeGreaterThan(30 * 84)
    expect(beyond.rawPayload.equals(whole.rawPayload)).toBe(true)
    const answer = await fetch(`${url}/journal/0`)
    await write(journal, 31, 31)
    let bytes = 0
    for await (const piece of answer.body ?? []) {
      bytes += piece.length
      if (bytes > whole.rawPayload.length) break
    }
    expect(bytes).toBeGreaterThan(whole.rawPayload.length)
  })

  it('hands over every record once while the connection is cut again and again', async () => {
    const { journal, proxy } = await served()
    const { reading } = follow(await remote(proxy.url))
    for (let from = 1; from <= 600; from += 60) {
      await write(journal, from, from + 59)
      await until(() => reading.tokens.length >= from)
      proxy.cut()
    }
    await until(() => reading.tokens.length >= 600)
    expect(reading.tokens).toEqual(range(1, 600))
    expect(reading.breaks).toEqual([])
    expect(reading.openings.length).toBeGreaterThan(1)
  })

  it('opens the connection anew when nothing is heard on it', async () => {
    const { journal, proxy } = await served()
    const { reading } = follow(await remote(proxy.url))
    await write(journal, 1, 20)
    await until(() => reading.tokens.length === 20)
    const before = proxy.connections
    proxy.stall(true)
    await write(journal, 21, 40)
    await until(() => proxy.connections > before)
    expect(reading.tokens).toEqual(range(1, 20))
    proxy.stall(false)
    await until(() => reading.tokens.length >= 40)
    expect(reading.tokens).toEqual(range(1, 40))
    expect(reading.breaks).toEqual([])
  })

  it('is not opened anew while it is merely quiet', async () => {
    const { proxy } = await served()
    follow(await remote(proxy.url))
    await until(() => proxy.connections === 2)
    // One a second: longer than the silence that would open it anew.
    const before = proxy.pieces
    const signs = JOURNAL_STREAM_SILENT_MS / JOURNAL_STREAM_ALIVE_MS + 2
    await until(() => proxy.pieces >= before + signs)
    expect(proxy.connections).toBe(2)
  })

  it('never hands over a damaged byte, wherever it is damaged', async () => {
    const { journal, proxy } = await served()
    const { reading } = follow(await remote(proxy.url))
    let written = 0
    for (const offset of [0, 3, 9, 17, 25, 70, 140, 300, 777, 1_500]) {
      proxy.damageAfter(offset)
      await write(journal, written + 1, written + 40)
      written += 40
      await until(() => reading.tokens.length >= written)
    }
    expect(reading.tokens).toEqual(range(1, written))
    expect(reading.breaks).toEqual([])
  })

  it('waits for a ticker that is not there yet, and for one that is away', async () => {
    const journal = await bench().open()
    const first = await serve(journal)
    const proxy = await TcpProxy.start(first.url)
    cleanups.push(() => proxy.stop())
    proxy.refuse(true)
    const finding = remote(proxy.url)
    await until(() => proxy.connections > 2)
    proxy.refuse(false)
    const { reading } = follow(await finding)
    await write(journal, 1, 10)
    await until(() => reading.tokens.length === 10)
    proxy.refuse(true)
    await write(journal, 11, 20)
    proxy.refuse(false)
    await until(() => reading.tokens.length === 20)
    expect(reading.tokens).toEqual(range(1, 20))
  })

  it('stops looking when told to', async () => {
    const abort = new AbortController()
    const finding = remote('http://127.0.0.1:9', abort.signal)
    abort.abort()
    await expect(finding).rejects.toThrow()
  })

  it('refuses to go on where another ticker answers', async () => {
    const { proxy } = await served()
    const { ended } = follow(await remote(proxy.url))
    const other = await serve(await bench({ producer: 't2' }).open())
    const second = await TcpProxy.start(other.url)
    cleanups.push(() => second.stop())
    const log = await remote(second.url)
    expect(log.producer).toBe('t2')
    Object.defineProperty(log, 'producer', { value: 't1' })
    await expect(follow(log).ended).rejects.toThrow(/is now t2/)
    await expect(Promise.race([ended, 'goes on'])).resolves.toBe('goes on')
  })

  it('is told up to where its reader has committed', async () => {
    const { journal, url } = await served()
    await write(journal, 1, 10)
    const log = await remote(url)
    const { newest } = journal.status().partitions[0] ?? { newest: LOG_START }
    log.committed('bars', 0, { epoch: newest.epoch, sequence: 3 })
    log.committed('bars', 0, newest)
    await until(() => journal.status().consumers['bars']?.[0]?.sequence === newest.sequence)
  })

  it.each([
    ['/journal/9', 404],
    ['/journal/-1', 400],
    ['/journal/x', 400],
    ['/journal/0?from=abc', 400],
    ['/journal/0?from=1', 400],
    ['/journal/0?to=1-2-3', 400],
    ['/journal/0?until=1-2', 400],
  ])('refuses %s with %i', async (path, status) => {
    const { app } = await served()
    const answer = await app.inject(path)
    expect(answer.statusCode).toBe(status)
  })
})
