/**
 * One holder of a folder at a time. The lock must die with its process, whatever ends it; Node has no
 * flock, and a lock file outlives a `kill -9`. What dies with a process is a listening socket.
 *
 * On Windows it is a named pipe, whose name the system gives out once. Elsewhere it is a socket file in
 * the folder, and so it holds between containers that share the folder. Each claimant listens under
 * a name of its own, and only then looks at the others:
 *
 *   listen ──▶ look ──▶ nobody else is alive ──▶ held
 *                └────▶ somebody is ──▶ let go; try again if that one was only looking too
 *
 * Of two claimants at least one listened before the other looked, so both can never hold. A file on
 * which nobody listens is a dead process's and is removed: its name is never used again, so nothing
 * living is removed with it.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { FOLDER_LOCK_ANSWER_MS, FOLDER_LOCK_ATTEMPTS } from '../limits.ts'

const PREFIX = '.lock-'
/** The shortest limit among systems (macOS) for the path of a socket. */
const SOCKET_PATH_MAX_BYTES = 103
const NOBODY_LISTENS = ['ECONNREFUSED', 'ENOENT', 'ENOTSOCK']
/** Pauses between attempts of two who claim at the same time, ms: at least, at most. */
const PAUSE_MS = [5, 60] as const

export interface FolderLock {
  readonly folder: string
  /** Lets the folder go; a second call does nothing. */
  release(): Promise<void>
}

/** Another process holds the folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError'
  readonly code = 'folder_locked'
  readonly folder: string

  constructor(folder: string, holder: string) {
    super(
      `${folder} is in use by ${holder}. Stop that one, or give this one a folder of its own with FOSTREAM_DATA_DIR.`,
    )
    this.folder = folder
  }
}

/**
 * Takes the lock of `folder`, which is made where it is absent. `holder` says who holds it, for the
 * message of the next one. Throws `FolderLockedError` where another process holds it.
 */
export async function acquireFolderLock(folder: string, holder: string): Promise<FolderLock> {
  mkdirSync(folder, { recursive: true })
  const path = realpathSync(folder)
  const claim = process.platform === 'win32' ? claimPipe : claimSocketFile
  for (let attempt = 0; attempt < FOLDER_LOCK_ATTEMPTS; attempt += 1) {
    const outcome = await claim(path, `${holder}, process ${process.pid}`)
    if (outcome.kind === 'held') return outcome.lock
    if (outcome.kind === 'taken') throw new FolderLockedError(path, outcome.by)
    await pause(randomInt(...PAUSE_MS))
  }
  throw new FolderLockedError(path, 'others who claim it at this moment')
}

type Outcome =
  | { readonly kind: 'held'; readonly lock: FolderLock }
  | { readonly kind: 'taken'; readonly by: string }
  | { readonly kind: 'contested' }

/** What a claimant answers to whoever connects. */
interface Claim {
  state: 'claiming' | 'held'
  readonly holder: string
}

async function claimSocketFile(folder: string, holder: string): Promise<Outcome> {
  const place = socketFolder(folder)
  const name = `${PREFIX}${randomBytes(4).toString('hex')}`
  const claim: Claim = { state: 'claiming', holder }
  const server = await listen(join(place, name), claim)
  const release = once(() => close(server))
  const other = await livingOther(place, name)
  if (other === undefined && existsSync(join(place, name))) {
    claim.state = 'held'
    return { kind: 'held', lock: { folder, release } }
  }
  await release()
  return other?.state === 'held' ? { kind: 'taken', by: other.holder } : { kind: 'contested' }
}

async function claimPipe(folder: string, holder: string): Promise<Outcome> {
  const pipe = `\\\\.\\pipe\\fostream-${hash(folder.toLowerCase())}`
  try {
    const server = await listen(pipe, { state: 'held', holder })
    return { kind: 'held', lock: { folder, release: once(() => close(server)) } }
  } catch (error) {
    if (!['EADDRINUSE', 'EACCES'].includes(errorCode(error))) throw error
    const other = await ask(pipe)
    return other === undefined ? { kind: 'contested' } : { kind: 'taken', by: other.holder }
  }
}

/** The folder itself, or one for its sockets where its path is too long for a socket's. */
function socketFolder(folder: string): string {
  const longest = Buffer.byteLength(join(folder, `${PREFIX}00000000`))
  if (longest <= SOCKET_PATH_MAX_BYTES) return folder
  const place = join(tmpdir(), `fostream-locks-${hash(folder)}`)
  mkdirSync(place, { recursive: true })
  return place
}

/** The first other claimant that is alive; the leavings of dead ones are removed. */
async function livingOther(place: string, ownName: string): Promise<Claim | undefined> {
  const names = readdirSync(place).filter((name) => name.startsWith(PREFIX) && name !== ownName)
  const claims = await Promise.all(names.map((name) => ask(join(place, name))))
  names.forEach((name, index) => {
    if (claims[index] === undefined) rmSync(join(place, name), { force: true })
  })
  const living = claims.filter((claim) => claim !== undefined)
  return living.find(({ state }) => state === 'held') ?? living[0]
}

function listen(address: string, claim: Claim): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // Who asks may be gone before the answer; that is no error of ours.
      socket.on('error', () => socket.destroy())
      socket.end(JSON.stringify(claim))
    })
    server.once('error', reject)
    server.listen(address, () => resolve(server))
    server.unref()
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

/** What the claimant at `address` says; undefined where nobody listens. One that is mute is a holder. */
function ask(address: string): Promise<Claim | undefined> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(address)
    const timer = setTimeout(() => socket.destroy(), FOLDER_LOCK_ANSWER_MS)
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.once('error', (error) => {
      if (NOBODY_LISTENS.includes(errorCode(error))) resolve(undefined)
      else if (errorCode(error) === 'ECONNRESET') resolve(parseClaim(text))
      else reject(error)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(parseClaim(text))
    })
  })
}

function parseClaim(text: string): Claim {
  try {
    return JSON.parse(text) as Claim
  } catch (error) {
    if (error instanceof SyntaxError)
      return { state: 'held', holder: 'a process that does not answer' }
    throw error
  }
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= action()
    return done
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
