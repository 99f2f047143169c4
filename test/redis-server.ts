/** A Redis server of a test's own, so that it can be killed, paused and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

const { PATH = '', CI } = process.env

/** Whether this machine has the program; without it its tests are skipped, with `CI` set they fail. */
export const hasRedisServer = PATH.split(delimiter).some((folder) =>
  existsSync(join(folder, 'redis-server')),
)
if (!hasRedisServer) {
  if (CI !== undefined) throw new Error('redis-server is not installed')
  process.stderr.write('skipped: redis-server is not installed\n')
}

export class RedisServer {
  readonly port: number
  readonly folder = mkdtempSync(join(tmpdir(), 'fostream-redis-'))
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, settings: readonly string[]) {
    this.port = port
    this.#settings = settings
  }

  /** `settings`: further arguments of the program; they may replace `--port`. */
  static async start(...settings: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), settings)
    await server.start()
    return server
  }

  /** On a port where nothing answers until `start`. */
  static async absent(): Promise<RedisServer> {
    return new RedisServer(await freePort(), [])
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const common = ['--bind', '127.0.0.1', '--save', '', '--dir', this.folder]
    const args = ['--port', String(this.port), ...common, ...this.#settings]
    this.#child = spawn('redis-server', args, { stdio: 'ignore' })
    await until(() => answers(this.port))
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** Answers nothing from now on, and closes nothing. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
