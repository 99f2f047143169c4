/** A ticker process under measurement: started, killed and started again on the same folder. */
import { fileURLToPath } from 'node:url'
import { Child } from './child.ts'
import type { TickerAnnouncement, TickerOrder } from './ticker-order.ts'

const PROGRAM = fileURLToPath(new URL('../ticker-process.js', import.meta.url))
const START_WITHIN_MS = 60_000
const LOOK_MS = 5

export class TickerChild {
  readonly url: string
  readonly #child: Child

  /** Resolves when it answers; rejects where it does not, with what it said. */
  static async start(order: TickerOrder, nodeArgs: readonly string[] = []): Promise<TickerChild> {
    const child = await Child.start({ args: [...nodeArgs, PROGRAM, JSON.stringify(order)] })
    const untilMs = performance.now() + START_WITHIN_MS
    while (performance.now() < untilMs && child.isRunning) {
      const [line, rest] = child.said.split('\n', 2)
      if (line?.startsWith('{') && (rest !== undefined || line.endsWith('}'))) {
        return new TickerChild(child, JSON.parse(line) as TickerAnnouncement)
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    child.kill()
    throw new Error(`the ticker did not start: ${child.said}`)
  }

  private constructor(child: Child, { url }: TickerAnnouncement) {
    this.#child = child
    this.url = url
  }

  get isRunning(): boolean {
    return this.#child.isRunning
  }

  get said(): string {
    return this.#child.said
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill()
    await this.#child.ended()
  }

  /** Ends it in order. */
  stop(): Promise<void> {
    return this.#child.stop()
  }
}
