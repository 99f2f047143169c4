/**
 * Every cap of every queue, cache, batch and retry, by name, in one place.
 */

// Kite: frames, messages, REST

/** Largest WebSocket message taken or sent; 3,000 full packets are 0.56 MB. */
export const KITE_MAX_FRAME_BYTES = 4 * 1024 * 1024

// Journal

/** Largest journal batch; a segment's preamble repeats every known instrument in one (some 300 bytes each). */
export const JOURNAL_BATCH_MAX_BYTES = 32 * 1024 * 1024

// Live stream (server and page)

/** A `health` message goes out at least this often, so that silence means a dead connection. */
export const STREAM_HEALTH_PERIOD_MS = 5_000
/** The page gives up a socket that has said nothing for so long. */
export const STREAM_SILENCE_MS = 12_000
