/** An HTTP proxy in front of a ticker that notes which history it is asked for. */
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As it was asked, epoch ms of candles' opening instants, both inclusive. */
export interface AskedHistory {
  readonly token: number
  readonly fromMs: number
  readonly toMs: number
}

export class HistoryProxy {
  readonly asked: AskedHistory[] = []
  readonly #server: Server

  private constructor(targetUrl: string) {
    this.#server = createServer((given, answer) => {
      const path = given.url ?? '/'
      this.#note(new URL(path, targetUrl))
      const { method, headers } = given
      const passed = request(new URL(path, targetUrl), { method, headers }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(answer)
      })
      // Either side ends with the other.
      passed.on('error', () => answer.destroy())
      answer.on('close', () => passed.destroy())
      given.pipe(passed)
    })
  }

  static async start(targetUrl: string): Promise<HistoryProxy> {
    const proxy = new HistoryProxy(targetUrl)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #note({ pathname, searchParams }: URL): void {
    const token = /^\/history\/(\d+)$/.exec(pathname)?.[1]
    if (token === undefined) return
    const msOf = (name: string) => Number(searchParams.get(name)) * 1_000
    this.asked.push({ token: Number(token), fromMs: msOf('from'), toMs: msOf('to') })
  }
}
