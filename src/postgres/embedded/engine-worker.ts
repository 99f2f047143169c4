/**
 * The engine's thread: PGlite blocks it while a statement runs, so nothing else lives here but the
 * gateway. Anything unexpected is left uncaught: the thread ends, and the main thread starts another.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../kit/clock.ts'
import { invariant } from '../../kit/invariant.ts'
import {
  EMBEDDED_CHECKPOINT_PERIOD_MS,
  EMBEDDED_OUTSIDE_UNREAD_BYTES,
  EMBEDDED_OUTSIDE_UNREAD_WAIT_MS,
} from '../../limits.ts'
import { PgliteEngine } from './engine.ts'
import {
  ACTIVITY,
  type EngineData,
  type FromEngine,
  type ToEngine,
  type Unread,
} from './engine-protocol.ts'
import { type ClientSink, type Engine, Gateway } from './gateway.ts'

const main = parentPort
invariant(main !== null, 'engine-worker runs in a worker thread')

const { folder, activity } = workerData as EngineData
const engine = await PgliteEngine.open(folder)
const figures = new Int32Array(activity)
const gateway = new Gateway(watched(engine, figures), systemClock)
const stopHousekeeping = systemClock.every(EMBEDDED_CHECKPOINT_PERIOD_MS, () => {
  if (gateway.isFree) engine.checkpointIfDue()
})

main.on('message', (message: ToEngine) => {
  if (message.kind === 'connect') connect(message.port, message.unread)
  else void close(main)
})
say(main, { kind: 'ready' })

function connect(port: MessagePort, unread: Unread | undefined): void {
  const sink = unread === undefined ? ownSink(port) : outsideSink(port, new Int32Array(unread))
  const client = gateway.connect(sink, { isOutside: unread !== undefined })
  port.on('message', (chunk: Uint8Array) => {
    client.receive(chunk)
    Atomics.store(figures, ACTIVITY.jobsHighWater, gateway.jobsHighWater)
  })
  port.on('close', () => client.gone())
}

function ownSink(port: MessagePort): ClientSink {
  return {
    send: (piece: Uint8Array<ArrayBuffer>) => port.postMessage(piece, [piece.buffer]),
    isFull: () => false,
    end: () => port.close(),
  }
}

/** A client that does not read holds the engine up for a moment, then gets no more. */
function outsideSink(port: MessagePort, unread: Int32Array): ClientSink {
  const own = ownSink(port)
  let patienceMs = EMBEDDED_OUTSIDE_UNREAD_WAIT_MS
  const waitForReader = () => {
    const sinceMs = systemClock.elapsedMs()
    const bytes = Atomics.load(unread, 0)
    if (bytes > EMBEDDED_OUTSIDE_UNREAD_BYTES) Atomics.wait(unread, 0, bytes, patienceMs)
    patienceMs -= systemClock.elapsedMs() - sinceMs
  }
  return {
    send: (piece) => {
      Atomics.add(unread, 0, piece.byteLength)
      own.send(piece)
      while (patienceMs > 0 && Atomics.load(unread, 0) > EMBEDDED_OUTSIDE_UNREAD_BYTES) {
        waitForReader()
      }
      if (Atomics.load(unread, 0) === 0) patienceMs = EMBEDDED_OUTSIDE_UNREAD_WAIT_MS
    },
    isFull: () => patienceMs <= 0,
    end: own.end,
  }
}

async function close(to: MessagePort): Promise<void> {
  stopHousekeeping()
  await engine.close()
  say(to, { kind: 'closed' })
  to.close()
}

function say(to: MessagePort, message: FromEngine): void {
  to.postMessage(message)
}

/** Counts statements as they begin and end, so that the main thread can see one that does not end. */
function watched(inner: Engine, counter: Int32Array): Engine {
  return {
    greeting: inner.greeting,
    isInTransaction: () => inner.isInTransaction(),
    execute: (messages, onAnswer, mayGoOn) => {
      Atomics.store(counter, ACTIVITY.isOutside, mayGoOn === undefined ? 0 : 1)
      Atomics.add(counter, ACTIVITY.statements, 1)
      inner.execute(messages, onAnswer, mayGoOn)
      Atomics.add(counter, ACTIVITY.statements, 1)
    },
  }
}
