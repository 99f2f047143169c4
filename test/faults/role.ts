/** One role of the built program in a process of its own: killed, stopped and continued by its pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from '../until.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const START_WITHIN_MS = 90_000
const STOP_WITHIN_MS = 90_000

export type RoleName = 'exchange' | 'ticker' | 'backend'

export class Role {
  readonly name: RoleName
  readonly #env: Readonly<Record<string, string>>
  readonly #cwd: string
  #child: ChildProcess | undefined
  #printed = ''

  constructor(name: RoleName, cwd: string, env: Readonly<Record<string, string>>) {
    this.name = name
    this.#cwd = cwd
    this.#env = env
  }

  /** What the process that was started last has printed. */
  get printed(): string {
    return this.#printed
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** Resolves at once; `printed` tells how far it is. */
  launch(): void {
    if (this.isRunning) throw new Error(`the ${this.name} runs already`)
    this.#printed = ''
    const child = spawn(process.execPath, [PROGRAM, this.name], {
      cwd: this.#cwd,
      env: { PATH: process.env['PATH'], ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#printed += text
      })
    }
  }

  /** Resolves when it is up. */
  async start(): Promise<void> {
    this.launch()
    await this.says(this.name === 'exchange' ? 'Accounts:' : 'Ctrl-C stops it')
  }

  async says(text: string, withinMs = START_WITHIN_MS): Promise<void> {
    await until(() => {
      if (this.#printed.includes(text)) return true
      if (!this.isRunning) throw new Error(`the ${this.name} has ended:\n${this.#printed}`)
      return false
    }, withinMs)
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.ended()
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    this.#child?.kill('SIGTERM')
    return this.ended()
  }

  /** The exit code, once it is gone. */
  async ended(withinMs = STOP_WITHIN_MS): Promise<number | null> {
    await until(() => !this.isRunning, withinMs)
    return this.#child?.exitCode ?? null
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }
}
