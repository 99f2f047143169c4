import type { FastifyInstance } from 'fastify'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { option } from '../support/contracts.ts'
import { type Running, releaseAll, request, runTicker } from '../support/start-test-ticker.ts'

interface Operation {
  readonly summary?: string
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[]
  readonly requestBody?: object
  readonly responses: Readonly<Record<string, Answer>>
}

interface Answer {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>
  readonly headers?: object
}

const CALL = option(26_000, 'CE')

let running: Running
let app: FastifyInstance
let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>

beforeAll(async () => {
  const take = (server: FastifyInstance) => {
    app = server
  }
  running = await runTicker({ deps: { extraRoutes: [take] } })
  const { body } = await request(running, 'GET', '/docs/json')
  paths = (body as { paths: typeof paths }).paths
  await request(running, 'POST', '/subscriptions', { instrument_token: CALL.token })
})

afterAll(releaseAll)

it('/docs is a page to read', async () => {
  const page = await request(running, 'GET', '/docs')
  expect([page.status, String(page.body)]).toEqual([200, expect.stringContaining('swagger-ui')])
})

it('/docs describes every path and method that exists', () => {
  for (const [path, operations] of Object.entries(paths)) {
    const url = path.replaceAll(/\{(\w+)\}/g, ':$1')
    for (const method of Object.keys(operations)) {
      expect(app.hasRoute({ url, method: method.toUpperCase() as 'GET' }), `${method} ${url}`).toBe(
        true,
      )
    }
  }
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(described.sort()).toEqual(registered(app.printRoutes({ commonPrefix: false })).sort())
})

it('/docs says of each what it does, what it takes, and what it answers when it fails', () => {
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`
      expect(operation.summary, name).toMatch(/\S/)
      for (const parameter of operation.parameters ?? []) {
        expect(parameter.description, `${name} ${parameter.name}`).toMatch(/\S/)
      }
      const statuses = Object.keys(operation.responses).map((status) => status[0])
      const takes = operation.parameters !== undefined || operation.requestBody !== undefined
      const due = takes ? ['2', '4', '5'] : ['2', '5']
      expect(statuses, name).toEqual(expect.arrayContaining(due))
    }
  }
  const create = paths['/subscriptions']?.['post']
  expect(create?.requestBody).toBeDefined()
  expect(create?.parameters?.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['wait', 'timeout_ms', 'dry_run', 'x-requested-by']),
  )
  expect(paths['/subscriptions']?.['get']?.responses['200']?.headers).toHaveProperty(
    'X-Total-Count',
  )
})

it.each([
  ['GET', '/subscriptions', '/subscriptions'],
  ['GET', '/subscriptions?limit=0', '/subscriptions'],
  ['GET', `/subscriptions/${CALL.token}`, '/subscriptions/{token}'],
  ['GET', '/subscriptions/77', '/subscriptions/{token}'],
  ['GET', '/instruments?q=26000', '/instruments'],
  ['GET', '/status', '/status'],
  ['GET', '/health', '/health'],
  ['GET', '/ready', '/ready'],
  ['POST', '/subscriptions', '/subscriptions', { instrument_token: option(26_050, 'CE').token }],
  ['POST', '/subscriptions', '/subscriptions', { instrument_token: CALL.token }],
  ['POST', '/subscriptions', '/subscriptions', { instrument_token: 99 }],
  ['POST', '/subscriptions?dry_run=true', '/subscriptions', { tradingsymbol: 'NIFTY 50' }],
  ['DELETE', `/subscriptions/${CALL.token}`, '/subscriptions/{token}'],
  ['DELETE', '/subscriptions?instrument_token=12800', '/subscriptions'],
])('%s %s answers as /docs says', async (method, path, template, body = undefined) => {
  const answer = await request(running, method, path, body)
  const { responses } = paths[template]?.[method.toLowerCase()] ?? { responses: {} }
  const described = responses[answer.status] ?? responses[`${String(answer.status)[0]}XX`]
  const schema = described?.content?.['application/json']?.schema
  expect(schema, `${answer.status} of ${Object.keys(responses)}`).toBeDefined()
  expect([...Value.Errors(schema ?? {}, answer.body)]).toEqual([])
})

/** From the printed tree (`└── /subscriptions (POST, GET, HEAD)`), without those of the page itself. */
function registered(tree: string): string[] {
  const above: string[] = []
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', segment, methods = ''] = /^(.*)── (\S+)(?: \(([^)]+)\))?/.exec(line) ?? []
    if (segment === undefined) return []
    above.splice(Math.floor(indent.length / 4), above.length, segment)
    const path = above.join('').replaceAll(/:(\w+)/g, '{$1}')
    const isDescribed = methods !== '' && !path.startsWith('/docs')
    const own = methods.split(', ').filter((method) => method !== 'HEAD')
    return isDescribed ? own.map((method) => `${method} ${path}`) : []
  })
}
