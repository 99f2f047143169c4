/** Lets psql and the like into the embedded store: TCP, on this machine only, a few at a time. */
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { EMBEDDED_TCP_CLIENTS } from '../../limits.ts'

export interface TcpDoor {
  /** The port listened on. */
  readonly port: number
  close(): Promise<void>
}

/** Listens on `port` (0 = any) of the loopback address; rejects when it is taken. */
export async function openTcpDoor(port: number, connectStream: () => Duplex): Promise<TcpDoor> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    join(socket, connectStream())
  })
  server.maxConnections = EMBEDDED_TCP_CLIENTS
  return { port: await listen(server, port), close: () => close(server, sockets) }
}

function join(socket: Socket, stream: Duplex): void {
  socket.setNoDelay(true)
  // Either side's end, in order or not, is the end of both; there is nobody here to tell.
  socket.on('error', () => stream.destroy())
  stream.on('error', () => socket.destroy())
  socket.on('close', () => stream.destroy())
  stream.on('close', () => socket.destroySoon())
  socket.pipe(stream)
  stream.pipe(socket)
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  for (const socket of sockets) socket.destroy()
  return closed
}
