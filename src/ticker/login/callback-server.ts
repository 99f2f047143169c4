/**
 * The loopback door that the broker sends the browser back to. It serves one login:
 *
 *   open ──a callback of this login──▶ answering ──▶ closed
 *    └──anything else: told so, and the door stays open
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Callback, LOGIN_CALLBACK_PATH, loginCallbackUrl, readCallback } from './callback.ts'
import { LoginError } from './login-error.ts'
import { loginPage } from './page.ts'

export interface CallbackDoor {
  /** The first callback that belongs to this login. */
  readonly callback: Promise<Callback>
  /** Shows the end of the login in the browser that waits for it, and closes the door. */
  close(title: string, text: string): Promise<void>
}

const HOST = '127.0.0.1'

/** @throws LoginError `port_in_use` */
export async function openCallbackDoor(
  port: number,
  state: string,
  onForeign: () => void,
): Promise<CallbackDoor> {
  const door = new Door(state, onForeign)
  const server = createServer((request, response) => door.onRequest(request, response))
  await listen(server, port)
  return {
    callback: door.callback,
    close: (title, text) => door.answer(title, text).then(() => closed(server)),
  }
}

class Door {
  readonly callback: Promise<Callback>
  readonly #state: string
  readonly #onForeign: () => void
  #resolve: (callback: Callback) => void = () => undefined
  #waiting: ServerResponse | undefined

  constructor(state: string, onForeign: () => void) {
    this.#state = state
    this.#onForeign = onForeign
    this.callback = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', `http://${HOST}`)
    if (request.method !== 'GET' || url.pathname !== LOGIN_CALLBACK_PATH) {
      void send(response, 404, 'Nothing here', 'Only the way back from the login is answered here.')
      return
    }
    const callback = readCallback(url.searchParams, this.#state)
    if (callback.kind === 'foreign' || callback.kind === 'incomplete') {
      this.#onForeign()
      const text = 'Open the link that fostream login printed, and log in there.'
      void send(response, 400, 'This login was not begun here', text)
      return
    }
    if (this.#waiting !== undefined) {
      const text = 'The first answer of the broker counts; look at the first window.'
      void send(response, 409, 'This login is under way already', text)
      return
    }
    this.#waiting = response
    this.#resolve(callback)
  }

  async answer(title: string, text: string): Promise<void> {
    if (this.#waiting !== undefined) await send(this.#waiting, 200, title, text)
  }
}

function send(response: ServerResponse, code: number, title: string, text: string): Promise<void> {
  response.writeHead(code, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    connection: 'close',
  })
  return new Promise((resolve) => {
    // A browser that is gone is not told.
    response.once('close', resolve)
    response.end(loginPage(title, text))
  })
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return reject(error)
      const message = `Port ${port} of ${HOST} cannot be used (${error.code}). End the other login, or set KITE_LOGIN_PORT and register ${loginCallbackUrl(port + 1)} or the like as the redirect URL; fostream login --paste needs no port.`
      reject(new LoginError('port_in_use', message, { cause: error }))
    })
    server.listen(port, HOST, resolve)
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
