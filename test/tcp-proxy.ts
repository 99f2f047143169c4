/** A TCP proxy on loopback that can cut, stall, delay and damage what passes through it. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<{ readonly client: Socket; readonly target: Socket }>()
  readonly #forgotten: Socket[] = []
  #isStalled = false
  #delayMs = 0
  #isRefusing = false
  /** Bytes from the server until one of them is flipped; undefined = none is. */
  #flipAfter: number | undefined
  /** Messages in either direction until everything is cut; undefined = no end. */
  #cutAfter: number | undefined
  connections = 0
  /** Reads of what the server sent. */
  pieces = 0

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => this.#accept(client, target))
  }

  static async start(targetUrl: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(targetUrl)
    const proxy = new TcpProxy({ host: hostname, port: Number(port) })
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed')
    return address.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Ends every connection; new ones are taken. */
  cut(): void {
    for (const { client, target } of this.#pairs) {
      client.destroy()
      target.destroy()
    }
  }

  /** Connections are refused, or taken again. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing
    if (isRefusing) this.cut()
  }

  /** Nothing passes in either direction, and nobody is told: a half-open connection. */
  stall(isStalled: boolean): void {
    this.#isStalled = isStalled
    for (const { client, target } of this.#pairs) {
      for (const socket of [client, target]) isStalled ? socket.pause() : socket.resume()
    }
  }

  /** Connections of now stay open and carry nothing any more, as behind a router that forgot them; new ones work. */
  forget(): void {
    for (const { client, target } of this.#pairs) {
      client.pause()
      target.pause()
      this.#forgotten.push(client, target)
    }
    this.#pairs.clear()
  }

  /** What clients send from now on reaches the server that much later. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Flips one bit of what the server sends, `bytes` from now. */
  damageAfter(bytes: number): void {
    this.#flipAfter = bytes
  }

  /** Lets that many messages pass, in either direction, then refuses as `refuse` does. */
  cutAfter(messages: number): void {
    this.#cutAfter = messages
  }

  get isRefusing(): boolean {
    return this.#isRefusing
  }

  async stop(): Promise<void> {
    this.cut()
    for (const socket of this.#forgotten) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(client: Socket, { host, port }: { readonly host: string; readonly port: number }): void {
    this.connections++
    if (this.#isRefusing) {
      client.destroy()
      return
    }
    const target = connect(port, host)
    const pair = { client, target }
    this.#pairs.add(pair)
    const held: { readonly dueMs: number; readonly data: Buffer }[] = []
    const pass = () => {
      while (held[0] !== undefined && held[0].dueMs <= performance.now()) {
        target.write(held.shift()?.data ?? '')
      }
      if (held[0] !== undefined) setTimeout(pass, held[0].dueMs - performance.now())
    }
    client.on('data', (data) => {
      if (this.#isOver()) return
      if (this.#delayMs === 0 && held.length === 0) target.write(data)
      else if (held.push({ dueMs: performance.now() + this.#delayMs, data }) === 1) pass()
    })
    target.on('data', (data) => {
      this.pieces++
      if (!this.#isOver()) client.write(this.#damaged(data))
    })
    const end = () => {
      client.destroy()
      target.destroy()
      this.#pairs.delete(pair)
    }
    for (const socket of [client, target]) {
      socket.on('error', end)
      socket.on('close', end)
    }
    if (this.#isStalled) this.stall(true)
  }

  /** Counts a message; true where it must not pass any more. */
  #isOver(): boolean {
    if (this.#cutAfter === undefined) return false
    if (this.#cutAfter-- > 0) return false
    this.#cutAfter = undefined
    this.refuse(true)
    return true
  }

  #damaged(data: Buffer): Buffer {
    if (this.#flipAfter === undefined) return data
    if (this.#flipAfter >= data.length) {
      this.#flipAfter -= data.length
      return data
    }
    const changed = Buffer.from(data)
    changed[this.#flipAfter] = (changed[this.#flipAfter] ?? 0) ^ 0x10
    this.#flipAfter = undefined
    return changed
  }
}
