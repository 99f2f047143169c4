/** Wrong requests to every route of the ticker, as a table: what is sent, and what must be said. */

export interface WrongRequest {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  readonly code: string
  /** The field that is named; undefined where the request as a whole is wrong. */
  readonly field?: string
  /** What the message must say: the fault, and the fix. */
  readonly says: RegExp
}

const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`

function body(content: unknown, field: string, says: RegExp, status = 400): WrongRequest {
  const shared = { method: 'POST', path: '/subscriptions', code: 'bad_request' }
  return { ...shared, body: content, status, field, says }
}

function query(
  method: string,
  path: string,
  field: string,
  says: RegExp,
  content?: unknown,
): WrongRequest {
  const shared = { method, path, status: 400, code: 'bad_request', field, says }
  return content === undefined ? shared : { ...shared, body: content }
}

const ONE = { instrument_token: 256265 }

export const WRONG_REQUESTS: readonly WrongRequest[] = [
  body('{"instrument_token":', 'body', /not JSON.*send a JSON object/),
  body('{"instrument_token":NaN}', 'body', /not JSON/),
  body('{"__proto__":{"instrument_token":1}}', 'body', /not JSON that can be taken/),
  body(
    '{"constructor":{"prototype":{}},"instrument_token":1}',
    'body',
    /not JSON that can be taken/,
  ),
  body('', 'body', /empty: send a JSON object/),
  body(deep, '', /must be a JSON object, not a list of 1/),
  body(
    `{"instrument_token":${deep}}`,
    'instrument_token',
    /cannot be a list of 1.*1 to 4294967295/,
  ),
  body('"x"', '', /must be a JSON object, not "x"/),
  body({ instrument_token: 1e300 }, 'instrument_token', /1 to 4294967295/),
  body('{"instrument_token":1e400}', 'instrument_token', /1 to 4294967295/),
  body({ instrument_token: -5 }, 'instrument_token', /cannot be -5.*1 to 4294967295/),
  body({ instrument_token: '12' }, 'instrument_token', /cannot be "12".*whole number/),
  body({ instrument_token: {} }, 'instrument_token', /cannot be an object/),
  body({ ...ONE, mode: 'deep' }, 'mode', /"deep".*full \(default\), quote or ltp/),
  body({ ...ONE, requested_mode: 3 }, 'requested_mode', /full \(default\), quote or ltp/),
  body({ ...ONE, priority: 'urgent' }, 'priority', /one of high, normal/),
  body({ ...ONE, prioritty: 'high' }, 'prioritty', /did you mean "priority"/),
  body({ ...ONE, toString: 1 }, 'toString', /There is no field "toString"/),
  body({ tradingsymbol: 'A', exchange: '' }, 'exchange', /1 to 12 characters/),
  body({ instruments: [ONE, 7] }, 'instruments.1', /"instruments.1" must be a JSON object, not 7/),
  body({ instruments: [ONE, {}] }, 'instruments.1', /"instrument_token" or "tradingsymbol"/),
  body({ instruments: [[[ONE]]] }, 'instruments.0', /must be a JSON object, not a list/),
  body({ instruments: [ONE, { ...ONE, mode: 'x' }] }, 'instruments.1.mode', /quote or ltp/),
  body(
    { instruments: Array.from({ length: 5_000 }, (_, i) => ({ instrument_token: i + 1 })) },
    'instruments',
    /a list of 5000.*1 to 4500/,
  ),
  {
    ...body(
      `{"tradingsymbol":"${'X'.repeat(2_200_000)}"}`,
      'body',
      /over 2097152 bytes.*4500/,
      413,
    ),
    code: 'too_large',
  },
  {
    ...body('instrument_token=1', 'content-type', /send "content-type: application\/json"/, 415),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  {
    ...body('{}', 'content-type', /send "content-type: application\/json"/, 415),
    headers: { 'content-type': 'text/plain' },
  },
  { ...body(ONE, 'x-requested-by', /up to 64 letters/), headers: { 'x-requested-by': 'a b;c' } },
  { ...body(ONE, 'x-requested-by', /up to 64 letters/), headers: { 'x-requested-by': '' } },
  {
    ...body(ONE, 'x-requested-by', /up to 64/),
    headers: { 'x-requested-by': 'x%0d%0aset-cookie: a' },
  },
  {
    ...body(
      { tradingsymbol: 'NIFTY 5O' },
      '',
      /there is no instrument NIFTY 5O; did you mean NIFTY 50\?/,
      404,
    ),
    code: 'unknown_instrument',
  },
  {
    ...body({ tradingsymbol: 'nifty26d0126000xe' }, '', /did you mean NIFTY26D0126000[CP]E\?/, 404),
    code: 'unknown_instrument',
  },
  {
    ...body({ tradingsymbol: 'NIFTY', exchange: 'NSE' }, '', /did you mean NIFTY 50\?/, 404),
    code: 'unknown_instrument',
  },
  {
    ...body({ tradingsymbol: 'ZZZZ' }, '', /there is no instrument ZZZZ$/, 404),
    code: 'unknown_instrument',
  },
  query('POST', '/subscriptions?wait=tick', 'wait', /one of first_tick/, ONE),
  query('POST', '/subscriptions?timeout_ms=0', 'timeout_ms', /1 to 60000/, ONE),
  query('POST', '/subscriptions?timeout_ms=NaN', 'timeout_ms', /1 to 60000/, ONE),
  query('POST', '/subscriptions?dry_run=yes', 'dry_run', /true or false/, ONE),
  query('POST', '/subscriptions?dryrun=true', 'dryrun', /did you mean "dry_run"/, ONE),
  query('POST', '/subscriptions?__proto__=1', '__proto__', /no parameter "__proto__"/, ONE),
  query('GET', '/subscriptions?status=live', 'status', /one of pending, active, failed, removed/),
  query('GET', '/subscriptions?status=active&status=failed', 'status', /given 2 times/),
  query('GET', '/subscriptions?limit=99999999999999999999', 'limit', /1 to 100000/),
  query('GET', '/subscriptions?limit=1.5', 'limit', /whole number, 1 to 100000/),
  query('GET', '/subscriptions?offset=-1', 'offset', /0 or more/),
  query('GET', '/subscriptions?expiry=2026-02-30', 'expiry', /no such date/),
  query('GET', '/subscriptions?expiry=23-11-2026', 'expiry', /Only this expiry/),
  query('GET', '/subscriptions?symbl=NIFTY', 'symbl', /did you mean "symbol"/),
  query('GET', '/subscriptions/abc', 'token', /1 to 4294967295/),
  query('GET', '/subscriptions/-1', 'token', /1 to 4294967295/),
  query('GET', '/subscriptions/4294967296', 'token', /1 to 4294967295/),
  query('GET', '/subscriptions/%zz', 'path', /not a URL/),
  {
    ...query('GET', '/subscriptions/12', '', /12 is not subscribed/),
    status: 404,
    code: 'not_found',
  },
  query('DELETE', '/subscriptions', 'instrument_token', /is missing.*comma-separated/),
  query('DELETE', '/subscriptions?instrument_token=1,x', 'instrument_token', /comma-separated/),
  query('DELETE', '/subscriptions?instrument_token=1,0', 'instrument_token', /cannot be 0/),
  query(
    'DELETE',
    '/subscriptions?instrument_token=9999999999',
    'instrument_token',
    /1 to 4294967295/,
  ),
  query('DELETE', '/subscriptions/12?force=2', 'force', /true or false/),
  query('DELETE', '/subscriptions/12?instrument_token=3', 'instrument_token', /there are force/),
  query('GET', '/instruments?limit=1000000', 'limit', /1 to 5000/),
  query('GET', '/instruments?q=', 'q', /1 to 80 characters/),
  query('GET', '/instruments?query=NIFTY', 'query', /there are q, symbol/),
  query('GET', '/instruments?expiry=2026-13-01', 'expiry', /no such date/),
  ...['/status', '/health', '/ready', '/metrics'].map((path) =>
    query('GET', `${path}?verbose=1`, 'verbose', /no parameter "verbose"; it takes none/),
  ),
  ...['/nothing', '/..%2f..%2fetc%2fpasswd', '/subscriptions/1/2', '/instruments/'].map((path) => ({
    ...query('GET', path, 'path', /nothing at .*\/docs/),
    status: 404,
    code: 'not_found',
  })),
  ...[
    ['PUT', '/subscriptions', /only DELETE, GET, HEAD, POST/],
    ['PATCH', '/subscriptions/12', /only DELETE, GET, HEAD/],
    ['OPTIONS', '/subscriptions', /OPTIONS is not possible here/],
    ['POST', '/instruments', /only GET, HEAD/],
    ['DELETE', '/status', /only GET, HEAD/],
    ['POST', '/metrics', /only GET, HEAD/],
  ].map(([method, path, says]) => ({
    ...query(String(method), String(path), 'method', says as RegExp),
    status: 405,
  })),
]
