/** What the soak does next, drawn from its seed alone: the same seed makes the same decisions. */
import type { TickMode } from '../../src/market/tick.ts'
import type { Random } from '../load/random.ts'

export const HOLDERS = ['alpha', 'beta', 'gamma'] as const

export const FAULTS = [
  'disconnect',
  'mute',
  'half_open',
  'slow',
  'malformed',
  'truncated',
  'duplicate',
  'out_of_order',
  'token_expired',
  'http_429',
  'http_500',
] as const

export type Step =
  | {
      readonly kind: 'subscribe'
      readonly tokens: readonly number[]
      readonly mode: TickMode
      readonly holder: string
    }
  /** A share of what the holder holds, spread over it. */
  | { readonly kind: 'unsubscribe'; readonly share: number; readonly holder: string }
  | {
      readonly kind: 'mode'
      readonly share: number
      readonly mode: TickMode
      readonly holder: string
    }
  | {
      readonly kind: 'fault'
      readonly fault: (typeof FAULTS)[number]
      /** All accounts where it is undefined. */
      readonly account: string | undefined
      readonly durationMs: number
    }
  | { readonly kind: 'kill' | 'restart' }

const MODES = ['full', 'quote', 'ltp'] as const
const STEPS_AT_ONCE = 3
const CALL_MAX = 300
const FAULT_MAX_MS = 5_000
const FAULT_MIN_MS = 500
/** Those that strike once where no duration is given, and how often that is. */
const ONCE: readonly string[] = [
  'malformed',
  'truncated',
  'duplicate',
  'out_of_order',
  'disconnect',
]
const ONCE_SHARE = 0.4

export class Steps {
  readonly #random: Random
  readonly #universe: readonly number[]
  readonly #accounts: readonly string[]

  /** @param universe tokens that may be subscribed, in a fixed order */
  constructor(random: Random, universe: readonly number[], accounts: readonly string[]) {
    this.#random = random
    this.#universe = universe
    this.#accounts = accounts
  }

  /** Steps that follow each other without waiting. */
  round(): readonly Step[] {
    return Array.from({ length: 1 + this.#below(STEPS_AT_ONCE) }, () => this.#step())
  }

  #step(): Step {
    const chance = this.#random.next()
    if (chance < 0.25) return { kind: 'subscribe', ...this.#tokens(), ...this.#who() }
    if (chance < 0.4) return { kind: 'unsubscribe', share: this.#share(), ...this.#holder() }
    if (chance < 0.5) return { kind: 'mode', share: this.#share(), ...this.#who() }
    if (chance < 0.58) return { kind: 'kill' }
    if (chance < 0.61) return { kind: 'restart' }
    return this.#fault()
  }

  /** A stretch of the listed contracts, as somebody who watches one series asks for it. */
  #tokens(): { tokens: readonly number[] } {
    const from = this.#below(this.#universe.length)
    return { tokens: this.#universe.slice(from, from + 1 + this.#below(CALL_MAX)) }
  }

  #fault(): Step {
    const accounts = [...this.#accounts, undefined]
    const fault = this.#one(FAULTS)
    const account = this.#one(accounts)
    const isOnce = this.#random.next() < ONCE_SHARE && ONCE.includes(fault)
    const durationMs = FAULT_MIN_MS + this.#below(FAULT_MAX_MS - FAULT_MIN_MS)
    return { kind: 'fault', fault, account, durationMs: isOnce ? 0 : durationMs }
  }

  #who(): { mode: TickMode; holder: string } {
    return { mode: this.#one(MODES), ...this.#holder() }
  }

  #holder(): { holder: string } {
    return { holder: this.#one(HOLDERS) }
  }

  #share(): number {
    return 0.02 + 0.2 * this.#random.next()
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit)
  }
}

/** Every so-manieth of `tokens`, so that the share is spread over all of them. */
export function spread(tokens: readonly number[], share: number): number[] {
  const every = Math.max(1, Math.round(1 / share))
  return tokens.filter((_, at) => at % every === 0)
}

export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'subscribe':
      return `subscribe ${step.tokens.length} ${step.mode} by ${step.holder}`
    case 'unsubscribe':
      return `unsubscribe ${Math.round(step.share * 100)} % by ${step.holder}`
    case 'mode':
      return `mode ${step.mode} of ${Math.round(step.share * 100)} % by ${step.holder}`
    case 'fault':
      return `${step.fault} ${step.account ?? 'all'} ${step.durationMs} ms`
    default:
      return step.kind
  }
}
