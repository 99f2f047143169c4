/**
 * Every cap of every queue, cache, batch and retry, by name, in one place.
 */

// Logs, locks, metrics

/** A role's log file is rotated when it would pass this size. */
export const LOG_FILE_MAX_BYTES = 16 * 1024 * 1024
/** Rotated log files kept beside the current one; the oldest goes. */
export const LOG_FILES_KEPT = 5
/** Values of one label of one metric; what comes after them is counted as `other`. */
export const METRIC_LABEL_VALUES_MAX = 200
/** How often two that claim a folder at the same moment try again. */
export const FOLDER_LOCK_ATTEMPTS = 20
/** How long the holder of a folder has to say who it is. */
export const FOLDER_LOCK_ANSWER_MS = 500

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
/** The page's pauses between attempts: first, then doubling up to the largest, plus this share of chance. */
export const PAGE_RETRY_FIRST_MS = 500
export const PAGE_RETRY_MAX_MS = 8_000
export const PAGE_RETRY_JITTER = 0.3
/** After so many failed attempts the page also asks over REST, so often. */
export const PAGE_POLL_AFTER_ATTEMPTS = 2
export const PAGE_POLL_PERIOD_MS = 5_000
/** A REST request of the page is given up after this. */
export const PAGE_REQUEST_TIMEOUT_MS = 8_000
/** Data of an open market that is older than this is called stale. */
export const PAGE_STALE_AFTER_MS = 10_000
/** How often the page looks at its link. */
export const PAGE_CLOCK_PERIOD_MS = 1_000

// Bars

/** A minute closes when market time has passed its end by this much. */
export const ALLOWED_LATENESS_MS = 5_000
/** The conflating writer's shortest pause from one commit's end to the next one's start. */
export const COMMIT_PAUSE_MS = 5
/** Records folded and not yet committed; beyond it the reader waits for the commit. */
export const UNCOMMITTED_RECORDS_MAX = 200_000
/** Rows of one statement that writes final values. */
export const FINALS_PER_STATEMENT = 200
/** Expiry metrics are written at most this often while the minute is open, the distribution that often. */
export const METRICS_PERIOD_MS = 250
export const DISTRIBUTION_PERIOD_MS = 5_000
/** Pauses between attempts to get the store back: first and largest. */
export const STORE_RETRY_FIRST_MS = 200
export const STORE_RETRY_MAX_MS = 5_000
/** How far back a previous day's open interest is looked for. */
export const PREVIOUS_CLOSE_DAYS = 10
