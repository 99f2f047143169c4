/**
 * Lets psql and the like into the embedded store: TCP, on this machine only, a few at a time. Who is
 * not let in is told why, in PostgreSQL's own words; who does not read is cut off.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../../kit/clock.ts'
import { EMBEDDED_OUTSIDE_LINGER_MS, EMBEDDED_TCP_CLIENTS } from '../../limits.ts'
import type { PortStream } from './port-stream.ts'
import { fatalMessage } from './wire.ts'

export interface TcpDoor {
  /** The port listened on. */
  readonly port: number
  close(): Promise<void>
}

/** What is behind the door. */
export interface Room {
  /** Why nobody is let in now; undefined where somebody is. */
  closedBecause(): string | undefined
  connectStream(): PortStream
}

/** PostgreSQL's states for a server that takes no more clients, and for one that is not there yet. */
const TOO_MANY = '53300'
const NOT_NOW = '57P03'

/** Listens on `port` (0 = any) of the loopback address; rejects when it is taken. */
export async function openTcpDoor(port: number, room: Room, clock: Clock): Promise<TcpDoor> {
  const sockets = new Set<Socket>()
  let inside = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A client that is gone without a word is noticed some day, and its place is free again.
    socket.setKeepAlive(true)
    const reason = room.closedBecause()
    if (reason !== undefined) return refuse(socket, NOT_NOW, reason, clock)
    if (inside >= EMBEDDED_TCP_CLIENTS) return refuse(socket, TOO_MANY, TOO_MANY_CLIENTS, clock)
    inside++
    socket.on('close', () => inside--)
    join(socket, room.connectStream(), clock)
  })
  server.maxConnections = 2 * EMBEDDED_TCP_CLIENTS
  return { port: await listen(server, port), close: () => close(server, sockets) }
}

const TOO_MANY_CLIENTS = `the embedded store takes ${EMBEDDED_TCP_CLIENTS} programs at once`

function refuse(socket: Socket, sqlState: string, reason: string, clock: Clock): void {
  // Nobody is left to be told of a refusal that did not arrive.
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(fatalMessage(sqlState, reason))
  destroyLater(socket, clock)
}

function join(socket: Socket, stream: PortStream, clock: Clock): void {
  socket.setNoDelay(true)
  // Either side's end, in order or not, is the end of both; there is nobody here to tell.
  socket.on('error', () => stream.destroy())
  stream.on('error', () => socket.destroySoon())
  socket.on('close', () => stream.destroy())
  stream.on('close', () => {
    socket.destroySoon()
    destroyLater(socket, clock)
  })
  socket.pipe(stream)
  stream.on('data', (piece: Buffer) => {
    socket.write(piece, () => stream.acknowledge(piece.byteLength))
  })
}

/** What is still to be sent may never be read. */
function destroyLater(socket: Socket, clock: Clock): void {
  const cancel = clock.after(EMBEDDED_OUTSIDE_LINGER_MS, () => socket.destroy())
  socket.on('close', cancel)
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
