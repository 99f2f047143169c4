/** `/accounts`: the broker accounts, and a new access token for one of them. */
import { Type } from 'typebox'
import { AccessTokenRequest, Accounts, AccountView } from '../../contract/api/accounts.ts'
import { ErrorBody } from '../../contract/api/error.ts'
import { formatIst } from '../../market/ist.ts'
import type { Account } from '../connection/account.ts'
import { isAccessToken } from '../tokens/token-text.ts'
import type { Tokens } from '../tokens/tokens.ts'
import { ApiError } from './api-error.ts'
import type { Server } from './server.ts'

const SHOWN_KEY_CHARS = 4
const AccountParams = Type.Object({ name: Type.String({ description: 'Name of the account.' }) })

export function accountRoutes(app: Server, accounts: readonly Account[], tokens: Tokens): void {
  const tags = ['accounts']

  app.route({
    method: 'GET',
    url: '/accounts',
    schema: {
      tags,
      summary: 'Broker accounts, their state and how old their tokens are.',
      response: { 200: Accounts, '5xx': ErrorBody },
    },
    handler: async () => accounts.map((account) => viewOf(account, tokens)),
  })

  app.route({
    method: 'PUT',
    url: '/accounts/:name/access_token',
    schema: {
      tags,
      summary: 'Takes an access token from elsewhere, where the broker does not refuse it.',
      params: AccountParams,
      body: AccessTokenRequest,
      response: { 200: AccountView, '4xx': ErrorBody, '5xx': ErrorBody },
    },
    // Told by hand: a refusal that repeats what is wrong would repeat the token.
    validatorCompiler: () => () => true,
    handler: async ({ params, body }) => {
      const account = named(accounts, params.name)
      const outcome = await tokens.put(account.name, accessTokenOf(body))
      if (outcome === 'refused') {
        const message = 'The broker refuses this access token; the account keeps the one it has.'
        throw new ApiError('bad_request', message, { field: 'access_token' })
      }
      return viewOf(account, tokens)
    },
  })
}

function viewOf(account: Account, tokens: Tokens): AccountView {
  const { name, settings, state, access, sinceMs, instruments, limit } = account
  return {
    name,
    api_key: `${settings.apiKey.slice(0, SHOWN_KEY_CHARS)}…`,
    state,
    reason: tokens.reason(account),
    login_url: access.loginUrl,
    since: formatIst(sinceMs),
    instruments,
    capacity: limit,
    max_connections: settings.maxConnections,
    token: tokens.view(name),
  }
}

function named(accounts: readonly Account[], name: string): Account {
  const account = accounts.find((each) => each.name === name)
  if (account !== undefined) return account
  const known = accounts.map((each) => each.name)
  throw new ApiError('not_found', 'There is no account of this name.', { known })
}

function accessTokenOf(body: unknown): string {
  const fields = typeof body === 'object' && body !== null ? Object.entries(body) : []
  const [[name, value] = []] = fields
  const isOnlyToken = fields.length === 1 && name === 'access_token'
  if (isOnlyToken && typeof value === 'string' && isAccessToken(value.trim())) return value.trim()
  const message = 'The body must be {"access_token": "…"}, with a token as the broker gives it.'
  throw new ApiError('bad_request', message, { field: 'access_token' })
}
