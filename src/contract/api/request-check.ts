/**
 * Checks queries, parameters and bodies against their schemas, and says what is wrong: which field,
 * what it was, what it may be. Text of a query becomes the number, boolean or list that its schema
 * asks for (a list is comma-separated, or the parameter is repeated); a body's values are never
 * converted, and a key that nobody knows is refused, not dropped.
 */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { nearestName } from '../../kit/nearest-name.ts'
import { expectation, given, type PropertySchema } from './expectation.ts'

/** Why a request is refused. `field` is a path such as `instruments.3.mode`; empty for the whole. */
export interface RequestFault {
  readonly field: string
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type Checked =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: RequestFault }

/** `text`: a query or path, of which every value is text; `json`: a body, taken as it is. */
export type RequestPart = 'text' | 'json'

export function requestCheck(schema: TSchema, part: RequestPart): (value: unknown) => Checked {
  const shape = shapeOf(schema)
  return (raw) => {
    const value = part === 'text' ? convertTexts(shape, raw) : raw
    if (shape.fits(value)) return { ok: true, value }
    return { ok: false, fault: describe(shape, value, '', part) }
  }
}

/** Where the framework says that a header, a query or a path is checked, it is text. */
export function partOf(httpPart: string | undefined): RequestPart {
  return httpPart === 'querystring' || httpPart === 'params' ? 'text' : 'json'
}

// ---------------------------------------------------------------- shapes

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

interface Branch {
  readonly properties: Readonly<Record<string, PropertySchema>>
  /** Of the properties that are lists. */
  readonly items: ReadonlyMap<string, Shape>
  readonly faults: (value: unknown) => readonly Fault[]
}

/** A schema, or each of those of which it allows any. */
interface Shape {
  readonly schema: PropertySchema
  readonly fits: (value: unknown) => boolean
  readonly branches: readonly Branch[]
}

function shapeOf(schema: TSchema): Shape {
  const whole = Compile(schema)
  const schemas = 'anyOf' in schema ? (schema.anyOf as TSchema[]) : [schema]
  const fits = (value: unknown) => whole.Check(value)
  return { schema: schema as PropertySchema, fits, branches: schemas.map(branchOf) }
}

function branchOf(schema: TSchema): Branch {
  const compiled = Compile(schema)
  const properties = 'properties' in schema ? (schema.properties as Branch['properties']) : {}
  const lists = Object.entries(properties).flatMap(([name, { items }]) =>
    items === undefined ? [] : [[name, shapeOf(items)] as const],
  )
  const faults = (value: unknown) => compiled.Errors(value) as readonly Fault[]
  return { properties, items: new Map(lists), faults }
}

// ---------------------------------------------------------------- what is wrong

/** Told by the shape that fits best: the one of which most keys are there. */
function describe(shape: Shape, value: unknown, path: string, part: RequestPart): RequestFault {
  const { branches } = shape
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refused(path, `${named(path)} must be a JSON object, not ${given(value)}.`, {
      allowed: branches.map(keysOf),
    })
  }
  const keys = Object.keys(value)
  const shared = ({ properties }: Branch) =>
    keys.filter((key) => Object.hasOwn(properties, key)).length
  const best = branches.toSorted((a, b) => shared(b) - shared(a))[0]
  if (best === undefined || (branches.length > 1 && shared(best) === 0)) {
    const ways = branches.map((branch) => `"${keysOf(branch)[0]}"`).join(' or ')
    return refused(path, `${named(path)} names no instrument: it needs ${ways}.`, {
      allowed: branches.map(keysOf),
    })
  }
  return describeFields(best, value as Readonly<Record<string, unknown>>, path, part)
}

/** The first fault is told, all fields are named. */
function describeFields(
  branch: Branch,
  value: Readonly<Record<string, unknown>>,
  path: string,
  part: RequestPart,
): RequestFault {
  const { properties } = branch
  const faults = branch.faults(value)
  const [field, ...also] = [...new Set(faults.flatMap(fieldsOf))]
  if (field === undefined) {
    return refused(path, `${named(path)} ${faults[0]?.message ?? 'is wrong'}.`, {})
  }
  const more = also.length > 0 ? { also: also.slice(0, FIELDS_NAMED).map(cut) } : {}
  const known = keysOf(branch)
  if (!Object.hasOwn(properties, field)) {
    const text = `There is no ${part === 'text' ? 'parameter' : 'field'} "${path}${cut(field)}"`
    return refused(`${path}${cut(field)}`, `${text}${meant(field, known)}`, { known, ...more })
  }
  const said = Object.hasOwn(value, field) ? value[field] : undefined
  const wrongItem = firstWrong(branch.items.get(field), said)
  if (wrongItem !== undefined) {
    const { shape, at, item } = wrongItem
    if (shape.schema.type === 'object' || shape.branches.length > 1) {
      return describe(shape, item, `${path}${field}.${at}.`, part)
    }
    const expected = expectation(shape.schema)
    const complaint = `"${path}${field}" cannot hold ${given(item)}.`
    return refused(`${path}${field}`, `${complaint} Expected: ${expected}`, {
      value: given(item),
      expected,
      ...more,
    })
  }
  const expected = expectation(properties[field] ?? {})
  const details = { ...(said === undefined ? {} : { value: given(said) }), expected, ...more }
  const complaint = complaintOf(`${path}${field}`, said, part, properties[field]?.type === 'array')
  return refused(`${path}${field}`, `${complaint} Expected: ${expected}`, details)
}

/** The list itself may be wrong, too long for instance, while its items are right. */
function firstWrong(shape: Shape | undefined, list: unknown) {
  if (shape === undefined || !Array.isArray(list)) return undefined
  const at = list.findIndex((item) => !shape.fits(item))
  return at === -1 ? undefined : { shape, at, item: list[at] as unknown }
}

function refused(
  path: string,
  message: string,
  details: Readonly<Record<string, unknown>>,
): RequestFault {
  const field = path.endsWith('.') ? path.slice(0, -1) : path
  return { field, message, details: { field, ...details } }
}

function named(path: string): string {
  return path === '' ? 'The request' : `"${path.slice(0, -1)}"`
}

function complaintOf(field: string, value: unknown, part: RequestPart, isList: boolean): string {
  if (value === undefined) return `"${field}" is missing.`
  if (part === 'text' && Array.isArray(value) && !isList) {
    return `"${field}" is given ${value.length} times, once is allowed.`
  }
  return `"${field}" cannot be ${given(value)}.`
}

/** Unknown keys and missing ones stand in the parameters of a fault, wrong values in its path. */
function fieldsOf({ keyword, instancePath, params }: Fault): string[] {
  const first = instancePath.split('/')[1]
  if (first !== undefined) return [first.replaceAll('~1', '/').replaceAll('~0', '~')]
  if (keyword === 'additionalProperties') return listOf(params, 'additionalProperties')
  return keyword === 'required' ? listOf(params, 'requiredProperties') : []
}

function listOf(params: object, name: string): string[] {
  const list: unknown = Object.getOwnPropertyDescriptor(params, name)?.value
  return Array.isArray(list) ? list.map(String) : []
}

function keysOf({ properties }: Branch): string[] {
  return Object.keys(properties)
}

/** Names longer than this are nobody's misspelling, and comparing them takes long. */
const NAME_CHARS = 60
/** Wrong fields beyond the first that a refusal names. */
const FIELDS_NAMED = 20

function cut(name: string): string {
  return name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS)}…` : name
}

/** The rest of the sentence, with its end. */
function meant(field: string, known: readonly string[]): string {
  if (field.length > NAME_CHARS) return '.'
  const nearest = nearestName(field, known)
  if (nearest !== undefined && nearest.edits <= 2) return `; did you mean "${nearest.name}"?`
  return known.length === 0 ? '; it takes none.' : `; there are ${known.join(', ')}.`
}

// ---------------------------------------------------------------- text

function convertTexts({ branches }: Shape, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const properties = branches[0]?.properties ?? {}
  const entries = Object.entries(value).map(([name, text]) => [
    name,
    convertText(Object.hasOwn(properties, name) ? properties[name]?.type : undefined, text),
  ])
  return Object.fromEntries(entries)
}

/** What does not read as the type stays text, and is refused as such. */
function convertText(type: unknown, value: unknown): unknown {
  if (type === 'array') return listOfText(value)
  if (typeof value !== 'string') return value
  const isNumeric = type === 'integer' || type === 'number'
  if (isNumeric && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(value)) return Number(value)
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

function listOfText(value: unknown): unknown {
  const given = Array.isArray(value) ? value : [value]
  return given.flatMap((text: unknown) => (typeof text === 'string' ? text.split(',') : [text]))
}
