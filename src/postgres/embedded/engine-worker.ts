/**
 * The engine's thread: PGlite blocks it while a statement runs, so nothing else lives here but the
 * gateway. Anything unexpected is left uncaught: the thread ends, and the main thread starts another.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../kit/clock.ts'
import { invariant } from '../../kit/invariant.ts'
import { EMBEDDED_CHECKPOINT_PERIOD_MS } from '../../limits.ts'
import { PgliteEngine } from './engine.ts'
import type { EngineData, FromEngine, ToEngine } from './engine-protocol.ts'
import { type Engine, Gateway } from './gateway.ts'

const main = parentPort
invariant(main !== null, 'engine-worker runs in a worker thread')

const { folder, activity } = workerData as EngineData
const engine = await PgliteEngine.open(folder)
const gateway = new Gateway(watched(engine, new Int32Array(activity)), systemClock)
const stopHousekeeping = systemClock.every(EMBEDDED_CHECKPOINT_PERIOD_MS, () => {
  if (gateway.isFree) engine.checkpointIfDue()
})

main.on('message', (message: ToEngine) => {
  if (message.kind === 'connect') connect(message.port, message.isOutside)
  else void close(main)
})
say(main, { kind: 'ready' })

function connect(port: MessagePort, isOutside: boolean): void {
  const sink = {
    send: (piece: Uint8Array<ArrayBuffer>) => port.postMessage(piece, [piece.buffer]),
    end: () => port.close(),
  }
  const client = gateway.connect(sink, { isOutside })
  port.on('message', (chunk: Uint8Array) => client.receive(chunk))
  port.on('close', () => client.gone())
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
    execute: (messages, onAnswer) => {
      Atomics.add(counter, 0, 1)
      inner.execute(messages, onAnswer)
      Atomics.add(counter, 0, 1)
    },
  }
}
