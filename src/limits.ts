/**
 * Every cap of every queue, cache, batch and retry, by name, in one place.
 */

// Kite: frames, messages, REST

/** Largest WebSocket message taken or sent; 3,000 full packets are 0.56 MB. */
export const KITE_MAX_FRAME_BYTES = 4 * 1024 * 1024
