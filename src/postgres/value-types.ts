/**
 * How column values look in our code. An instant is a number of epoch milliseconds (whole; what the
 * store has of microseconds is cut off), with Infinity and -Infinity as PostgreSQL has them. A
 * bigint is a number where that is exact, else its text. A date stays text, `YYYY-MM-DD` or
 * `-infinity`. All else is as the `pg` driver gives it (bytea: Buffer, jsonb: the value, numeric: text).
 */
import pg from 'pg'

type ParseText = (text: string) => unknown

const INT8 = 20
const DATE = 1082
const TIMESTAMPTZ = 1184
const INT8_ARRAY = 1016
const DATE_ARRAY = 1182
const TIMESTAMPTZ_ARRAY = 1185

const OWN = new Map<number, ParseText>([
  [INT8, parseInt8],
  [DATE, (text) => text],
  [TIMESTAMPTZ, parseInstantMs],
  [INT8_ARRAY, arrayOf(parseInt8)],
  [DATE_ARRAY, arrayOf((text) => text)],
  [TIMESTAMPTZ_ARRAY, arrayOf(parseInstantMs)],
])

/** For the option `types` of a `pg` client. */
export const valueTypes: pg.CustomTypesConfig = { getTypeParser }

function getTypeParser(
  oid: number,
  format?: 'text' | 'binary',
): ReturnType<typeof pg.types.getTypeParser> {
  const own = format === 'binary' ? undefined : OWN.get(oid)
  return own ?? pg.types.getTypeParser(oid, format)
}

/** A number where that is exact; else the text. */
export function parseInt8(text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

/** Epoch ms of `2026-11-21 10:15:02.123456+05:30` or `infinity`. Throws on anything else. */
export function parseInstantMs(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  if (text === '-infinity') return Number.NEGATIVE_INFINITY
  const match = INSTANT.exec(text)
  if (match === null) throw new RangeError(`not an instant that can be shown: ${text}`)
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second,
    fraction = '',
    sign,
    zoneHours,
    zoneMinutes = '0',
  ] = match
  const localMs = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  )
  const offsetMinutes = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1)
  return localMs + Number(fraction.padEnd(3, '0').slice(0, 3)) - offsetMinutes * 60_000
}

/** Four-digit years of our era, and offsets of whole minutes: all that the store ever holds. */
const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?$/

/** Of one-dimensional arrays whose elements need no quotes, or are quoted without escapes. */
function arrayOf(parse: ParseText): ParseText {
  return (text) => {
    const inner = text.slice(1, -1)
    if (inner === '') return []
    return inner
      .split(',')
      .map((item) => (item === 'NULL' ? null : parse(item.replaceAll('"', ''))))
  }
}
