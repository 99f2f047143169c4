/** `/accounts` of the ticker: broker accounts, how old their tokens are, and a new token for one. */
import { type Static, Type } from 'typebox'
import {
  choice,
  flag,
  integer,
  maybe,
  maybeInteger,
  maybeIstTime,
  maybeText,
  strict,
  text,
} from './schema-parts.ts'

export const AccountToken = Type.Object({
  source: choice(
    ['settings', 'login', 'file', 'api'],
    'Where it came from; file = access_token_file, api = PUT.',
  ),
  issued_at: maybeIstTime('Login, or when it was written or arrived; null = not known.'),
  expires_at: maybeIstTime('06:00 of the next morning; null = never (simulated exchange).'),
  age_s: maybeInteger('Seconds since issued_at.'),
  is_expired: flag('Whether it has ended.'),
})
export type AccountToken = Static<typeof AccountToken>

const AccountState = choice(['up', 'down', 'no_token', 'no_market_data'], 'Whether it streams.')

export const AccountView = Type.Object({
  name: text('Name of the broker account.'),
  api_key: text('Its first characters, to tell accounts apart.'),
  state: AccountState,
  reason: maybeText('Why it does not stream, or will soon not.'),
  login_url: text('Where the user gets a new token.'),
  since: maybeIstTime('Since when it is in this state.'),
  instruments: integer('Instruments it carries.'),
  capacity: integer('Instruments it takes before failover.'),
  max_connections: integer('Sockets that it may open.'),
  token: maybe(AccountToken),
  ticker: Type.Optional(text('URL of its ticker; said by the backend where there are several.')),
})
export type AccountView = Static<typeof AccountView>

export const Accounts = Type.Array(AccountView)

/** The body is checked by hand, so that no refusal repeats a token. */
export const AccessTokenRequest = Type.Object(
  { access_token: text('A token from a login elsewhere.') },
  strict,
)
