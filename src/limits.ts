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
/** Tokens in one subscribe, unsubscribe or mode message; more are sent as several. */
export const KITE_TOKENS_PER_MESSAGE = 500
/** A socket that is not open, or not closed in order, after so long is torn down. */
export const KITE_SOCKET_OPEN_TIMEOUT_MS = 10_000
export const KITE_SOCKET_CLOSE_TIMEOUT_MS = 2_000
/** A REST call and its answer; the instrument dump is some 10 MB and gets more. */
export const KITE_REST_TIMEOUT_MS = 10_000
export const KITE_DUMP_TIMEOUT_MS = 60_000
/** Largest REST answer taken, compressed or not. */
export const KITE_REST_MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Instruments in one call of `/quote`, and of `/quote/ohlc` or `/quote/ltp` (the broker's limits). */
export const KITE_QUOTE_KEYS_MAX = 500
export const KITE_LTP_KEYS_MAX = 1_000
/** A longer `Retry-After` is taken as this. */
export const KITE_RETRY_AFTER_MAX_MS = 3_600_000
/** Text of the broker that is carried in an error. */
export const KITE_ERROR_TEXT_CHARS = 300
/** Malformed rows of an instrument dump that are kept to be shown; all are counted. */
export const KITE_MALFORMED_ROWS_KEPT = 100

// Ticker

/** Kite's limit for the instruments of one socket. */
export const TICKER_INSTRUMENTS_PER_CONNECTION = 3_000
/** A socket is filled up to this before the next one is opened: fewer sockets, and one that drops takes no more with it. */
export const TICKER_PREFERRED_PER_CONNECTION = 1_000
/** Pauses before a dropped socket is opened again: first and largest; the first is well under the 3 s that users notice. */
export const TICKER_RECONNECT_FIRST_MS = 500
export const TICKER_RECONNECT_MAX_MS = 30_000
/** The same where the broker says that there are too many connections (429) and not how long to wait. */
export const TICKER_BUSY_FIRST_MS = 5_000
export const TICKER_BUSY_MAX_MS = 60_000
/** How often an account that was refused (403) is tried, without anybody having given it a new token. */
export const TICKER_REFUSED_RETRY_MS = 60_000
/** A socket that stayed open so long, or brought data, has proved itself: the next drop begins with the first pause. */
export const TICKER_SOCKET_PROVEN_MS = 10_000
/** Without data for so long in session (unless configured) a socket is mute; doubled up to the cap while reopening does not help. */
export const TICKER_MUTE_AFTER_MS = 15_000
export const TICKER_MUTE_AFTER_MAX_MS = 300_000
/** How often connections, clocks and rates are looked at. */
export const TICKER_CHECK_PERIOD_MS = 1_000
/** Wall and monotonic clock may part by this much before sockets are reopened. */
export const TICKER_CLOCK_STEP_MS = 2_000
/** Market time this far ahead of the exchange's own seconds of late is a wrong clock on this machine, and said so. */
export const TICKER_CLOCK_AHEAD_MS = 10_000
export const TICKER_CLOCK_AHEAD_RECENT_MS = 60_000
/** A gap begins so long before the last data that is known to be whole (the broker's own lag, worst seen 2.98 s). */
export const TICKER_GAP_LOOKBACK_MS = 3_000
/** Ticks on their way to the journal, bytes: sockets pause, go on, and beyond the last ticks are dropped. */
export const TICKER_PENDING_PAUSE_BYTES = 8 * 1024 * 1024
export const TICKER_PENDING_RESUME_BYTES = 2 * 1024 * 1024
export const TICKER_PENDING_MAX_BYTES = 24 * 1024 * 1024
/** Rejected frames are logged at most this often, with no more than so many of their bytes. */
export const TICKER_FAULT_LOG_PERIOD_MS = 60_000
export const TICKER_FAULT_LOG_BYTES = 256
/** Ended subscriptions that are kept to be shown, how many and how long (in the store too); the oldest go. */
export const TICKER_REMOVED_KEPT = 10_000
export const TICKER_REMOVED_KEPT_MS = 30 * 86_400_000
/** What became of subscriptions is gathered this long before the own copy is written again; requests do not wait for it. */
export const TICKER_COPY_PERIOD_MS = 1_000
/** Rows of one write to the store; the pauses between attempts; how often times of ticks are stored. */
export const TICKER_STORE_CHUNK_ROWS = 500
export const TICKER_STORE_RETRY_FIRST_MS = 500
export const TICKER_STORE_RETRY_MAX_MS = 30_000
export const TICKER_TICK_TIMES_PERIOD_MS = 60_000
/** How long the start waits for the stored subscriptions before it goes on without them. */
export const TICKER_STORE_START_MS = 5_000
/** How long the start as a whole waits for a broker that does not answer; it is done behind the scenes then. */
export const TICKER_START_WAIT_MS = 10_000
/** Pauses between attempts to get the instrument dump, or the spot for the first subscriptions. */
export const TICKER_BROKER_RETRY_FIRST_MS = 1_000
export const TICKER_BROKER_RETRY_MAX_MS = 60_000
/** Largest request body; 4,500 instruments by name are some 0.4 MB. */
export const TICKER_BODY_MAX_BYTES = 2 * 1024 * 1024
/** Requests that wait for a first tick at once; more are refused. */
export const TICKER_WAITERS_MAX = 200
/** The longest wait for a first tick where the caller names none. */
export const TICKER_WAIT_DEFAULT_MS = 10_000
/** An orderly stop ends after this, finished or not. */
export const TICKER_STOP_MS = 5_000

// Journal

/** Largest journal batch; a segment's preamble repeats every known instrument in one (some 300 bytes each). */
export const JOURNAL_BATCH_MAX_BYTES = 32 * 1024 * 1024
/** A segment file is followed by a new one when it is this large or this old. */
export const JOURNAL_SEGMENT_MAX_BYTES = 64 * 1024 * 1024
export const JOURNAL_SEGMENT_MAX_AGE_MS = 3_600_000
/** How often written batches are forced to the disk: what a power cut may take. */
export const JOURNAL_SYNC_PERIOD_MS = 50
/** Partitions synced at once; the rest of Node's four file threads is for writes. */
export const JOURNAL_SYNCS_AT_ONCE = 2
/** Batches written in one go. */
export const JOURNAL_WRITE_MAX_BATCHES = 256
export const JOURNAL_WRITE_MAX_BYTES = 8 * 1024 * 1024
/** Batches of one partition waiting to be written; what comes on top is refused. */
export const JOURNAL_PENDING_MAX_BYTES = 64 * 1024 * 1024
/** Batches of one partition written and not yet synced (kept, in case the sync fails); writing waits beyond it. */
export const JOURNAL_UNSYNCED_MAX_BYTES = 64 * 1024 * 1024
/** Batches waiting for one live reader; a slower one goes back to reading files. */
export const JOURNAL_READER_QUEUE_MAX_BYTES = 8 * 1024 * 1024
/** One read of a segment file. */
export const JOURNAL_READ_CHUNK_BYTES = 1024 * 1024
/** A file that is given up on a full disk, so that gaps and other control records can still be written. */
export const JOURNAL_RESERVE_BYTES = 16 * 1024 * 1024
/** Below so much free space the oldest segments go, committed or not. */
export const JOURNAL_DISK_FLOOR_BYTES = 1024 * 1024 * 1024
/** How often a full or failing disk is tried again. */
export const JOURNAL_DISK_RETRY_MS = 1_000
/** How often segments are looked through for what may go. */
export const JOURNAL_RETENTION_PERIOD_MS = 10_000
/** Damaged places of one partition that are listed and set aside; more are only logged. */
export const JOURNAL_DAMAGE_KEPT_MAX = 100
/** How often the consumers' positions are saved. */
export const JOURNAL_CONSUMERS_SAVE_PERIOD_MS = 1_000

// Backend API

/** A chain is computed and serialised anew at most this often, however many ask and however fast it ticks. */
export const API_CHAIN_REBUILD_MS = 20
/** Series whose chain is kept as it was presented last, and serialised windows of each. */
export const API_CHAINS_KEPT = 32
export const API_CHAIN_WINDOWS_KEPT = 4
/** Largest request body, and largest one that is passed on to the ticker. */
export const API_BODY_MAX_BYTES = 64 * 1024
export const API_PASSED_ON_MAX_BYTES = 2 * 1024 * 1024
/** A request that has not arrived whole after so long is refused. */
export const API_REQUEST_TIMEOUT_MS = 30_000
/** Reads of the store at once, and those that wait for their turn; more are refused. */
export const API_READS_AT_ONCE = 3
export const API_READS_WAITING = 64
/** A read that takes longer is given up by the request that waits for it. */
export const API_READ_TIMEOUT_MS = 10_000
/** Minutes of one answer of metrics. */
export const API_METRICS_MINUTES = 50_000
/** Names in one request of marks. */
export const API_MARKS_NAMES = 2_000
/** Known names that a refusal lists. */
export const API_NAMES_SHOWN = 40
/** How far back a stored chain, a previous close and the newest row of a table are looked for. */
export const API_LOOKBACK_DAYS = 10
/** Status of the store and the tickers is asked for at most this often, and given up after so long. */
export const API_PROBE_PERIOD_MS = 1_000
export const API_PROBE_TIMEOUT_MS = 2_000
/** A log that has not gone on for so long stands still; one that is older than this is behind. */
export const API_LOG_STANDS_AFTER_MS = 10_000
/** Contracts of one statement that reads their day: some 400 rows each. */
export const API_DAYS_PER_STATEMENT = 10

// Live stream (server and page)

/** Chains go out at most this often per subscription. */
export const STREAM_BEAT_MS = 100
/** Sockets at once; one more is told so and closed. */
export const STREAM_CLIENTS = 200
export const STREAM_SUBSCRIPTIONS_PER_CLIENT = 16
/** What a client may say: size of a message, messages a second. */
export const STREAM_MESSAGE_MAX_BYTES = 16 * 1024
export const STREAM_MESSAGES_PER_SECOND = 50
/** A client with more than this unread gets nothing new until it has read; after so long it is dropped. */
export const STREAM_UNREAD_MAX_BYTES = 1024 * 1024
export const STREAM_SLOW_CLIENT_MS = 15_000
/** A client is pinged this often and dropped if the previous ping was not answered. */
export const STREAM_PING_PERIOD_MS = 15_000
/** How long a socket has to close in order. */
export const STREAM_CLOSE_MS = 2_000
/** A `health` message goes out at least this often, so that silence means a dead connection. */
export const STREAM_HEALTH_PERIOD_MS = 5_000
/** The page gives up a socket that has said nothing for so long. */
export const STREAM_SILENCE_MS = 12_000
/** The page's pauses between attempts: first, then doubling up to the largest, plus this share of chance. */
export const PAGE_RETRY_FIRST_MS = 500
export const PAGE_RETRY_MAX_MS = 4_000
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
/** Choice lists are asked for again so often, so that a rolled expiry appears. */
export const PAGE_REFRESH_PERIOD_MS = 30_000
/** The page never has more strikes streamed on each side than this; the others are snapshots. */
export const PAGE_VIEW_MAX_STRIKES = 20

// Bars

/** A minute closes when market time has passed its end by this much. */
export const ALLOWED_LATENESS_MS = 5_000
/** The conflating writer's commits begin so far apart at the least. */
export const COMMIT_PAUSE_MS = 5
/** Records folded and not yet committed; beyond it the reader waits for the commit. */
export const UNCOMMITTED_RECORDS_MAX = 200_000
/** Rows of one statement that writes final values. */
export const FINALS_PER_STATEMENT = 200
/** Expiry metrics are written at most this often while the minute is open, the distribution that often. */
export const METRICS_PERIOD_MS = 250
export const DISTRIBUTION_PERIOD_MS = 5_000
/** Series of which one commit carries metrics, and the distribution. */
export const METRICS_PER_COMMIT = 2
export const DISTRIBUTIONS_PER_COMMIT = 1
/** The forward of an open minute is computed again when the market has moved on by this. */
export const FORWARD_PERIOD_MS = 100
/** Pauses between attempts to get the store back: first and largest. */
export const STORE_RETRY_FIRST_MS = 200
export const STORE_RETRY_MAX_MS = 5_000
/** How far back a previous day's open interest is looked for. */
export const PREVIOUS_CLOSE_DAYS = 10

// Embedded store (PGlite behind a gateway)

/** Largest single message of a client, a statement with its parameters. */
export const EMBEDDED_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
/** Statements that one client may send ahead of their answers. */
export const EMBEDDED_CLIENT_WAITING_JOBS = 1_000
/** Answers travel from the engine's thread in pieces of this size. */
export const EMBEDDED_ANSWER_PIECE_BYTES = 64 * 1024
/** An open transaction holds the only engine: one that is idle so long is ended, ours and others'. */
export const EMBEDDED_IDLE_TRANSACTION_MS = 10_000
export const EMBEDDED_IDLE_TRANSACTION_OUTSIDE_MS = 1_000
/** A checkpoint is written when the write-ahead log has grown by this, looked at this often. */
export const EMBEDDED_CHECKPOINT_WAL_BYTES = 64 * 1024 * 1024
export const EMBEDDED_CHECKPOINT_PERIOD_MS = 5_000
/** Nothing can interrupt the engine: one statement that takes longer than this has it started anew. */
export const EMBEDDED_STATEMENT_MAX_MS = 120_000
/** Opening includes the replay of the write-ahead log after a crash. */
export const EMBEDDED_OPEN_TIMEOUT_MS = 60_000
export const EMBEDDED_CLOSE_TIMEOUT_MS = 15_000
/** Pauses between attempts to start a dead engine: first and largest. */
export const EMBEDDED_RESTART_FIRST_MS = 100
export const EMBEDDED_RESTART_MAX_MS = 30_000
/** Programs connected over TCP at once. */
export const EMBEDDED_TCP_CLIENTS = 8

// Simulated exchange

/** Half hours (14 KB each) of the path that all indices share; a day has 48. */
export const EXCHANGE_SHARED_PATH_BLOCKS = 64
/** Half hours (15 KB each) of each underlying's spot and of volatility. */
export const EXCHANGE_SERIES_BLOCKS = 64
/** Midnights remembered per underlying. */
export const EXCHANGE_MIDNIGHTS = 1_024
/** Packets are sent this often, one frame a connection. */
export const EXCHANGE_SLOT_MS = 25
/** More events than this in one slot, and only each instrument's newest state is sent. */
export const EXCHANGE_SLOT_MAX_EVENTS = 5_000
/** After a longer pause of the process (of wall time) the feed does not make up for what it missed. */
export const EXCHANGE_CATCH_UP_MAX_MS = 2_000
/** The same where a rate is set, so that a machine that cannot keep it is not asked for more and more. */
export const EXCHANGE_RATE_CATCH_UP_MAX_MS = 100
/** First states of new subscriptions are sent in pieces of this length, so that nobody else waits. */
export const EXCHANGE_FIRST_PACKETS_SLICE_MS = 6
export const EXCHANGE_HEARTBEAT_PERIOD_MS = 1_000
/** Kite's limits. */
export const EXCHANGE_CONNECTIONS_PER_KEY = 3
export const EXCHANGE_SUBSCRIPTIONS_PER_CONNECTION = 3_000
/** Largest message taken from a client; 3,000 tokens are some 33 KB. */
export const EXCHANGE_CLIENT_MESSAGE_MAX_BYTES = 1024 * 1024
/** A client with so much unsent gets newest states only; with so much, or for so long, it is closed. */
export const EXCHANGE_SEND_BUFFER_CONFLATE_BYTES = 2 * 1024 * 1024
export const EXCHANGE_SEND_BUFFER_MAX_BYTES = 32 * 1024 * 1024
export const EXCHANGE_SLOW_CLIENT_MS = 15_000
/** Frames that the fault `slow` holds back on one connection; more are left out. */
export const EXCHANGE_DELAYED_FRAMES_MAX_BYTES = 16 * 1024 * 1024
/** Single packets remembered per connection (13 bytes each), and closed connections remembered. */
export const EXCHANGE_LEDGER_PACKETS = 65_536
export const EXCHANGE_LEDGER_CLOSED_CONNECTIONS = 12
/** Packets in one answer of the ledger. */
export const EXCHANGE_LEDGER_ANSWER_PACKETS = 10_000
/** A lasting fault without a duration, the longest one, and how many may hold at a time. */
export const EXCHANGE_FAULT_DEFAULT_MS = 30_000
export const EXCHANGE_FAULT_MAX_MS = 86_400_000
export const EXCHANGE_FAULTS_ACTIVE = 100
/** Sessions per account and request tokens; the oldest goes. */
export const EXCHANGE_SESSIONS_PER_ACCOUNT = 16
export const EXCHANGE_REQUEST_TOKENS = 256
/** Keys whose request rate is remembered. */
export const EXCHANGE_RATE_KEYS = 1_024
/** Instruments whose state between two quotes is kept (some 3 KB each). */
export const EXCHANGE_QUOTED_STATES = 2_048
/** A long answer is put together in pieces of this length, so that the feed goes on; one at a time. */
export const EXCHANGE_ANSWER_SLICE_MS = 6
export const EXCHANGE_ANSWERS_WAITING = 256
/** Where market time has to be kept, it is written this often. */
export const EXCHANGE_CLOCK_SAVE_PERIOD_MS = 1_000
/** The fastest that the market runs, and the most packets a second that can be asked for. */
export const EXCHANGE_SPEED_MAX = 600
export const EXCHANGE_RATE_MAX = 1_000_000

// Store connections

/** Connections of the pool that serves reads. */
export const STORE_READ_CONNECTIONS = 4
/** A connection that is not open after so long is given up. */
export const STORE_CONNECT_TIMEOUT_MS = 5_000
/** Rows of one statement that writes subscriptions or instruments: it keeps the embedded engine some 10 ms. */
export const STORE_ROWS_PER_STATEMENT = 400

// Start and stop

/** An orderly stop is given up after this. */
export const STOP_DEADLINE_MS = 4_500
/** How long a stop waits for the writers to commit what the log still has. */
export const DRAIN_DEADLINE_MS = 2_500
