/**
 * The engine's thread as the main thread holds it: started, watched, connected to, closed.
 *
 * A running statement can be cancelled only from within. One that takes too long all the same costs
 * the whole thread, just as a dead engine does; whoever holds this starts another.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Clock } from '../../kit/clock.ts'
import {
  EMBEDDED_CLOSE_TIMEOUT_MS,
  EMBEDDED_OPEN_TIMEOUT_MS,
  EMBEDDED_OUTSIDE_OVERRUN_MS,
  EMBEDDED_STATEMENT_MAX_MS,
  EMBEDDED_WATCH_PERIOD_MS,
} from '../../limits.ts'
import {
  ACTIVITY,
  ACTIVITY_BYTES,
  type EngineData,
  type FromEngine,
  type ToEngine,
  type Unread,
} from './engine-protocol.ts'

/** A statement did not end, and the thread was ended because of it. */
export class StatementOverrunError extends Error {
  override readonly name = 'StatementOverrunError'
  readonly code = 'STATEMENT_OVERRUN'
  readonly isOutside: boolean

  constructor(isOutside: boolean, limitMs: number) {
    const whose = isOutside ? 'a statement of another program' : 'a statement'
    super(`${whose} took longer than ${limitMs} ms`)
    this.isOutside = isOutside
  }
}

export class EngineThread {
  /** Settles when the thread has ended, with the reason; undefined after `close`. */
  readonly ended: Promise<Error | undefined>
  readonly #worker: Worker
  readonly #activity: Int32Array
  readonly #clock: Clock
  #failure: Error | undefined
  #isClosing = false

  /** Opens the cluster in `folder`. Rejects with the engine's reason when that does not succeed. */
  static async start(folder: string, clock: Clock): Promise<EngineThread> {
    const thread = new EngineThread(folder, clock)
    await thread.#untilReady()
    thread.#watch()
    return thread
  }

  private constructor(folder: string, clock: Clock) {
    const data: EngineData = { folder, activity: new SharedArrayBuffer(ACTIVITY_BYTES) }
    this.#clock = clock
    this.#activity = new Int32Array(data.activity)
    this.#worker = new Worker(new URL('./engine-worker.js', import.meta.url), { workerData: data })
    this.#worker.on('error', (error: Error) => {
      this.#failure ??= error
    })
    this.ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => resolve(this.#reasonOfEnd(code)))
    })
  }

  /** The most statements that one client ever had waiting. */
  get jobsHighWater(): number {
    return Atomics.load(this.#activity, ACTIVITY.jobsHighWater)
  }

  /** A new client's end of its connection; `unread` where the client is a program that is not ours. */
  connect(unread?: Unread): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#say({ kind: 'connect', port: port2, unread }, [port2])
    return port1
  }

  /** Writes a last checkpoint and ends the thread; false when it had to be cut short. */
  async close(): Promise<boolean> {
    this.#isClosing = true
    const closed = this.#next('closed', EMBEDDED_CLOSE_TIMEOUT_MS)
    this.#say({ kind: 'close' }, [])
    const inOrder = await closed.then(
      () => true,
      () => false,
    )
    await this.#worker.terminate()
    return inOrder
  }

  async #untilReady(): Promise<void> {
    try {
      await this.#next('ready', EMBEDDED_OPEN_TIMEOUT_MS)
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
      await this.#worker.terminate()
      throw error
    }
  }

  /** Waits for one kind of message, the thread's end or the time. */
  #next(kind: FromEngine['kind'], withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.#clock.after(withinMs, () =>
        reject(new Error(`the engine was not ${kind} within ${withinMs} ms`)),
      )
      this.#worker.on('message', (message: FromEngine) => {
        if (message.kind !== kind) return
        stopTimer()
        resolve()
      })
      void this.ended.then((reason) => {
        stopTimer()
        reject(reason ?? new Error('the engine is closed'))
      })
    })
  }

  #watch(): void {
    let seen = 0
    let busyMs = 0
    const stop = this.#clock.every(EMBEDDED_WATCH_PERIOD_MS, () => {
      const count = Atomics.load(this.#activity, ACTIVITY.statements)
      const isStillBusy = count === seen && Math.abs(count % 2) === 1
      // Looks are counted, not time: a machine that slept has not worked meanwhile.
      busyMs = isStillBusy ? busyMs + EMBEDDED_WATCH_PERIOD_MS : 0
      seen = count
      this.#endOverrun(busyMs)
    })
    void this.ended.then(stop)
  }

  #endOverrun(busyMs: number): void {
    const isOutside = Atomics.load(this.#activity, ACTIVITY.isOutside) === 1
    const limitMs = isOutside ? EMBEDDED_OUTSIDE_OVERRUN_MS : EMBEDDED_STATEMENT_MAX_MS
    if (busyMs < limitMs) return
    this.#failure ??= new StatementOverrunError(isOutside, limitMs)
    void this.#worker.terminate()
  }

  #reasonOfEnd(code: number): Error | undefined {
    if (this.#failure !== undefined) return this.#failure
    return this.#isClosing ? undefined : new Error(`the engine's thread ended with code ${code}`)
  }

  #say(message: ToEngine, transfer: MessagePort[]): void {
    this.#worker.postMessage(message, transfer)
  }
}
