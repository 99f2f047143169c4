/**
 * A ticker's journal, read over HTTP by another process: the same `TickLog` as the journal itself.
 *
 * A reader's stream is opened anew whenever it is cut, damaged or silent, and goes on behind the last
 * batch that was handed out; nothing is skipped and nothing comes twice. Only bytes that this program
 * cannot read, or another journal than the one that was there before, end it for good.
 *
 *   connect ──▶ frames ──▶ (cut, damaged, silent) ──▶ pause ──▶ connect from the last position
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Value } from 'typebox/value'
import type { TickLog } from '../backend/ports.ts'
import { JournalInfo } from '../contract/api/journal.ts'
import type { Feed, Position, TailItem } from '../contract/journal-record.ts'
import {
  FrameDecoder,
  JournalStreamError,
  UnknownBatchVersion,
} from '../contract/journal-stream.ts'
import { type Backoff, backoffDelayMs } from '../kit/backoff.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { pause } from '../kit/pause.ts'
import {
  JOURNAL_STREAM_COMMITTED_PERIOD_MS,
  JOURNAL_STREAM_RETRY_FIRST_MS,
  JOURNAL_STREAM_RETRY_MAX_MS,
  JOURNAL_STREAM_SILENT_MS,
} from '../limits.ts'
import { lastPosition } from './chain-reader.ts'
import { JournalError } from './journal-error.ts'

export type TickerAddress = Pick<RemoteJournalOptions, 'url' | 'headers'>

export interface RemoteJournalOptions {
  /** Of the ticker: `http://host:port`. */
  readonly url: string
  /** Sent with every request, such as an API key. */
  readonly headers?: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
}

const RETRY: Backoff = {
  firstMs: JOURNAL_STREAM_RETRY_FIRST_MS,
  capMs: JOURNAL_STREAM_RETRY_MAX_MS,
}

/**
 * Whose journal is at `url`, asked until somebody answers; what keeps it from answering is logged
 * and told to `onWaiting` once. Rejects when `signal` aborts.
 */
export async function findRemoteJournal(
  options: RemoteJournalOptions,
  signal: AbortSignal,
  onWaiting: () => void = () => undefined,
): Promise<RemoteJournal> {
  const { clock, log, random, url } = options
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      const info = await askInfo(options, signal)
      log.info({ url, ...info }, 'Ticker found')
      return new RemoteJournal(options, info)
    } catch (err) {
      signal.throwIfAborted()
      if (attempt === 0) {
        log.warn({ err, url }, 'Waiting for the ticker')
        onWaiting()
      }
      await pause(clock, backoffDelayMs(RETRY, attempt, random), signal)
    }
  }
}

export class RemoteJournal implements TickLog {
  readonly producer: string
  readonly feed: Feed
  readonly partitions: readonly number[]
  readonly #options: RemoteJournalOptions
  readonly #toTell = new Map<string, Position>()
  #isTelling = false

  constructor(options: RemoteJournalOptions, info: JournalInfo) {
    this.#options = options
    this.producer = info.producer
    this.feed = info.feed
    this.partitions = info.partitions
  }

  async *tail(partition: number, from: Position, signal: AbortSignal): AsyncGenerator<TailItem> {
    const { clock, random } = this.#options
    const outage = new Outage(this.#options, partition)
    let position = from
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        for await (const item of this.#stream(partition, position, signal)) {
          attempt = 0
          outage.over()
          if (item.kind === 'batch') position = lastPosition(item.header)
          yield item
        }
      } catch (error) {
        if (signal.aborted) return
        if (isFinal(error)) throw error
        outage.note(error)
      }
      await pause(clock, backoffDelayMs(RETRY, attempt, random), signal)
    }
  }

  /** Told to the journal once a second, the newest of each consumer and partition. */
  committed(consumer: string, partition: number, position: Position): void {
    this.#toTell.set(`${partition}/consumers/${consumer}`, position)
    if (this.#isTelling) return
    this.#isTelling = true
    this.#options.clock.after(JOURNAL_STREAM_COMMITTED_PERIOD_MS, () => {
      this.#isTelling = false
      void this.#tell()
    })
  }

  /** What does not arrive is told again with the next commit: segments just stay a little longer. */
  async #tell(): Promise<void> {
    const told = [...this.#toTell]
    this.#toTell.clear()
    for (const [path, position] of told) {
      try {
        await putJson(this.#options, `journal/${path}`, position)
      } catch (err) {
        this.#options.log.debug({ err, path }, 'Position was not told to the journal')
      }
    }
  }

  /** One connection's items. */
  async *#stream(
    partition: number,
    from: Position,
    signal: AbortSignal,
  ): AsyncGenerator<TailItem, void, void> {
    const path = `journal/${partition}?from=${from.epoch}-${from.sequence}`
    const answer = await openRequest(this.#options, 'GET', path, signal)
    const decoder = new FrameDecoder()
    try {
      for await (const piece of answer) {
        for (const frame of decoder.push(piece as Uint8Array)) {
          if (frame.kind === 'end') return
          if (frame.kind === 'failed') throw failure(frame.code, frame.message)
          if (frame.kind === 'opened') this.#check(frame)
          if (frame.kind !== 'alive') yield frame
        }
      }
      throw new JournalStreamError('the connection was cut')
    } finally {
      answer.destroy()
    }
  }

  #check({ producer, feed }: TailItem & { kind: 'opened' }): void {
    if (producer === this.producer && feed === this.feed) return
    const { url } = this.#options
    throw new JournalError(
      'wrong_feed',
      `${url} was ticker ${this.producer} of feed ${this.feed}, and is now ${producer} of ${feed}; restart the backend if that is meant`,
    )
  }
}

/** Says once that a stream is away, and once that it is back. */
class Outage {
  readonly #options: RemoteJournalOptions
  readonly #partition: number
  #sinceMs: number | undefined

  constructor(options: RemoteJournalOptions, partition: number) {
    this.#options = options
    this.#partition = partition
  }

  note(err: unknown): void {
    if (this.#sinceMs !== undefined) return
    const { clock, log, url } = this.#options
    this.#sinceMs = clock.elapsedMs()
    log.warn({ err, url, partition: this.#partition }, 'Journal stream lost, trying again')
  }

  over(): void {
    if (this.#sinceMs === undefined) return
    const { clock, log, url } = this.#options
    const away_ms = Math.round(clock.elapsedMs() - this.#sinceMs)
    this.#sinceMs = undefined
    log.info({ url, partition: this.#partition, away_ms }, 'Journal stream is back')
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof UnknownBatchVersion || (error instanceof JournalError && !error.retryable)
}

/** A journal that merely cannot read its disk now may do so later. */
function failure(code: string, message: string): Error {
  return code === 'unknown_version'
    ? new JournalError('unknown_version', message)
    : new JournalStreamError(message)
}

/** Whose journal it is; rejects where nobody answers like a ticker. */
export async function askInfo(options: TickerAddress, signal: AbortSignal): Promise<JournalInfo> {
  const answer = await openRequest(options, 'GET', 'journal', signal)
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  const info: unknown = JSON.parse(Buffer.concat(pieces).toString())
  if (!Value.Check(JournalInfo, info)) {
    throw new JournalStreamError(`${options.url} does not answer like a ticker`)
  }
  return info
}

async function putJson(options: RemoteJournalOptions, path: string, body: object): Promise<void> {
  const signal = new AbortController().signal
  const answer = await openRequest(options, 'PUT', path, signal, JSON.stringify(body))
  answer.resume()
}

/** Resolves with an answer of status 2xx; silence ends it, before the answer or in it. */
export function openRequest(
  { url, headers }: TickerAddress,
  method: 'GET' | 'PUT',
  path: string,
  signal: AbortSignal,
  body?: string,
): Promise<IncomingMessage> {
  const target = new URL(path, url.endsWith('/') ? url : `${url}/`)
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const request = send(target, {
      method,
      signal,
      agent: false,
      timeout: JOURNAL_STREAM_SILENT_MS,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    })
    request.once('timeout', () => request.destroy(new JournalStreamError('nothing is heard')))
    request.once('error', reject)
    request.once('response', (answer) => {
      const status = answer.statusCode ?? 0
      if (status >= 200 && status < 300) return resolve(answer)
      answer.destroy()
      reject(new JournalStreamError(`${target.pathname} is answered with status ${status}`))
    })
    request.end(body)
  })
}
