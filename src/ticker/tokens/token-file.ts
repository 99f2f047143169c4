/**
 * A file with an access token: looked at again and again rather than watched, since watching misses
 * renames and mounted folders.
 *
 *   changed ──▶ seen ──the same at the next look──▶ handed out, once
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhole } from '../../kit/replace-file.ts'
import { TOKEN_FILE_MAX_BYTES } from '../../limits.ts'
import { parseTokenText, type TokenText } from './token-text.ts'

export interface FoundToken extends TokenText {
  /** When the file was written, epoch ms. */
  readonly writtenAtMs: number
}

export interface FileLook {
  readonly found: FoundToken | undefined
  /** What is wrong with the file; null where nothing is, or where there is none. */
  readonly fault: string | null
}

interface Content {
  readonly text: string
  readonly writtenAtMs: number
  readonly mode: number
}

const NOTHING: FileLook = { found: undefined, fault: null }
const OTHERS_MAY_READ = 0o077

/** Where a login's token is kept until 6 AM; the ticker and `fostream login` agree on it. */
export function tokenFilePath(dataDir: string, account: string): string {
  return join(dataDir, 'tokens', `${account}.json`)
}

export class TokenFile {
  readonly path: string
  #seen: string | undefined
  #handedOut: string | undefined

  constructor(path: string) {
    this.path = path
  }

  /** A token where the content has changed and stood still since the last look. */
  async look(): Promise<FileLook> {
    const content = await this.#content()
    if (typeof content === 'string') return { found: undefined, fault: content }
    const signature = content && `${content.writtenAtMs} ${content.text}`
    const isStill = signature === this.#seen
    this.#seen = signature
    if (content === undefined || !isStill || signature === this.#handedOut) return NOTHING
    this.#handedOut = signature
    const token = parseTokenText(content.text)
    if (token === undefined) {
      return { found: undefined, fault: `${this.path} holds no access token` }
    }
    const { writtenAtMs, mode } = content
    return { found: { ...token, writtenAtMs }, fault: this.#modeFault(mode) }
  }

  /** Mounted secrets are often readable by all, so this is said and no more. */
  #modeFault(mode: number): string | null {
    const isOpen = process.platform !== 'win32' && (mode & OTHERS_MAY_READ) !== 0
    return isOpen ? `${this.path} may be read by others; run: chmod 600 ${this.path}` : null
  }

  /** Undefined where there is no file; a sentence where it cannot be used. */
  async #content(): Promise<Content | string | undefined> {
    try {
      const { size, mtimeMs, mode } = await stat(this.path)
      if (size > TOKEN_FILE_MAX_BYTES) return `${this.path} is too large for an access token`
      const text = await readWhole(this.path)
      return text === undefined ? undefined : { text, writtenAtMs: mtimeMs, mode }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      return code === 'ENOENT' ? undefined : `${this.path} cannot be read: ${code}`
    }
  }
}
