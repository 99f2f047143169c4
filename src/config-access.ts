/**
 * Who may come in: API keys and basic authentication as they stand in the settings. Only hashes are
 * kept; a key of full length cannot be guessed from its hash, a password is as good as its choice.
 */
import { createHash } from 'node:crypto'
import { type Kind, mapped, secret } from './config-kinds.ts'

/** Each includes the ones before it. */
export type Scope = 'read' | 'write' | 'admin'

export interface ApiKey {
  /** Who holds it; shown in logs and as the holder of subscriptions. */
  readonly name: string
  readonly scope: Scope
  /** SHA-256 of the key, lower-case hexadecimal. */
  readonly sha256: string
}

export interface BasicUser {
  readonly user: string
  /** SHA-256 of the password, lower-case hexadecimal. */
  readonly passwordSha256: string
}

const HASHED = /^sha256=([0-9a-f]{64})$/i
const KEY_ENTRY = /^([\w.-]{1,40}):(read|write|admin):(.+)$/
/** Shorter keys could be tried out. */
const KEY_MIN_CHARACTERS = 16

/** `name:scope:key`, where key may be `sha256=…`. */
export const API_KEY: Kind<ApiKey> = mapped(
  secret('desk:admin:0123456789abcdef0123456789abcdef'),
  `be name:scope:key with the scope read, write or admin and a key of ${KEY_MIN_CHARACTERS} or more characters (or sha256= and its hash)`,
  (entry) => {
    const [, name, scope, key] = KEY_ENTRY.exec(entry) ?? []
    if (name === undefined || key === undefined || key.length < KEY_MIN_CHARACTERS) return undefined
    return { name, scope: scope as Scope, sha256: hashOf(key) }
  },
)

/** `user:password`, where password may be `sha256=…`. */
export const BASIC_USER: Kind<BasicUser> = mapped(
  secret('desk:a-long-password'),
  'be user:password (or user:sha256= and its hash)',
  (entry) => {
    const [, user, password] = /^([^:]+):(.+)$/s.exec(entry) ?? []
    if (user === undefined || password === undefined) return undefined
    return { user, passwordSha256: hashOf(password) }
  },
)

function hashOf(text: string): string {
  const [, given] = HASHED.exec(text) ?? []
  return given?.toLowerCase() ?? createHash('sha256').update(text).digest('hex')
}
