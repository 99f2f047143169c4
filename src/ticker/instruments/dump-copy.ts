/** The last instrument dump on disk: when it was fetched in the first line, then the broker's own text. */

import { readWhole, replaceFile } from '../../kit/replace-file.ts'
import { formatIst, parseApiTime } from '../../market/ist.ts'

export interface CopiedDump {
  /** Market time when it was fetched, epoch ms. */
  readonly fetchedAtMs: number
  readonly text: string
}

export class DumpCopy {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Undefined where there is none. Throws where it cannot be read. */
  async read(): Promise<CopiedDump | undefined> {
    const whole = await readWhole(this.#path)
    if (whole === undefined) return undefined
    const end = whole.indexOf('\n')
    const time = parseApiTime(whole.slice(0, end))
    if (!time.ok) throw new Error(`${this.#path} is not a dated instrument dump`)
    return { fetchedAtMs: time.ms, text: whole.slice(end + 1) }
  }

  async write({ fetchedAtMs, text }: CopiedDump): Promise<void> {
    await replaceFile(this.#path, `${formatIst(fetchedAtMs)}\n${text}`)
  }
}
