/**
 * Ports of this machine where nothing listens: below those that the system gives to outgoing connections,
 * of which one could take the port before the program that it is meant for.
 */
import { createServer } from 'node:net'

const FIRST_PORT = 12_000
const PORTS = 20_000
const given = new Set<number>()

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}

export function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort))
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
