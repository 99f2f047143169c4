/**
 * The few shapes that every REST and stream schema is made of. `null` always means not known, so
 * nearly every figure is nullable; `type: [x, 'null']` says that in one line of OpenAPI.
 */
import { type Static, type TSchema, Type } from 'typebox'

/** An object whose unknown keys are refused: a misspelt key in a request must not be dropped. */
export const strict = { additionalProperties: false } as const

export const number = (description: string) => Type.Number({ description })
export const integer = (description: string) => Type.Integer({ description })
export const text = (description: string) => Type.String({ description })
export const flag = (description: string) => Type.Boolean({ description })

export const maybeNumber = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })
export const maybeInteger = (description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], description })
export const maybeText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })
export const maybeFlag = (description: string) =>
  Type.Unsafe<boolean | null>({ type: ['boolean', 'null'], description })

/** An instant in IST, ISO 8601 with +05:30 and milliseconds. */
export const istTime = (description: string) =>
  Type.String({ format: 'date-time', description: `${description} ISO 8601, +05:30.` })
export const maybeIstTime = (description: string) =>
  Type.Unsafe<string | null>({
    type: ['string', 'null'],
    format: 'date-time',
    description: `${description} ISO 8601, +05:30.`,
  })

const DATE_PATTERN = '^\\d{4}-\\d{2}-\\d{2}$'
/** An IST calendar date, `YYYY-MM-DD`. */
export const istDate = (description: string) =>
  Type.String({ pattern: DATE_PATTERN, description: `${description} IST date, YYYY-MM-DD.` })
export const maybeIstDate = (description: string) =>
  Type.Unsafe<string | null>({
    type: ['string', 'null'],
    pattern: DATE_PATTERN,
    description: `${description} IST date, YYYY-MM-DD.`,
  })

export const choice = <const Values extends readonly string[]>(
  values: Values,
  description: string,
) => Type.Unsafe<Values[number]>({ type: 'string', enum: [...values], description })
export const maybeChoice = <const Values extends readonly string[]>(
  values: Values,
  description: string,
) =>
  Type.Unsafe<Values[number] | null>({
    type: ['string', 'null'],
    enum: [...values, null],
    description,
  })

export const maybe = <Schema extends TSchema>(schema: Schema) =>
  Type.Unsafe<Static<Schema> | null>({ anyOf: [schema, { type: 'null' }] })

/** An instant in a query: ISO 8601 (without an offset: IST) or epoch seconds. */
export const queryTime = (description: string) =>
  Type.String({
    pattern: '^(?:\\d{1,11}(?:\\.\\d+)?|\\d{4}-\\d{2}-\\d{2}.*)$',
    maxLength: 40,
    description: `${description} ISO 8601 or epoch seconds.`,
  })

export const querySymbol = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'Underlying; any alias (NIFTY, NIFTY50, NIFTY 50).',
})

export const FEEDS = ['simulated', 'kite'] as const
export const feed = choice(FEEDS, 'Where the data comes from; simulated and real never meet.')
