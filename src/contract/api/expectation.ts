/** What a refusal says of a value: what it may be, and what it was. */
import type { TSchema } from 'typebox'

/** What is read of a property's schema. */
export interface PropertySchema {
  readonly type?: unknown
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly unknown[]
  readonly items?: TSchema
}

/** What a refusal repeats of a value. */
const SHOWN_CHARS = 60

/** `a whole number, 1 to 500; Rows.` */
export function expectation(schema: PropertySchema): string {
  const parts = [kindOf(schema), schema.description ?? '']
  return parts.filter((part) => part !== '').join('; ')
}

function kindOf(schema: PropertySchema): string {
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`
  if (schema.type === 'boolean') return 'true or false'
  if (schema.type === 'integer') return `a whole number${range(schema.minimum, schema.maximum)}`
  if (schema.type === 'number') return `a number${range(schema.minimum, schema.maximum)}`
  if (schema.type === 'array') return `a list${range(schema.minItems, schema.maxItems)} long`
  if (schema.maxLength === undefined) return ''
  return `text${range(schema.minLength ?? 0, schema.maxLength)} characters long`
}

function range(from: number | undefined, to: number | undefined): string {
  if (from === undefined) return to === undefined ? '' : `, up to ${to}`
  return to === undefined ? `, ${from} or more` : `, ${from} to ${to}`
}

/** Never the whole of what may be large or nested without end. */
export function given(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text
  return typeof value === 'string' ? JSON.stringify(cut) : cut
}
