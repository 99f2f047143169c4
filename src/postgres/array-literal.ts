/**
 * Array parameters as text, `{1,NULL,3}`, for statements that take whole columns through `unnest`.
 * Built by hand because the driver's own conversion of a large batch takes ten times as long, on the
 * main thread. `null` and `undefined` become NULL.
 */

/** A NaN or an infinite number would be stored as one; not known is NULL. */
function requireFinite(value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number to be stored`)
  return value
}

type Column<T> = readonly (T | null | undefined)[]

/** For int4[], int8[] and float8[]. Throws RangeError on NaN and infinities. */
export function numberArray(values: Column<number>): string {
  let literal = '{'
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (i > 0) literal += ','
    literal += value === null || value === undefined ? 'NULL' : requireFinite(value)
  }
  return `${literal}}`
}

/** For bool[]. */
export function booleanArray(values: Column<boolean>): string {
  return literalOf(values, (value) => (value ? 't' : 'f'))
}

/** For text[], date[] (`YYYY-MM-DD`), jsonb[] (JSON text) and other types given as text. */
export function textArray(values: Column<string>): string {
  return literalOf(values, textElement)
}

/** For bytea[]. */
export function bytesArray(values: Column<Uint8Array>): string {
  return literalOf(values, (value) => {
    const { buffer, byteOffset, byteLength } = value
    return `"\\\\x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}"`
  })
}

/** For timestamptz[], from epoch ms; Infinity and -Infinity are PostgreSQL's. Throws RangeError on NaN. */
export function instantArray(values: Column<number>): string {
  // The rows of a batch share few minutes: the text of the last one mostly serves again.
  let lastMs = Number.NaN
  let lastText = ''
  return literalOf(values, (value) => {
    if (value !== lastMs) {
      lastText = instantText(value)
      lastMs = value
    }
    return lastText
  })
}

/** One instant as a parameter: epoch ms to text with its offset. Throws RangeError on NaN. */
export function instantText(epochMs: number): string {
  if (epochMs === Number.POSITIVE_INFINITY) return 'infinity'
  if (epochMs === Number.NEGATIVE_INFINITY) return '-infinity'
  return new Date(epochMs).toISOString()
}

function literalOf<T>(values: Column<T>, element: (value: T) => string): string {
  let literal = '{'
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (i > 0) literal += ','
    literal += value === null || value === undefined ? 'NULL' : element(value)
  }
  return `${literal}}`
}

/** Needs no quotes: not empty, nothing that an array literal gives a meaning, not the word NULL. */
const PLAIN = /^[A-Za-z0-9_.:+-]+$/

function textElement(value: string): string {
  if (PLAIN.test(value) && value.length !== 4) return value
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}
