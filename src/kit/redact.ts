/**
 * Takes secrets out of a line of text before anybody reads it: JSON fields, query parameters, the
 * password of a URL. It works on the finished line, so no depth of nesting and no error message
 * hides a secret from it.
 */
const SECRETS = [
  'access_token',
  'accessToken',
  'refresh_token',
  'request_token',
  'public_token',
  'enctoken',
  'api_secret',
  'apiSecret',
  'checksum',
  'password',
  'authorization',
  'x-api-key',
  'cookie',
  'set-cookie',
].join('|')
const HIDDEN = '[redacted]'

/** `"password":"…"` */
const JSON_FIELD = new RegExp(`("(?:${SECRETS})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, 'gi')
/** The same inside of a JSON string, where the quotes are escaped. */
const ESCAPED_FIELD = new RegExp(`(\\\\"(?:${SECRETS})\\\\"\\s*:\\s*)\\\\".*?\\\\"`, 'gi')
/** `access_token=…` in a query or a form. */
const QUERY_PARAMETER = new RegExp(`\\b((?:${SECRETS})=)[^&\\s"'\\\\]+`, 'gi')
/** `postgresql://user:…@host` */
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/"]*:)[^\s@/"]+@/gi
/** `token api_key:access_token`, as Kite's Authorization header has it. */
const KITE_AUTHORIZATION = /\b(token \w+:)\w+/g

/** `line` with every known kind of secret replaced by `[redacted]`. */
export function redact(line: string): string {
  return line
    .replace(JSON_FIELD, `$1"${HIDDEN}"`)
    .replace(ESCAPED_FIELD, `$1\\"${HIDDEN}\\"`)
    .replace(QUERY_PARAMETER, `$1${HIDDEN}`)
    .replace(URL_PASSWORD, `$1${HIDDEN}@`)
    .replace(KITE_AUTHORIZATION, `$1${HIDDEN}`)
}
