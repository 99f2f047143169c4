/** A ticker's REST API that answers as a test says and notes what it was asked. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

export type Reply =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body: unknown }
  /** Takes the question and says nothing. */
  | 'never'
  /** Hangs up in the middle of the answer. */
  | 'broken'

export interface ScriptedTicker {
  readonly url: string
  readonly asked: Asked[]
  answer: (asked: Asked) => Reply
  stop(): Promise<void>
}

/** Stopped after each test. Call at the top of a file. */
export function scriptedTickers(): (answer: ScriptedTicker['answer']) => Promise<ScriptedTicker> {
  const running: ScriptedTicker[] = []
  afterEach(async () => {
    for (const ticker of running.splice(0)) await ticker.stop()
  })
  return async (answer) => {
    const ticker = await start(answer)
    running.push(ticker)
    return ticker
  }
}

async function start(answer: ScriptedTicker['answer']): Promise<ScriptedTicker> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const url = new URL(request.url ?? '/', 'http://ticker')
    const question: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    }
    asked.push(question)
    const reply = ticker.answer(question)
    if (reply === 'never') return
    if (reply === 'broken') {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('[{"instrument_token":', () => response.destroy())
      return
    }
    const { status = 200, headers, body } = reply
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const ticker: ScriptedTicker = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer,
    stop: () => {
      server.closeAllConnections()
      return new Promise((resolve) => {
        server.close(() => resolve())
      })
    },
  }
  return ticker
}
