/**
 * Checks queries, parameters and bodies against their schemas, and says which field is wrong and what
 * it may be. Text in a query becomes the number or boolean that the schema asks for; nothing in a
 * body is converted, and a key that nobody knows is refused, not dropped.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ApiError } from './api-error.ts'

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

interface Branch {
  readonly properties: Readonly<Record<string, { readonly type?: unknown; description?: string }>>
  readonly check: ReturnType<typeof Compile>
}

const SHOWN_CHARS = 60

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const whole = Compile(schema)
  const branches = branchesOf(schema)
  const isText = httpPart === 'querystring' || httpPart === 'params'
  return (given: unknown) => {
    const value = isText ? convertTexts(branches[0], given) : given
    if (whole.Check(value)) return { value }
    return { error: describe(branches, value) }
  }
}

/** The schema, or each of the shapes of which it allows any. */
function branchesOf(schema: TSchema): readonly Branch[] {
  const shapes = 'anyOf' in schema ? (schema.anyOf as TSchema[]) : [schema]
  return shapes.map((shape) => ({
    properties: 'properties' in shape ? (shape.properties as Branch['properties']) : {},
    check: Compile(shape),
  }))
}

/** Told by the shape that fits best: the one of which most keys are there. */
function describe(branches: readonly Branch[], value: unknown): ApiError {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return new ApiError('bad_request', 'The request needs a JSON object.', {
      allowed: shapes(branches),
    })
  }
  const keys = Object.keys(value)
  const shared = ({ properties }: Branch) => keys.filter((key) => key in properties).length
  const best = branches.toSorted((a, b) => shared(b) - shared(a))[0]
  if (best === undefined || (branches.length > 1 && shared(best) === 0)) {
    return new ApiError('bad_request', 'The request names no instrument.', {
      allowed: shapes(branches),
    })
  }
  return describeFault(best, value, best.check.Errors(value) as readonly Fault[])
}

function describeFault({ properties }: Branch, value: object, faults: readonly Fault[]): ApiError {
  const fault = faults[0]
  if (fault === undefined) return new ApiError('bad_request', 'The request is wrong.')
  const unknown = listOf(fault, 'additionalProperties')[0]
  if (unknown !== undefined) {
    const known = Object.keys(properties)
    return bad(`There is no field "${cut(unknown)}".`, { field: cut(unknown), known })
  }
  const field = listOf(fault, 'requiredProperties')[0] ?? fieldAt(fault.instancePath)
  const [first = field] = field.split('.')
  const expected = properties[first]?.description
  const said = valueAt(value, fault.instancePath)
  const given = fault.keyword === 'required' ? 'is missing' : `cannot be ${shown(said)}`
  const message = `"${field}" ${given}: ${fault.message}.`
  return bad(message, { field, ...(expected === undefined ? {} : { expected }) })
}

function bad(message: string, details: Readonly<Record<string, unknown>>): ApiError {
  return new ApiError('bad_request', message, details)
}

function shapes(branches: readonly Branch[]): readonly string[][] {
  return branches.map(({ properties }) => Object.keys(properties))
}

function listOf({ params }: Fault, name: string): string[] {
  const list: unknown = Object.getOwnPropertyDescriptor(params, name)?.value
  return Array.isArray(list) ? list.map(String) : []
}

/** `/instruments/3/mode` → `instruments.3.mode` */
function fieldAt(path: string): string {
  return cut(path.slice(1).replaceAll('/', '.'))
}

function valueAt(value: unknown, path: string): unknown {
  let found = value
  for (const key of path.split('/').slice(1)) {
    found = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined
  }
  return found
}

function shown(value: unknown): string {
  return cut(JSON.stringify(value) ?? 'nothing')
}

function cut(text: string): string {
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text
}

function convertTexts(branch: Branch | undefined, given: unknown): unknown {
  if (typeof given !== 'object' || given === null || branch === undefined) return given
  const { properties } = branch
  const entries = Object.entries(given).map(([name, value]) => {
    const type = Object.hasOwn(properties, name) ? properties[name]?.type : undefined
    return [name, convertText(type, value)]
  })
  return Object.fromEntries(entries)
}

/** What does not read as the type stays text, and is refused as such. */
function convertText(type: unknown, value: unknown): unknown {
  if (typeof value !== 'string') return value
  const isNumeric = type === 'integer' || type === 'number'
  if (isNumeric && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(value)) return Number(value)
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}
