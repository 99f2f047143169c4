/** What a slot remembers over all the sockets that it has had: for `/status` and the metrics. */
import type { FeedSession } from '../feed/feed-session.ts'

export class ConnectionHistory {
  /** Payload of all messages, heartbeats too. */
  bytesReceived = 0
  /** Wall clock; of the newest socket. */
  openedAtMs: number | undefined
  /** Wall clock; undefined while it does not wait. */
  nextRetryAtMs: number | undefined
  /** Why it was last not open, for people; null where it always was. */
  lastError: string | null = null
  #packets = 0
  #lastTickAtMs: number | undefined
  #lastHeartbeatAtMs: number | undefined

  /** The session is over: another one begins. */
  end(session: FeedSession | undefined): void {
    this.#packets = this.packets(session)
    this.#lastTickAtMs = this.lastTickAtMs(session)
    this.#lastHeartbeatAtMs = this.lastHeartbeatAtMs(session)
  }

  /** Packets in all. */
  packets(session: FeedSession | undefined): number {
    return this.#packets + (session?.packets ?? 0)
  }

  /** Wall clock; undefined before the first. */
  lastTickAtMs(session: FeedSession | undefined): number | undefined {
    return session?.lastTickAtMs ?? this.#lastTickAtMs
  }

  lastHeartbeatAtMs(session: FeedSession | undefined): number | undefined {
    return session?.lastHeartbeatAtMs ?? this.#lastHeartbeatAtMs
  }
}
