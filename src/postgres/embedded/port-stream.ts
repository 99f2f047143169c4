/**
 * A MessagePort as the stream that the `pg` driver takes for a socket. Chunks are copied once into
 * memory of their own and handed over, since a view would be copied with all that lies behind it.
 */
import { Duplex } from 'node:stream'
import type { MessagePort } from 'node:worker_threads'
import type { Unread } from './engine-protocol.ts'

type Done = (error?: Error | null) => void

export class PortStream extends Duplex {
  /** Undefined where the engine is not there: connecting fails as on a closed port. */
  readonly #port: MessagePort | undefined
  readonly #unread: Int32Array | undefined

  /** @param unread where a reader that may be slow is to be told what left: see `acknowledge` */
  constructor(port: MessagePort | undefined, unread?: Unread) {
    super()
    this.#port = port
    this.#unread = unread === undefined ? undefined : new Int32Array(unread)
    port?.on('message', (piece: Uint8Array) => {
      this.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
    })
    port?.on('close', () => this.#disconnected())
  }

  /** As of a socket; the driver calls it and waits for `connect`. */
  connect(): this {
    if (this.#port === undefined)
      this.destroy(connectionError('ECONNREFUSED', 'the embedded store is not running'))
    else process.nextTick(() => this.emit('connect'))
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    this.#port?.ref()
    return this
  }

  unref(): this {
    this.#port?.unref()
    return this
  }

  /** Bytes of the answer have left this process; an engine that waits for that goes on. */
  acknowledge(bytes: number): void {
    if (this.#unread === undefined) return
    Atomics.sub(this.#unread, 0, bytes)
    Atomics.notify(this.#unread, 0)
  }

  override _read(): void {
    // Pieces are pushed as they come: the driver has one statement out at a time.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send(new Uint8Array(chunk))
    done()
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#send(new Uint8Array(Buffer.concat(chunks.map(({ chunk }) => chunk))))
    done()
  }

  override _final(done: Done): void {
    this.#port?.close()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#port?.close()
    done(error)
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#port?.postMessage(bytes, [bytes.buffer])
  }

  #disconnected(): void {
    this.push(null)
    if (!this.writableEnded)
      this.destroy(connectionError('ECONNRESET', 'the embedded store closed the connection'))
  }
}

function connectionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
