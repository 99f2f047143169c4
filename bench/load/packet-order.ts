/** What the packet generator is told at its start, and what it tells of itself. */
export interface PacketOrder {
  readonly seed: number
}

export interface SentPackets {
  /** Since the start. */
  readonly packets: number
  /** Of the generator itself, since it was asked last. */
  readonly longest_pause_ms: number
  /** In its sockets: the reader is behind by as much. */
  readonly unsent_bytes: number
}
