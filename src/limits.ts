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

// Memory

/** The heap is collected anew when it has grown by this share of what was in use, not by up to four times as on a machine with much memory. */
export const HEAP_GROWING_PERCENT = 40

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
/** An account none of whose sockets could be opened for so long, while others' are open, is down; a socket that is refused as one too many so long is given up for a while. */
export const TICKER_ACCOUNT_UNREACHABLE_MS = 5_000
export const TICKER_SOCKET_BLOCKED_MS = 60_000
/** An account that comes back keeps a socket open so long before it gets its instruments back. */
export const TICKER_ACCOUNT_SETTLED_MS = 10_000
/** A quiet instrument that moves is taken as fed by its new socket so long after the broker was told there; any other is with its first packet. */
export const TICKER_HANDOVER_MS = 3_000
/** A socket that stayed open so long, or brought data, has proved itself: the next drop begins with the first pause. */
export const TICKER_SOCKET_PROVEN_MS = 10_000
/** Silence in session that makes a socket or an instrument mute where nothing is configured; doubled up to the cap while reopening, or asking anew, does not help. */
export const TICKER_MUTE_AFTER_MS = 15_000
export const TICKER_MUTE_AFTER_MAX_MS = 300_000
/** A silence counts only where its chance is below e^-13 (2 in a million): less than one false alarm an instrument a day at any pace. */
export const TICKER_SILENCE_SURPRISE = 13
/** Before so many seconds with ticks were seen of a socket's instruments, nothing is known of their pace. */
export const TICKER_PACE_SECONDS_KNOWN = 8
/** Seconds with ticks that an instrument's pace is learned from; then the older ones count half. */
export const TICKER_PACE_SECONDS_KEPT = 128
/** An instrument that has ticked in so many seconds since it was asked for anew has proved itself. */
export const TICKER_STRIKES_FORGIVEN_TICKS = 10
/** A socket that has been silent to within this of the configured silence is judged before its instruments are. */
export const TICKER_SOCKET_JUDGED_FIRST_MS = 4_000
/** What a socket brings so soon after it was opened may be mere states that were asked for, and no stream. */
export const TICKER_FIRST_STATES_MS = 3_000
/** Neither packet nor heartbeat (every 2.5 s) nor text for so long: the connection is stalled, in session or not. */
export const TICKER_STALL_MS = 4_000
/** What the broker was told of less than this ago may still answer. */
export const TICKER_FIRST_TICK_AWAITED_MS = 5_000
/** A check that comes so long after the one before was held up by ourselves, and judges nobody. */
export const TICKER_CHECK_LATE_MS = 2_500
/** How often connections, clocks and rates are looked at. */
export const TICKER_CHECK_PERIOD_MS = 1_000
/** Wall and monotonic clock may part by this much before sockets are reopened. */
export const TICKER_CLOCK_STEP_MS = 2_000
/** Market time this far ahead of the exchange's own seconds of late is a wrong clock on this machine, and said so. */
export const TICKER_CLOCK_AHEAD_MS = 10_000
export const TICKER_CLOCK_AHEAD_RECENT_MS = 60_000
/** Market time that leaps further than this was wrong until then (a machine whose clock is behind). */
export const TICKER_MARKET_LEAP_MS = 5_000
/** A gap begins so long before the last data that is known to be whole (the broker's own lag, worst seen 2.98 s). */
export const TICKER_GAP_LOOKBACK_MS = 3_000
/** Packets may have waited unread so long when a ticker died: a start looks so far back in its log, and what is older is an old snapshot. */
export const TICKER_UNREAD_MAX_MS = 60_000
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
/** A change of many subscriptions: instruments decided in one step, and after how long ticks pass. */
export const SUBSCRIPTION_CHANGES_A_STEP = 25
export const SUBSCRIPTION_SLICE_MS = 3
/** The own copy: lines made in one turn, and how much longer than at its last rewriting it may grow. */
export const OWN_COPY_LINES_A_TURN = 100
export const OWN_COPY_COMPACT_BYTES = 4 * 1024 * 1024
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
/** Work on the dump of 120,000 rows lets ticks pass after so long. */
export const TICKER_DUMP_SLICE_MS = 6
/** A dump with fewer rows is none. */
export const TICKER_DUMP_LEAST_ROWS = 100
/** A dump that lacks more of an exchange's unexpired contracts is a part of one; few contracts are not counted so. */
export const TICKER_DUMP_LEAST_KEPT_SHARE = 0.9
export const TICKER_DUMP_SHARE_COUNTS_FROM = 50
/** Requested names that a refusal finds the nearest listed one for, and the listed ones it compares each with. */
export const TICKER_SUGGESTIONS_MAX = 5
export const TICKER_SUGGESTION_CANDIDATES = 300
/** Largest request body; 4,500 instruments by name are some 0.4 MB. */
export const TICKER_BODY_MAX_BYTES = 2 * 1024 * 1024
/** Requests that wait for a first tick at once; more are refused. */
export const TICKER_WAITERS_MAX = 200
/** The longest wait for a first tick where the caller names none. */
export const TICKER_WAIT_DEFAULT_MS = 10_000
/** How often token files and the time of day are looked at: a new login is in use within two of these. */
export const TOKEN_CHECK_PERIOD_MS = 1_000
/** Largest file that is taken for an access token. */
export const TOKEN_FILE_MAX_BYTES = 8 * 1024
/** How long `fostream login` waits for the user. */
export const LOGIN_TIMEOUT_MS = 5 * 60_000
/** An orderly stop ends after this, finished or not. */
export const TICKER_STOP_MS = 5_000

// Ticker: requests to the broker

/** The broker's limit for the dump, the profile and the session, requests a second of one key. */
export const OTHER_REQUESTS_PER_SECOND = 10
/** So much lateness of our timers is made up for by the requests after it. */
export const BUDGET_SLACK_MS = 100
/** After a 429 the rate is this part of what it was, never less than that share of the configured one. */
export const BUDGET_SHRINK_FACTOR = 0.7
export const BUDGET_LEAST_SHARE = 0.1
/** Pauses after a 429 that does not say how long: first, then doubling up to the largest. */
export const BUDGET_PAUSE_FIRST_MS = 1_000
export const BUDGET_PAUSE_MAX_MS = 30_000
/** From a standstill the rate needs this long to be the configured one again. */
export const BUDGET_RECOVERY_MS = 60_000
/** The used share of a rate is that of so much market time. */
export const BUDGET_SHARE_WINDOW_MS = 10_000
/** An account whose token was refused for history or quotes is tried again after this. */
export const REQUESTS_REJECTED_RETRY_MS = 30_000
/** Requests that wait for their turn; more are refused. */
export const HISTORY_QUEUE_MAX = 5_000
export const QUOTE_QUEUE_MAX = 500
/** Requests of one account and kind that the broker has not answered yet. */
export const REQUESTS_IN_FLIGHT_MAX = 32
/** A request that fails at the broker's side is tried so often, with such a pause where no other account is left. */
export const REQUEST_ATTEMPTS = 3
export const REQUEST_RETRY_PAUSE_MS = 500
/** The longest wait where the caller names none, and the longest that can be named. */
export const REQUEST_TIMEOUT_DEFAULT_MS = 30_000
export const REQUEST_TIMEOUT_MAX_MS = 600_000
/** While requests wait, accounts that come and go are looked at this often. */
export const REQUEST_CHECK_PERIOD_MS = 1_000
/** The broker may still correct a minute for so long after its end (market time). */
export const HISTORY_SETTLE_MS = 15_000
/** Requests to the broker that one span of history may need. */
export const HISTORY_PARTS_MAX = 20
/** How far ahead of market time the end of a span may lie. */
export const HISTORY_AHEAD_MAX_MS = 86_400_000
/** Instruments in one request for quotes. */
export const QUOTES_INSTRUMENTS_MAX = 4_500
/** A quote on its way that was asked for so recently (market time) serves others too. */
export const QUOTE_SHARE_MS = 1_000

// Journal

/** Largest journal batch; a segment's preamble repeats every known instrument in one (some 300 bytes each). */
export const JOURNAL_BATCH_MAX_BYTES = 32 * 1024 * 1024
/** Instrument records that a reader knows again; several times as many as one ticker streams. */
export const REPEATED_RECORDS_MAX = 20_000
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
/** Over HTTP: the longest `opened` or `failed` note, which holds every instrument of a partition. */
export const JOURNAL_STREAM_NOTE_MAX_BYTES = 64 * 1024 * 1024
/** Over HTTP something is said at least this often, so that silence means a dead connection. */
export const JOURNAL_STREAM_ALIVE_MS = 1_000
/** Silence after which a reader opens its connection anew. */
export const JOURNAL_STREAM_SILENT_MS = 5_000
/** A reader that takes nothing for so long is cut off. */
export const JOURNAL_STREAM_STALLED_MS = 30_000
/** Readers of one journal over HTTP, all partitions together. */
export const JOURNAL_STREAMS_MAX = 64
/** Pauses between a reader's attempts. */
export const JOURNAL_STREAM_RETRY_FIRST_MS = 100
export const JOURNAL_STREAM_RETRY_MAX_MS = 2_000
/** How often a reader over HTTP tells the journal up to where it has committed. */
export const JOURNAL_STREAM_COMMITTED_PERIOD_MS = 1_000

/** Pauses while a ticker looks for the simulated exchange, which runs in another process. */
export const EXCHANGE_FIND_RETRY_FIRST_MS = 100
export const EXCHANGE_FIND_RETRY_MAX_MS = 2_000
export const EXCHANGE_FIND_TIMEOUT_MS = 2_000
/** How often a backend that runs apart looks for a new instrument dump in the store. */
export const MASTER_REFRESH_PERIOD_MS = 15_000
/** While there is none yet: how often it looks, and how long no log is read without one. */
export const FIRST_MASTER_LOOK_MS = 500
export const FIRST_MASTER_WAIT_MS = 60_000

// Bus (Redis)

/** A server that has not taken a connection, or has not answered a command, after so long is given up and looked for anew. */
export const BUS_CONNECT_TIMEOUT_MS = 5_000
export const BUS_ANSWER_TIMEOUT_MS = 3_000
/** Pauses between attempts to reach it: first and largest. */
export const BUS_RECONNECT_FIRST_MS = 100
export const BUS_RECONNECT_MAX_MS = 5_000
/** That it is away is said at most this often. */
export const BUS_AWAY_LOG_PERIOD_MS = 60_000
/** Messages that may be lost (ticks) and that the server has not answered yet; more are dropped and counted. */
export const BUS_SENDING_MAX_BYTES = 8 * 1024 * 1024
/** Lifecycle events handed over in one go; those that wait for it (some 450 bytes each), beyond which the oldest go. */
export const BUS_EVENTS_PER_PUBLISH = 500
export const OUTBOX_EVENTS_MAX = 20_000
/** The outbox's file is written anew when it has grown by this and by as much again as it held. */
export const OUTBOX_COMPACT_BYTES = 1024 * 1024
/** How long an event waits for a slow store to have its row; the own copy has it then. */
export const EVENT_STORE_WAIT_MS = 1_000
/** How often it is asked who listens. */
export const BUS_LISTENERS_PERIOD_MS = 1_000

// Flags and lifecycle events (backend)

/** How often `system_config` is read: a change there holds within 5 s. */
export const FLAGS_READ_PERIOD_MS = 2_000
/** How long the start waits for the first reading; the environment holds until it comes. */
export const FLAGS_FIRST_READ_MS = 2_000
/** Longest event taken; one of ours has some 450 characters. */
export const LIFECYCLE_EVENT_MAX_CHARS = 16 * 1024
/** Events that were read and not acted on yet; one more is refused, counted, and made good by reconciling. */
export const LIFECYCLE_WAITING_MAX = 20_000
/** Events are acted on for so long before ticks have their turn. */
export const LIFECYCLE_SLICE_MS = 4
/** Subscriptions that events have told of; more are acted on and not remembered, as the lists tell them. */
export const LIFECYCLE_KNOWN_MAX = 50_000
/** Events whose ids are remembered, so that a repeated one is dropped. */
export const LIFECYCLE_IDS_KEPT = 20_000
/** How often the tickers' lists of subscriptions are compared with what events have told. */
export const LIFECYCLE_RECONCILE_PERIOD_MS = 30_000
/** Pauses before a comparison that failed is tried again: first and largest. */
export const LIFECYCLE_RECONCILE_RETRY_FIRST_MS = 250
export const LIFECYCLE_RECONCILE_RETRY_MAX_MS = 10_000
/** Bad events of one kind that have a line of their own each minute; the rest of the minute is one line. */
export const LIFECYCLE_FAULT_LINES = 50
export const LIFECYCLE_FAULT_PERIOD_MS = 60_000

// What the backend asks of the tickers

/** Instruments of one call of `GET /quotes`: what the broker takes in one. */
export const TICKER_QUOTES_PER_CALL = 500
/** Tokens of one call that takes holds back: they stand in the address. */
export const TICKER_TOKENS_PER_CALL = 1_000
/** The longest that the backend lets one of its requests wait for the broker's turn. */
export const TICKER_REQUEST_WAIT_MAX_MS = 240_000
/** On top of the time that the ticker itself is given to answer. */
export const TICKER_ANSWER_MARGIN_MS = 2_000

// Subscriptions that follow the market

/** How often the window of strikes is looked at, in memory. */
export const AUTO_LOOK_PERIOD_MS = 1_000
/** How often what is held is compared with the tickers' lists; and after a failed call. */
export const AUTO_RECONCILE_PERIOD_MS = 30_000
export const AUTO_RETRY_FIRST_MS = 250
export const AUTO_RETRY_MAX_MS = 30_000
/** Prices that had to be asked for are asked for again after this. */
export const AUTO_QUOTE_AGE_MS = 30_000
/** The longest wait for such prices in the broker's queue. */
export const AUTO_QUOTE_TIMEOUT_MS = 10_000
/** A window that has moved rests for so long (market time), unless the market has run away by so many strikes. */
export const AUTO_ANCHOR_REST_MS = 60_000
export const AUTO_ANCHOR_FAST_RANKS = 3
/** Names that one line of the log, or one answer, lists. */
export const AUTO_NAMES_SHOWN = 20

// Strikes that somebody looks at

/** A view that was not asked for again for so long has ended. */
export const VIEW_LEASE_MS = 300_000
/** Its strikes are held so much longer, so that coming back costs nothing. */
export const VIEW_LINGER_MS = 1_800_000
/** How often it is looked whether something is to be let go. */
export const VIEW_LOOK_PERIOD_MS = 60_000
/** Views that live at once; more are refused. */
export const VIEWS_MAX = 100
/** Calls that wait for their turn; more are refused. */
export const VIEW_CALLS_MAX = 50
/** Strikes on each side that a view may name; beyond that it asks for all. */
export const VIEW_STRIKES_MAX = 100
/** The page asks again for its view so often, several times in a lease; and sooner where it failed. */
export const PAGE_VIEW_PERIOD_MS = 60_000
export const PAGE_VIEW_RETRY_MS = 10_000

// Ticks from pub/sub

/** Longest message taken; one tick has some 700 characters. */
export const PUBSUB_MESSAGE_MAX_CHARS = 16 * 1024
/** Instruments that messages may name; more are refused. */
export const PUBSUB_INSTRUMENTS_MAX = 20_000
/** Ticks that the store has not taken yet, some 800,000; more are dropped and counted. */
export const PUBSUB_RETAINED_MAX_BYTES = 64 * 1024 * 1024
/** A batch of messages is handed on when it is so large, or so old. */
export const PUBSUB_BATCH_MAX_BYTES = 256 * 1024
export const PUBSUB_FLUSH_PERIOD_MS = 5
/** How often market time is told. */
export const PUBSUB_CLOCK_PERIOD_MS = 1_000
/** How often instruments that only messages have named are listed. */
export const PUBSUB_MASTER_PERIOD_MS = 1_000
/** How often messages that were not taken are said, by reason. */
export const PUBSUB_REJECTIONS_LOG_PERIOD_MS = 60_000

// Tick channels

/** Ticks of one slice, some 2 ms with IV and Greeks; between two slices packets and the journal have their turn. */
export const CHANNEL_SLICE_TICKS = 100
/** Journalled batches that wait to be published; what comes on top is dropped and counted. */
export const CHANNEL_WAITING_MAX_BYTES = 8 * 1024 * 1024

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
/** Bars of one answer, and the days of which one statement makes them (a day is some 400 minutes). */
export const API_BARS = 25_000
export const API_BAR_DAYS_PER_STATEMENT = 10
/** Minutes of one series by moneyness, and the points of all of its buckets and sides before they are bars. */
export const API_SERIES_MINUTES = 25_000
export const API_SERIES_POINTS = 200_000
/** Rows of strikes that one statement brings, about. */
export const API_SERIES_ROWS_PER_STATEMENT = 5_000
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

// Backfill

/** Histories asked of the tickers at once, written ones included: enough for three keys, few enough that their queue keeps the order. */
export const BACKFILL_AT_ONCE = 12
/** Instruments that wait for their history; more are refused. */
export const BACKFILL_TASKS_MAX = 50_000
/** An idle queue gathers so long before it begins, so that the underlying of a burst goes first. */
export const BACKFILL_GATHER_MS = 20
/** How often gaps, minutes that have become final, and waiting jobs are looked at. */
export const BACKFILL_LOOK_MS = 1_000
/** A minute that an answer lacks without a later one is asked for again after this (market time). */
export const BACKFILL_AGREE_MS = 60_000
/** So much more is asked for than is missing: one later candle proves that minutes before it had no trade. */
export const BACKFILL_PROOF_MS = 60 * 60_000
/** Pauses after a failure of a ticker, the broker or the store: first, then doubling up to the largest. */
export const BACKFILL_RETRY_FIRST_MS = 500
export const BACKFILL_RETRY_MAX_MS = 30_000
/** How long one history may wait for its turn at the broker. */
export const BACKFILL_TURN_TIMEOUT_MS = 120_000
/** Minutes handed to the writer in one batch. */
export const BACKFILL_BATCH_MINUTES = 2_000
/** Jobs are saved at most this often, so many in one statement. */
export const BACKFILL_SAVE_PERIOD_MS = 250
export const BACKFILL_SAVE_JOBS = 500
/** How long a stop waits for the last save. */
export const BACKFILL_STOP_MS = 1_000
/** Ended jobs that are kept to be shown in memory, and in the store. */
export const BACKFILL_ENDED_KEPT = 500
export const BACKFILL_JOBS_KEPT_MS = 30 * 86_400_000
/** Jobs of one answer. */
export const BACKFILL_JOBS_SHOWN = 1_000
/** Jobs of one message of the stream, ended ones for so long. */
export const BACKFILL_JOBS_STREAMED = 50
export const BACKFILL_ENDED_STREAMED_MS = 60_000
/** Before anything was measured: the broker's limit for one key, requests a second. */
export const BACKFILL_ASSUMED_RATE = 3
/** How often the tickers are asked how fast they may ask the broker. */
export const BACKFILL_RATE_PERIOD_MS = 5_000
/** The measured rate is that of so long; for what of it was not measured stands what the tickers told. */
export const BACKFILL_RATE_WINDOW_MS = 10_000
/** So long after an idle queue has begun, answers are not measured. */
export const BACKFILL_RATE_WARM_UP_MS = 1_000
/** Days of minutes that can be asked for on demand (the broker's limit for one request). */
export const BACKFILL_DAYS_MAX = 60
/** A day is settled when its session has been over for so long (market time). */
export const SETTLE_AFTER_CLOSE_MS = 5 * 60_000
/** The first minutes of a session, which the broker corrects, are read again so long after its opening. */
export const OPENING_MINUTES = 5
export const OPENING_READ_AFTER_MS = 6 * 60_000 + 30_000

// Bars

/** A minute closes when market time has passed its end by this much. */
export const ALLOWED_LATENESS_MS = 5_000
/** A partition's batches leave the ticker so far apart at the least. */
export const JOURNAL_BATCH_PAUSE_MS = 5
/**
 * While a minute is open an option's row gets new IV and Greeks so far apart where it is written more
 * often; its prices, volume and book are in every write.
 */
export const ANALYTICS_PERIOD_MS = 1_000
/** A commit of so few instruments writes all rows with IV and Greeks. */
export const WHOLE_ROWS_UP_TO = 250
/** By how much rows take their turns faster than they are due, so that none of them waits for ever. */
export const ANALYTICS_HASTE = 1.5
/** The conflating writer's commits begin so far apart at the least. */
export const COMMIT_PAUSE_MS = 5
/** Statements of finals are so far apart where commits follow one another without a pause. */
export const FINALS_APART_MS = 200
/** Commits that a partition's connection has at most: the store works on one, the next waits there for it. */
export const COMMITS_IN_FLIGHT = 2
/** Records folded and not yet committed; beyond it the reader waits for the commit. */
export const UNCOMMITTED_RECORDS_MAX = 200_000
/** Rows of one statement that writes final values. */
export const FINALS_PER_STATEMENT = 200
/** Instruments of which one statement reads what final values rest on. */
export const FINALS_READ_AT_ONCE = 125
/** Where ticks waited for rows while candles or finals were written, those rest so many times as long. */
export const OTHERS_REST_SHARE = 4
/** Rows of one statement that writes a broker's candles. */
export const CANDLES_PER_STATEMENT = 200
/** Batches of candles and snapshots that wait for a partition's writer; more are refused. */
export const CANDLE_WRITES_WAITING_MAX = 200
/** Finals of a series wait for its next candles that long. */
export const CANDLES_FOLLOW_WITHIN_MS = 10_000
/** How often it is looked whether a snapshot of a chain is due. */
export const SNAPSHOT_LOOK_PERIOD_MS = 1_000
/** The book of a snapshot is evidence of a price for so long (market time). */
export const SNAPSHOT_FRESH_MS = 90_000
/** The longest wait for a snapshot in the broker's queue; after it the next one is due anyway. */
export const SNAPSHOT_TIMEOUT_MS = 30_000
/** Expiry metrics are written at most this often while the minute is open, the distribution that often. */
export const METRICS_PERIOD_MS = 1_000
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
/** How often it is looked whose rows lack it, with at most one day candle asked for a time. */
export const PREVIOUS_OI_LOOK_MS = 500
/** After a look that found nothing to do: it takes some milliseconds over thousands of contracts. */
export const PREVIOUS_OI_IDLE_MS = 5_000
/** Contracts of which one statement brings a day's rows up to it. */
export const PREVIOUS_OI_INSTRUMENTS = 4

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
/**
 * V8's measure of how much a function of the engine works before it is compiled once more, optimised.
 * With its own tenth of that a start compiled hundreds that hardly run again: a third of its processor time.
 */
export const EMBEDDED_TIERING_BUDGET = 20_000_000
/** Opening includes the replay of the write-ahead log after a crash. */
export const EMBEDDED_OPEN_TIMEOUT_MS = 60_000
export const EMBEDDED_CLOSE_TIMEOUT_MS = 15_000
/** Pauses between attempts to start a dead engine: first and largest. */
export const EMBEDDED_RESTART_FIRST_MS = 100
export const EMBEDDED_RESTART_MAX_MS = 30_000
/** How often the main thread looks at what the engine does. */
export const EMBEDDED_WATCH_PERIOD_MS = 500
/** Programs connected over TCP at once. */
export const EMBEDDED_TCP_CLIENTS = 8
/** Such a program says who it is within this, or is cut off. */
export const EMBEDDED_OUTSIDE_STARTUP_MS = 10_000
/** Its statement or transaction may have the only engine for this long, then it is cancelled. */
export const EMBEDDED_OUTSIDE_HOLD_MS = 5_000
/** One that cannot be cancelled (it neither reads, writes nor answers) costs the engine after this. */
export const EMBEDDED_OUTSIDE_OVERRUN_MS = 7_000
/** After that nobody is let in from outside for a while. */
export const EMBEDDED_OUTSIDE_PAUSE_MS = 30_000
/** While the program's own statements wait, one from outside waits this long at the least. */
export const EMBEDDED_OUTSIDE_WAIT_MS = 1_000
export const EMBEDDED_OUTSIDE_MAX_MESSAGE_BYTES = 8 * 1024 * 1024
/** An answer that is not read stops the engine at this size, for this long, then it is given up. */
export const EMBEDDED_OUTSIDE_UNREAD_BYTES = 8 * 1024 * 1024
export const EMBEDDED_OUTSIDE_UNREAD_WAIT_MS = 1_000
/** What a program was sent last may take it so long to read. */
export const EMBEDDED_OUTSIDE_LINGER_MS = 10_000
/** Former stores that are kept, the newest ones. */
export const EMBEDDED_SET_ASIDE_KEPT = 2
/** Starts anew in one run of the program because its store was found damaged. */
export const STORE_REBUILDS_MAX = 3

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
/** Records that a replay plays before it lets others have the processor. */
export const REPLAY_RECORDS_PER_TURN = 5_000
/** How long a replay goes on behind its window, market time, so that no gap touches the last minute. */
export const REPLAY_TAIL_MS = 10_000
/** What a client has to connect and subscribe in before the window, seconds of the wall clock. */
export const REPLAY_LEAD_S = 20
export const EXCHANGE_RATE_MAX = 1_000_000

// Store connections

/** Connections of the pool that serves reads. */
export const STORE_READ_CONNECTIONS = 4
/** A connection that is not open after so long is given up. */
export const STORE_CONNECT_TIMEOUT_MS = 5_000
/** A server that has not answered a statement of the writer or of a reader after so long is taken for dead: thirty times what a slow store needs. */
export const STORE_STATEMENT_TIMEOUT_MS = 30_000
/** The same for work that may take long: changes of the schema, compression, refreshing of longer bars. */
export const STORE_UPKEEP_TIMEOUT_MS = 6 * 3_600_000
/** A connection over which nothing came for so long is asked by the system whether it still stands, ten times, a second apart. */
export const STORE_KEEPALIVE_MS = 10_000
/** Rows of one statement that writes subscriptions or instruments: it keeps the embedded engine some 10 ms. */
export const STORE_ROWS_PER_STATEMENT = 400
/** Rows that are read in one go where there may be 120,000: some 2 ms of ours. */
export const STORE_ROWS_PER_PAGE = 1_000
/** Rows of one statement that deletes bars older than asked: others wait for it some 20 ms. */
export const STORE_RETENTION_ROWS_PER_STATEMENT = 2_000
/** How often stored bars are looked after: old ones dropped, longer ones refreshed, days compressed. */
export const STORE_UPKEEP_PERIOD_MS = 300_000
/** The embedded store is vacuumed so long after the start, and then once a day. */
export const STORE_VACUUM_FIRST_MS = 600_000
/** How often it is vacuumed of the newest minutes alone. */
export const STORE_VACUUM_NEWEST_MS = 60_000

// Verification

/** Minutes of all tables that are asked of the store at once: some 100 ms of the embedded engine. */
export const VERIFY_WINDOW_MINUTES = 2
/** Differences that are named; all are counted. */
export const VERIFY_DIFFERENCES_KEPT = 1_000
/** Of them those that are printed, unless JSON is wanted. */
export const VERIFY_DIFFERENCES_SHOWN = 20
/** Of the dates that have something, where the one that was asked for has nothing: the newest. */
export const VERIFY_DATES_SHOWN = 10
/** The broker may be busy with others' requests: how long one instrument's candles are waited for. */
export const VERIFY_CANDLES_TIMEOUT_MS = 60_000

// Progress of what somebody waits for at a terminal

/** What is over sooner shows none. */
export const PROGRESS_FIRST_MS = 1_500
/** How often a terminal's line is rewritten. */
export const PROGRESS_REDRAW_MS = 200
/** The least between two lines where it is no terminal: of a verification, and of a backfill. */
export const VERIFY_PROGRESS_LINES_MS = 10_000
export const BACKFILL_PROGRESS_LINES_MS = 10_000
/** How often a backfill is looked at, and how long its final values are waited for when it is through. */
export const BACKFILL_LOOK_PERIOD_MS = 1_000
export const BACKFILL_FINALS_WAIT_MS = 30_000

// Start and stop

/** An orderly stop is given up after this. */
export const STOP_DEADLINE_MS = 4_500
/** How long a stop waits for the writers to commit what the log still has. */
export const DRAIN_DEADLINE_MS = 2_500
