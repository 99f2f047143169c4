/**
 * A lock that dies with its process, whatever ends it: a listening socket named by the folder. Node
 * has no flock, and a lock file outlives a `kill -9`.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpathSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How a connection to the holder ends, or does not begin, when it lets go or dies. */
const HOLDER_IS_GONE = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE']

/** Runs `task` while holding the lock of `folder`; waits for whoever holds it, telling `onWait` once. */
export async function withProcessLock(folder, { onWait, task }) {
  const address = lockAddress(folder)
  let server = await listen(address)
  if (server === undefined) onWait()
  while (server === undefined) {
    await holderEnds(address)
    server = await listen(address)
  }
  const waiting = new Set()
  server.on('connection', (socket) => {
    waiting.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => waiting.delete(socket))
  })
  try {
    return await task()
  } finally {
    server.close()
    for (const socket of waiting) socket.destroy()
  }
}

/** Linux's abstract sockets and Windows' named pipes leave nothing behind; elsewhere a file may stay. */
function lockAddress(folder) {
  const name = createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 24)
  if (process.platform === 'linux') return `\0fostream-build-${name}`
  if (process.platform === 'win32') return `\\\\.\\pipe\\fostream-build-${name}`
  return join(tmpdir(), `fostream-build-${name}.sock`)
}

/** The listening server, or undefined where somebody else listens. */
async function listen(address) {
  const server = createServer()
  server.listen(address)
  try {
    await once(server, 'listening')
    return server
  } catch (error) {
    if (error.code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** Resolves when the holder lets go or dies. A socket file that nobody listens on is removed. */
function holderEnds(address) {
  return new Promise((resolve, reject) => {
    const socket = connect(address)
    socket.on('error', (error) => {
      if (!HOLDER_IS_GONE.includes(error.code)) reject(error)
      const leavesFile = !/^(\0|\\\\)/.test(address)
      if (error.code === 'ECONNREFUSED' && leavesFile) rmSync(address, { force: true })
    })
    socket.on('close', resolve)
    socket.resume()
  })
}
