/** The HTTP server under both exchanges, the simulated one and the replay. */
import type { AddressInfo } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'

/** The port is taken by another program. */
export class ExchangePortInUse extends Error {
  override readonly name = 'ExchangePortInUse'
  readonly code = 'port_in_use'
  readonly retryable = false

  /** @param chosenWith what the user sets to choose another */
  constructor(host: string, port: number, chosenWith: string) {
    super(`port ${port} of ${host} is in use; choose another one with ${chosenWith}`)
  }
}

export function buildApp(): FastifyInstance {
  return fastify({
    logger: false,
    forceCloseConnections: true,
    // A wrong type is to be told, not bent; a misspelt key is not to be dropped.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
    routerOptions: { ignoreTrailingSlash: true },
  })
}

/** Answers the port, which matters where 0 was asked for. @throws ExchangePortInUse */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  chosenWith: string,
): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new ExchangePortInUse(host, port, chosenWith)
    }
    throw error
  }
  return (app.server.address() as AddressInfo).port
}

/** `http://host:port`, of an IPv6 address too. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
