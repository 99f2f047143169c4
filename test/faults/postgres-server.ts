/** A PostgreSQL server of a test's own, so that it can be stopped, killed and put back in time. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { freePort } from '../free-port.ts'
import { until } from '../until.ts'

const run = promisify(execFile)
const { PATH = '', CI } = process.env
const BINARIES = findBinaries()
const STOP_WITHIN_MS = 90_000

/** Whether this machine has the programs; without them their tests are skipped, with `CI` set they fail. */
export const hasPostgresServer = BINARIES !== undefined
if (!hasPostgresServer) {
  if (CI !== undefined) throw new Error('the PostgreSQL server is not installed')
  process.stderr.write('skipped: the PostgreSQL server (initdb, postgres) is not installed\n')
}

interface User {
  readonly uid?: number
  readonly gid?: number
}

export class PostgresServer {
  readonly port: number
  readonly #folder: string
  readonly #user: User
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string, user: User, settings: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#user = user
    this.#settings = settings
  }

  /** Made from nothing, running. `settings`: `name=value`, as for `postgres -c`. */
  static async create(...settings: string[]): Promise<PostgresServer> {
    const user = await serverUser()
    const folder = await mkdtemp(join(tmpdir(), 'fostream-postgres-'))
    await chmod(folder, 0o755)
    if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid)
    const server = new PostgresServer(await freePort(), folder, user, settings)
    const options = ['--username=postgres', '--auth=trust', '--no-sync', '--encoding=UTF8']
    await run(binary('initdb'), ['-D', server.dataDir, ...options], { ...user, cwd: folder })
    await server.start()
    return server
  }

  get dataDir(): string {
    return join(this.#folder, 'data')
  }

  get url(): string {
    return `postgresql://postgres@127.0.0.1:${this.port}/postgres`
  }

  /** On a connection of its own. */
  readonly query = async <Row extends object>(sql: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: this.url, types: valueTypes })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<Row>(sql)).rows
    } finally {
      await client.end()
    }
  }

  /** `more` settings hold until the next start. */
  async start(...more: string[]): Promise<void> {
    // Nothing here outlives the machine, so nothing is synced.
    const settings = ['fsync=off', 'shared_buffers=64MB', ...this.#settings, ...more]
    const place = ['-D', this.dataDir, '-p', String(this.port), '-h', '127.0.0.1']
    const args = [...place, '-k', this.#folder, ...settings.flatMap((each) => ['-c', each])]
    this.#child = spawn(binary('postgres'), args, {
      ...this.#user,
      cwd: this.#folder,
      stdio: 'ignore',
    })
    await until(() => this.#answers(), 90_000)
  }

  /** As an administrator would stop it in a hurry: connections are ended, nothing is lost. */
  async stop(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Without a word; it recovers at its next start. */
  async kill(): Promise<void> {
    await this.#end('SIGQUIT')
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** A copy of the data of a stopped server; returns how to put it back. */
  async backUp(): Promise<() => Promise<void>> {
    const copy = join(this.#folder, 'copy')
    await this.#copy(this.dataDir, copy)
    return async () => {
      await rm(this.dataDir, { recursive: true, force: true })
      await this.#copy(copy, this.dataDir)
    }
  }

  async remove(): Promise<void> {
    if (this.#child?.exitCode === null) await this.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #copy(from: string, to: string): Promise<void> {
    if (this.#user.uid === undefined) await cp(from, to, { recursive: true })
    else await run('cp', ['-a', from, to])
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    child.kill(signal)
    await until(() => child.exitCode !== null || child.signalCode !== null, STOP_WITHIN_MS)
  }

  async #answers(): Promise<boolean> {
    if (this.#child?.exitCode !== null) throw new Error(`postgres in ${this.#folder} has ended`)
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => undefined)
    const isThere = await client.connect().then(
      () => true,
      () => false,
    )
    await client.end().catch(() => undefined)
    return isThere
  }
}

function binary(name: string): string {
  return join(BINARIES ?? '', name)
}

function findBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort().reverse() : []
  const folders = [...PATH.split(delimiter), ...versions.map((v) => join(debian, v, 'bin'))]
  return folders.find((folder) => existsSync(join(folder, 'initdb')))
}

/** The server refuses to run as root: then it is the user that its package made. */
async function serverUser(): Promise<User> {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
  )
  if (uid === undefined || gid === undefined) throw new Error('there is no user postgres')
  return { uid, gid }
}
