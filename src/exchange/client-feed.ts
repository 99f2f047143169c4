/** What the WebSocket endpoint asks of whatever makes the packets: the simulated market, or a replay. */
import type { TickMode } from '../market/tick.ts'
import type { ClientConnection } from './client-connection.ts'

export interface ClientFeed {
  readonly connections: Set<ClientConnection>
  /** False once there is nothing more to send: nobody is let in. */
  readonly isOpen: boolean
  /** Takes what fits and answers how many did not. Each is sent its state at once, where it is known. */
  subscribe(connection: ClientConnection, tokens: readonly number[], mode?: TickMode): number
  unsubscribe(connection: ClientConnection, tokens: readonly number[]): void
  drop(connection: ClientConnection): void
}
