/** Programs that a bench starts: their output is kept, and they are ended by their own pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface ChildOptions {
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

const OUTPUT_MAX_CHARS = 200_000
const STOP_WITHIN_MS = 15_000

export class Child {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''
  #errors = ''

  /** Starts Node.js with `args`; rejects where that is not possible. */
  static async start({ args, cwd, env }: ChildOptions): Promise<Child> {
    const child = spawn(process.execPath, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
    })
    await once(child, 'spawn')
    return new Child(child)
  }

  private constructor(child: ChildProcess) {
    this.#process = child
    this.pid = child.pid as number
    this.#ended = once(child, 'close')
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-OUTPUT_MAX_CHARS)
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-OUTPUT_MAX_CHARS)
    })
    running.add(this)
    void this.#ended.then(() => running.delete(this))
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** What it has said, for error messages. */
  get said(): string {
    return `${this.#output}${this.#errors}`.trim()
  }

  /** Its whole stdout, once it has ended in order; throws with what it said otherwise. */
  async result(): Promise<string> {
    await this.#ended
    if (this.#process.exitCode !== 0) throw new Error(`a measurement failed: ${this.said}`)
    return this.#output
  }

  /** Resolves when it is gone, however it ended. */
  async ended(): Promise<void> {
    await this.#ended
  }

  /** Ends it at once. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Asks it to end, then makes it. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.#process.kill('SIGTERM')
    const deadline = setTimeout(() => this.kill(), STOP_WITHIN_MS)
    await this.#ended
    clearTimeout(deadline)
  }
}

const running = new Set<Child>()

/** Where the bench itself breaks down there is no time to ask. */
process.once('exit', () => {
  for (const child of running) child.kill()
})

/** Ends everything that is still running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()))
}
