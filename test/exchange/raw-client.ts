/** A client that remembers every message just as it came. */
import { WebSocket } from 'ws'
import type { ExchangeAccount } from '../../src/exchange/serve.ts'
import { decodeFrame, type FrameFault } from '../../src/kite/frame.ts'
import type { KiteTick } from '../../src/kite/packet.ts'
import { until } from '../until.ts'
import { afterTest } from './exchange-under-test.ts'

export class RawClient {
  readonly ticks: KiteTick[] = []
  readonly faults: FrameFault[] = []
  readonly texts: string[] = []
  readonly frames: Buffer[] = []
  heartbeats = 0
  /** Set once the connection is closed. */
  closeCode: number | undefined
  private readonly socket: WebSocket

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, isBinary) => this.hear(data, isBinary))
    socket.on('close', (code) => {
      this.closeCode = code
    })
    socket.on('error', () => undefined)
    afterTest(() => socket.terminate())
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  /** Packets of any kind, broken ones too. */
  get packets(): number {
    return this.ticks.length + this.faults.length
  }

  say(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  subscribe(tokens: readonly number[], mode?: string): void {
    this.say({ a: 'subscribe', v: tokens })
    if (mode !== undefined) this.say({ a: 'mode', v: [mode, tokens] })
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  close(): void {
    this.socket.close()
  }

  /** An answer to a ping shows that the other side reads and that all before it has arrived. */
  async settle(): Promise<void> {
    let answered = false
    this.socket.once('pong', () => {
      answered = true
    })
    this.socket.ping()
    await until(() => answered)
  }

  private hear(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.texts.push(data.toString())
      return
    }
    const kind = decodeFrame(data, {
      onTick: (tick) => this.ticks.push(tick),
      onFault: (fault) => this.faults.push(fault),
    })
    if (kind === 'heartbeat') this.heartbeats++
    else this.frames.push(data)
  }
}

/** Connects, or answers the HTTP status with which the exchange refuses. */
export function connect(
  url: string,
  { apiKey, accessToken }: Pick<ExchangeAccount, 'apiKey' | 'accessToken'>,
  more = '',
): Promise<RawClient | number> {
  const query = `api_key=${apiKey}&access_token=${accessToken}${more}`
  const socket = new WebSocket(`${url.replace('http', 'ws')}/?${query}`)
  return new Promise((resolve, reject) => {
    const client = new RawClient(socket)
    socket.once('open', () => resolve(client))
    socket.once('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0)
      socket.terminate()
    })
    socket.once('error', reject)
  })
}

export async function connected(
  url: string,
  account: Pick<ExchangeAccount, 'apiKey' | 'accessToken'>,
  more = '',
): Promise<RawClient> {
  const client = await connect(url, account, more)
  if (typeof client === 'number') throw new Error(`refused with ${client}`)
  return client
}
