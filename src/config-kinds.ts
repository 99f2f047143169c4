/**
 * The kinds of settings: how the text is read, the shape that the value must have, and the words that
 * say so to whoever wrote something else.
 */
import Type, { type TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { parseLogLevel } from './kit/log.ts'
import { parseSwitch } from './kit/switch-word.ts'

export interface Kind<T> {
  /** Completes "NAME must …". */
  readonly must: string
  /** A value that can be written as it stands. */
  readonly example: string
  /** Its value is never shown. */
  readonly isSecret: boolean
  /** The value; undefined where the text does not name one. */
  readonly parse: (text: string) => T | undefined
}

/** Reads as the schema's type says and checks with the schema. */
function kind<T>(
  schema: TSchema,
  read: (text: string) => unknown,
  words: { readonly must: string; readonly example: string; readonly isSecret?: boolean },
): Kind<T> {
  return {
    must: words.must,
    example: words.example,
    isSecret: words.isSecret ?? false,
    parse: (text) => {
      const value = read(text)
      return Check(schema, value) ? (value as T) : undefined
    },
  }
}

export const SWITCH: Kind<boolean> = kind(Type.Boolean(), parseSwitch, {
  must: 'be true or false (also 1/0, yes/no, on/off)',
  example: 'true',
})

export const LOG_LEVEL = kind<NonNullable<ReturnType<typeof parseLogLevel>>>(
  Type.String(),
  parseLogLevel,
  {
    must: 'be one of trace, debug, info, warn, warning, error, critical, fatal, silent',
    example: 'info',
  },
)

export const PORT: Kind<number> = wholeNumber(0, 65_535, 8080)

export function wholeNumber(minimum: number, maximum: number, example: number): Kind<number> {
  const schema = Type.Integer({ minimum, maximum })
  const must = `be a whole number from ${minimum} to ${maximum}`
  return kind(schema, numberOf, { must, example: String(example) })
}

export function decimal(minimum: number, maximum: number, example: number): Kind<number> {
  const schema = Type.Number({ minimum, maximum })
  const must = `be a number from ${minimum} to ${maximum}`
  return kind(schema, numberOf, { must, example: String(example) })
}

export function text(example: string, isSecret = false): Kind<string> {
  const schema = Type.String({ minLength: 1 })
  return kind(schema, (value) => value, { must: 'be a text', example, isSecret })
}

export function secret(example: string): Kind<string> {
  return text(example, true)
}

/** A text of which `pattern` matches the whole. */
export function pattern(expression: string, must: string, example: string): Kind<string> {
  const schema = Type.String({ pattern: `^(?:${expression})$` })
  return kind(schema, (value) => value, { must, example })
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  const schema = Type.Union(words.map((word) => Type.Literal(word)))
  const must = `be one of ${words.join(', ')}`
  return kind(schema, (value) => value.toLowerCase(), { must, example: words[0] ?? '' })
}

/** A URL of one of the schemes; a password in it makes it a secret. */
export function url(schemes: readonly string[], example: string, isSecret = false): Kind<string> {
  const must = `be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`
  const isOfScheme = (value: string) =>
    schemes.some((scheme) => URL.canParse(value) && new URL(value).protocol === `${scheme}:`)
  const read = (value: string) => (isOfScheme(value) ? value.replace(/\/+$/, '') : undefined)
  return kind(Type.String(), read, { must, example, isSecret })
}

/** Values separated by commas, at least one. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  return {
    must: `be a list, separated by commas, in which each must ${item.must}`,
    example: item.example,
    isSecret: item.isSecret,
    parse: (value) => {
      const parts = value.split(',').map((part) => part.trim())
      const items = parts.filter((part) => part !== '').map((part) => item.parse(part))
      const known = items.filter((part) => part !== undefined)
      return known.length > 0 && known.length === items.length ? known : undefined
    },
  }
}

/** The word, or what `otherwise` reads. */
export function wordOr<const W extends string, T>(word: W, otherwise: Kind<T>): Kind<W | T> {
  return {
    ...otherwise,
    must: `be "${word}", or ${otherwise.must}`,
    parse: (value) => (value.toLowerCase() === word ? word : otherwise.parse(value)),
  }
}

/** Reads further what `base` has read. */
export function mapped<A, B>(
  base: Kind<A>,
  must: string,
  read: (value: A) => B | undefined,
): Kind<B> {
  return {
    ...base,
    must,
    parse: (value) => {
      const first = base.parse(value)
      return first === undefined ? undefined : read(first)
    },
  }
}

function numberOf(value: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : undefined
}
