/**
 * One account at the broker, as the ticker uses it. The seam between the ticker's logic and the
 * network: a test can put another broker in its place.
 */
import type { Clock } from '../kit/clock.ts'
import { kiteLoginUrl } from '../kite/login.ts'
import { KiteRest } from '../kite/rest.ts'
import { type KiteSocketHandlers, openKiteSocket } from '../kite/socket.ts'
import type { TickMode } from '../market/tick.ts'

/** What a socket can be told; each call resolves when it is handed to the network. */
export interface BrokerSocket {
  subscribe(tokens: readonly number[]): Promise<void>
  unsubscribe(tokens: readonly number[]): Promise<void>
  setMode(mode: TickMode, tokens: readonly number[]): Promise<void>
  /** Stops reading: back-pressure. */
  pause(): void
  resume(): void
  /** No handler is called from here on; may be repeated. */
  close(): Promise<void>
}

export interface BrokerAccess {
  /** Rejects with a `KiteError`. */
  openSocket(
    accessToken: string,
    handlers: KiteSocketHandlers,
    signal: AbortSignal,
  ): Promise<BrokerSocket>
  readonly rest: Pick<KiteRest, 'instrumentsCsv' | 'ltp' | 'profile' | 'history' | 'quotes'>
  /** Where the user gets a new access token. */
  readonly loginUrl: string
}

export interface BrokerRequest {
  readonly apiKey: string
  /** Asked at every call, since the token changes every morning. */
  readonly accessToken: () => string | undefined
}

export type BrokerFactory = (request: BrokerRequest) => BrokerAccess

/** The real broker, or a simulated exchange that speaks as it does. */
export function kiteBroker(options: {
  readonly webSocketRoot: string
  readonly restRoot: string
  /** Kite's own where left out. */
  readonly loginRoot?: string
  readonly clock: Clock
}): BrokerFactory {
  const { webSocketRoot, restRoot, loginRoot, clock } = options
  return ({ apiKey, accessToken }) => ({
    openSocket: (token, handlers, signal) =>
      openKiteSocket({ root: webSocketRoot, apiKey, accessToken: token, clock, signal }, handlers),
    rest: new KiteRest({ root: restRoot, apiKey, accessToken, clock }),
    loginUrl: kiteLoginUrl(apiKey, {}, loginRoot),
  })
}
