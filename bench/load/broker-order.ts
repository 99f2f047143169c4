/** What a broker process is told at its start, and what it tells of its connections. */
export interface BrokerOrder {
  readonly seed: number
  /** Tokens that tick every 10 ms. */
  readonly watched: readonly number[]
  /** Packets a second of all others together. */
  readonly othersPerSecond: number
}

/** Times are wall clock, epoch ms. */
export interface ToldConnection {
  /** Its api_key. */
  readonly account: string
  readonly openedAtMs: number
  /** The last message of the client. */
  readonly toldAtMs: number
  readonly subscribed: number
  /** Of them in `full` mode. */
  readonly full: number
}
