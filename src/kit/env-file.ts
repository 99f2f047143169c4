/**
 * Reads `NAME=value` files. Written here because the built-in parser says nothing about a line that
 * it cannot read, and a setting that is silently lost is found too late.
 *
 *   # a comment            export NAME=value        NAME="with # and \n"     NAME='taken as it is ${X}'
 */

export interface EnvFileValue {
  readonly text: string
  /** In single quotes: nothing in it is replaced. */
  readonly isLiteral: boolean
}

export interface EnvFile {
  readonly values: ReadonlyMap<string, EnvFileValue>
  /** Numbers (from 1) of lines that are no `NAME=value`. */
  readonly unreadableLines: readonly number[]
}

const ASSIGNMENT = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/
const SINGLE_QUOTED = /^'([^']*)'\s*(?:#.*)?$/
const DOUBLE_QUOTED = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/
const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g

/** A later line of the same name wins. */
export function parseEnvFile(text: string): EnvFile {
  const values = new Map<string, EnvFileValue>()
  const unreadableLines: number[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const [, name, right] = ASSIGNMENT.exec(trimmed) ?? []
    const value = right === undefined ? undefined : parseValue(right)
    if (name === undefined || value === undefined) unreadableLines.push(index + 1)
    else values.set(name, value)
  }
  return { values, unreadableLines }
}

/** The names that `text` refers to as `${NAME}`. */
export function referencesIn(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name]) => name ?? '')
}

/** `text` with each `${NAME}` replaced by `lookUp(NAME)`. */
export function replaceReferences(text: string, lookUp: (name: string) => string): string {
  return text.replace(REFERENCE, (_reference, name: string) => lookUp(name))
}

/** Undefined where a quote is not closed. */
function parseValue(right: string): EnvFileValue | undefined {
  if (right.startsWith("'")) {
    const [, text] = SINGLE_QUOTED.exec(right) ?? []
    return text === undefined ? undefined : { text, isLiteral: true }
  }
  if (right.startsWith('"')) {
    const [, text] = DOUBLE_QUOTED.exec(right) ?? []
    return text === undefined ? undefined : { text: unescaped(text), isLiteral: false }
  }
  return { text: right.replace(/(^|\s+)#.*$/, '').trim(), isLiteral: false }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_escape, character: string) =>
    character === 'n' ? '\n' : character,
  )
}
