/**
 * Checks queries, parameters and bodies against their schemas and says what is wrong: which field,
 * what it was, what it may be. Text of a query becomes the number or boolean that its schema asks
 * for; a body's values are never converted, and a key that nobody knows is refused, not dropped.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { nearestName } from '../../kit/nearest-name.ts'
import { type ApiError, badField } from './api-error.ts'

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

interface PropertySchema {
  readonly type?: unknown
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly enum?: readonly unknown[]
}

type Properties = Readonly<Record<string, PropertySchema>>

/** What a refusal repeats of a value. */
const SHOWN_CHARS = 60

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema)
  const properties = propertiesOf(schema)
  const isText = httpPart === 'querystring' || httpPart === 'params'
  return (given: unknown) => {
    const value = isText ? convertTexts(properties, given) : given
    if (check.Check(value)) return { value }
    return { error: describeFault(properties, given, check.Errors(value) as readonly Fault[]) }
  }
}

/** The refusal of a value that does not fit; the first fault is told, all fields are named. */
export function describeFault(
  properties: Properties,
  given: unknown,
  faults: readonly Fault[],
): ApiError {
  const fields = [...new Set(faults.flatMap(fieldsOf))]
  const field = fields[0]
  if (field === undefined) return badField('', `The request ${faults[0]?.message ?? 'is wrong'}.`)
  const more = fields.length > 1 ? { also: fields.slice(1) } : {}
  const known = Object.keys(properties)
  if (!Object.hasOwn(properties, field)) {
    return badField(field, `There is no parameter "${shown(field)}"${meant(field, known)}.`, {
      known,
      ...more,
    })
  }
  const expected = expectation(properties[field] ?? {})
  const value = (given as Record<string, unknown> | null)?.[field]
  return badField(field, `${complaint(field, value)} Expected: ${expected}`, {
    ...(value === undefined ? {} : { value: shown(value) }),
    expected,
    ...more,
  })
}

export function propertiesOf(schema: TSchema): Properties {
  return 'properties' in schema ? (schema.properties as Properties) : {}
}

function complaint(field: string, value: unknown): string {
  if (value === undefined) return `"${field}" is missing.`
  if (Array.isArray(value)) return `"${field}" is given ${value.length} times, once is allowed.`
  return `"${field}" cannot be ${shown(value)}.`
}

/** Unknown keys and missing ones stand in the parameters of a fault, wrong values in its path. */
function fieldsOf({ keyword, instancePath, params }: Fault): string[] {
  if (keyword === 'additionalProperties') return listOf(params, 'additionalProperties')
  if (keyword === 'required') return listOf(params, 'requiredProperties')
  const first = instancePath.split('/')[1]
  return first === undefined ? [] : [first.replaceAll('~1', '/').replaceAll('~0', '~')]
}

function listOf(params: object, name: string): string[] {
  const list: unknown = Object.getOwnPropertyDescriptor(params, name)?.value
  return Array.isArray(list) ? list.map(String) : []
}

function meant(field: string, known: readonly string[]): string {
  const nearest = nearestName(field, known)
  return nearest !== undefined && nearest.edits <= 2 ? `; did you mean "${nearest.name}"?` : ''
}

function expectation({ description, minimum, maximum, enum: choices }: PropertySchema): string {
  const range =
    minimum === undefined || maximum === undefined ? '' : `a whole number, ${minimum} to ${maximum}`
  const list = choices === undefined ? '' : `one of ${choices.join(', ')}`
  return [range, list, description ?? ''].filter((part) => part !== '').join('; ')
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text
  return typeof value === 'string' ? JSON.stringify(cut).slice(1, -1) : cut
}

function convertTexts(properties: Properties, given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given
  const entries = Object.entries(given).map(([name, value]) => [
    name,
    convertText(Object.hasOwn(properties, name) ? properties[name]?.type : undefined, value),
  ])
  return Object.fromEntries(entries)
}

/** What does not read as the type stays text, and is refused as such. */
function convertText(type: unknown, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if ((type === 'integer' || type === 'number') && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(value)) {
    return Number(value)
  }
  if (type === 'boolean' && /^(?:true|false)$/.test(value)) return value === 'true'
  return value
}
