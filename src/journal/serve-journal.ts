/**
 * The journal over HTTP, for readers in other processes: the same tail that a reader in this process
 * gets, as a stream of frames (`contract/journal-stream.ts`).
 *
 *   GET /journal                            whose it is and which partitions it has
 *   GET /journal/{partition}?from=&to=      the batches after `from`; live where `to` is left out
 *   PUT /journal/{partition}/consumers/{c}  up to where consumer c has committed
 */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { errorBody } from '../contract/api/error.ts'
import {
  ConsumerPath,
  JournalInfo,
  JournalPath,
  JournalPlace,
  JournalQuery,
} from '../contract/api/journal.ts'
import {
  comparePositions,
  earlierPosition,
  LOG_START,
  type Position,
  type TailItem,
} from '../contract/journal-record.ts'
import { encodeFrame, type JournalFrame } from '../contract/journal-stream.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import {
  JOURNAL_STREAM_ALIVE_MS,
  JOURNAL_STREAM_STALLED_MS,
  JOURNAL_STREAMS_MAX,
} from '../limits.ts'
import { lastPosition } from './chain-reader.ts'
import type { Journal } from './journal.ts'
import { JournalError } from './journal-error.ts'

export interface ServeJournalOptions {
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
}

/** Adds the journal's routes to a server. */
export function journalRoutes(options: ServeJournalOptions): (app: FastifyInstance) => void {
  const { journal } = options
  let streams = 0
  return (app) => {
    app.get('/journal', { schema: { response: { 200: JournalInfo } } }, () => infoOf(journal))
    app.get<{ Params: JournalPath; Querystring: JournalQuery }>(
      '/journal/:partition',
      { schema: { params: JournalPath, querystring: JournalQuery } },
      async ({ params: { partition }, query, ip }, reply) => {
        if (!hasPartition(journal, partition)) return unknownPartition(journal, partition, reply)
        if (streams >= JOURNAL_STREAMS_MAX) return tooMany(reply)
        streams++
        reply.hijack()
        const stream = new OutgoingStream(reply.raw, options)
        try {
          await stream.run(partition, placeOf(query.from) ?? LOG_START, placeOf(query.to))
        } catch (err) {
          options.log.error({ err, partition, reader: ip }, 'Journal stream failed')
          reply.raw.destroy()
        } finally {
          streams--
        }
        return reply
      },
    )
    app.put<{ Params: ConsumerPath; Body: JournalPlace }>(
      '/journal/:partition/consumers/:consumer',
      { schema: { params: ConsumerPath, body: JournalPlace } },
      async ({ params: { partition, consumer }, body }, reply) => {
        if (!hasPartition(journal, partition)) return unknownPartition(journal, partition, reply)
        journal.committed(consumer, partition, body)
        return reply.code(204).send()
      },
    )
  }
}

function infoOf(journal: Journal): JournalInfo {
  const { producer, feed, epoch } = journal
  const partitions = journal.status().partitions.map(({ partition }) => partition)
  return { producer, feed, epoch, partitions }
}

function hasPartition(journal: Journal, partition: number): boolean {
  return journal.status().partitions.some((known) => known.partition === partition)
}

function unknownPartition(journal: Journal, partition: number, reply: FastifyReply) {
  const { partitions } = infoOf(journal)
  const message = `partition: there is no ${partition}; this journal has ${partitions.join(', ')}`
  return reply.code(404).send(errorBody('not_found', message, { field: 'partition', partitions }))
}

function tooMany(reply: FastifyReply) {
  const message = `${JOURNAL_STREAMS_MAX} readers are connected already; end one of them`
  return reply.code(503).header('retry-after', '5').send(errorBody('unavailable', message))
}

function placeOf(text: string | undefined): Position | undefined {
  const [epoch, sequence] = (text ?? '').split('-').map(Number)
  return epoch === undefined || sequence === undefined ? undefined : { epoch, sequence }
}

/** One reader's answer, from its head to its end. */
class OutgoingStream {
  readonly #response: ServerResponse
  readonly #options: ServeJournalOptions
  readonly #gone = new AbortController()
  #writtenAtMs: number
  #isWaiting = false

  constructor(response: ServerResponse, options: ServeJournalOptions) {
    this.#response = response
    this.#options = options
    this.#writtenAtMs = options.clock.elapsedMs()
    response.once('close', () => this.#gone.abort())
  }

  async run(partition: number, from: Position, to: Position | undefined): Promise<void> {
    this.#response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'cache-control': 'no-store',
    })
    this.#response.flushHeaders()
    const stopWatching = this.#options.clock.every(JOURNAL_STREAM_ALIVE_MS, () => this.#watch())
    try {
      await this.#send(partition, from, to)
    } finally {
      stopWatching()
      this.#response.end()
    }
  }

  async #send(partition: number, from: Position, to: Position | undefined): Promise<void> {
    const { journal } = this.#options
    let last = to
    try {
      for await (const item of journal.tail(partition, from, this.#gone.signal)) {
        if (last !== undefined && item.kind === 'opened') last = earlierPosition(last, item.newest)
        await this.#write(item)
        if (last !== undefined && comparePositions(reached(item, from), last) >= 0) break
      }
      await this.#write({ kind: 'end' })
    } catch (error) {
      if (!(error instanceof JournalError)) throw error
      await this.#write({ kind: 'failed', code: error.code, message: error.message })
    }
  }

  /** Resolves when there is room for more, or the reader is gone. */
  async #write(frame: JournalFrame): Promise<void> {
    if (this.#gone.signal.aborted) return
    this.#writtenAtMs = this.#options.clock.elapsedMs()
    let hasRoom = true
    this.#response.cork()
    for (const part of encodeFrame(frame)) hasRoom = this.#response.write(part)
    this.#response.uncork()
    if (!hasRoom) await this.#drained()
    this.#writtenAtMs = this.#options.clock.elapsedMs()
  }

  #drained(): Promise<void> {
    this.#isWaiting = true
    return new Promise((resolve) => {
      const done = () => {
        this.#isWaiting = false
        this.#response.off('drain', done)
        this.#response.off('close', done)
        resolve()
      }
      this.#response.once('drain', done)
      this.#response.once('close', done)
    })
  }

  /** Once a second: says that there is somebody, and cuts off who does not listen. */
  #watch(): void {
    const silentMs = this.#options.clock.elapsedMs() - this.#writtenAtMs
    if (this.#isWaiting) {
      if (silentMs >= JOURNAL_STREAM_STALLED_MS) this.#response.destroy()
    } else if (silentMs >= JOURNAL_STREAM_ALIVE_MS / 2) {
      void this.#write({ kind: 'alive' })
    }
  }
}

function reached(item: TailItem, from: Position): Position {
  return item.kind === 'batch' ? lastPosition(item.header) : from
}
