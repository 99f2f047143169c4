/**
 * What can be made to go wrong on demand, and what is going wrong at the moment.
 *
 * Faults of a connection bind to the connections that are open when they are asked for: a client
 * that reconnects is healed, as from a real stuck socket. Faults of an account hold for all that it
 * does, new connections included.
 */
import type { Clock } from '../kit/clock.ts'
import { EXCHANGE_FAULT_DEFAULT_MS, EXCHANGE_FAULTS_ACTIVE } from '../limits.ts'

/** `half_open`: the socket stays, but nothing is sent, read or answered. */
export const CONNECTION_FAULTS = [
  'mute',
  'half_open',
  'slow',
  'malformed',
  'truncated',
  'duplicate',
  'out_of_order',
] as const
/** `disconnect` closes at once, and refuses new connections as long as it lasts. */
export const ACCOUNT_FAULTS = ['disconnect', 'token_expired', 'http_429', 'http_500'] as const
export const FAULT_KINDS = [...CONNECTION_FAULTS, ...ACCOUNT_FAULTS] as const
export type ConnectionFault = (typeof CONNECTION_FAULTS)[number]
export type AccountFault = (typeof ACCOUNT_FAULTS)[number]
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Where no duration is given these happen once: to the next frame, or at once. */
const ONCE: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'malformed',
  'truncated',
  'duplicate',
  'out_of_order',
  'disconnect',
])

export interface FaultRequest {
  readonly kind: FaultKind
  /** Name of the account; undefined for all. */
  readonly account: string | undefined
  /** One connection only. */
  readonly connection: number | undefined
  readonly durationMs: number | undefined
  /** For `slow`: how late every frame is. */
  readonly delayMs: number
  /** For `mute`: these instruments alone, until they are subscribed anew; undefined for all. */
  readonly tokens?: ReadonlySet<number>
}

export interface ActiveFault extends FaultRequest {
  readonly id: number
  /** Of `elapsedMs`. */
  readonly untilElapsedMs: number
}

export class Faults {
  private readonly clock: Clock
  private active: ActiveFault[] = []
  private lastId = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Remembers a fault as long as it lasts. One that happens once is over when it is answered. */
  add(request: FaultRequest): ActiveFault {
    this.lastId++
    const durationMs =
      request.durationMs ?? (ONCE.has(request.kind) ? 0 : EXCHANGE_FAULT_DEFAULT_MS)
    const untilElapsedMs = this.clock.elapsedMs() + durationMs
    const fault = { ...request, id: this.lastId, untilElapsedMs }
    this.active = [...this.listed(), fault].slice(-EXCHANGE_FAULTS_ACTIVE)
    return fault
  }

  /** Whether a fault of a whole account holds. */
  holds(kind: AccountFault, account: string | undefined): boolean {
    const nowMs = this.clock.elapsedMs()
    return this.active.some(
      (fault) =>
        fault.kind === kind &&
        fault.untilElapsedMs > nowMs &&
        (fault.account === undefined || fault.account === account),
    )
  }

  /** Those that still last. */
  listed(): ActiveFault[] {
    const nowMs = this.clock.elapsedMs()
    return this.active.filter(({ untilElapsedMs }) => untilElapsedMs > nowMs)
  }

  clear(): void {
    this.active = []
  }
}
