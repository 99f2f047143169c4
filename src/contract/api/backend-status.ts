/**
 * `GET /status` of the backend: what it reads, how far it is, how fresh each table is, how long each
 * hop takes and whether the books balance.
 */
import { type Static, Type } from 'typebox'
import { CalendarStatus } from './calendar.ts'
import { healthLevel } from './health.ts'
import {
  choice,
  feed,
  flag,
  integer,
  istTime,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  maybeText,
  text,
} from './schema-parts.ts'

export const STORE_KINDS = ['pglite', 'postgresql', 'timescaledb'] as const
export const BUS_KINDS = ['none', 'redis'] as const
const upOrDown = choice(['up', 'down'], 'Whether it answered last time.')

export const UnderlyingStatus = Type.Object({
  symbol: text('Canonical underlying, e.g. NIFTY50.'),
  tradingsymbol: maybeText("The index's own tradingsymbol; null where there is no index."),
  expiries: integer('Option expiries still to come; 0 = no chain.'),
  instruments_active: integer('Contracts of it that are streamed.'),
})
export type UnderlyingStatus = Static<typeof UnderlyingStatus>

/** One partition of one producer's log, as this backend has committed it. */
export const IngestStatus = Type.Object({
  producer: text('Ticker that wrote the log.'),
  partition: integer('Partition number.'),
  state: choice(
    ['starting', 'live', 'catching_up', 'blocked', 'superseded', 'stopped'],
    'What the reader does.',
  ),
  epoch: integer('Committed position: epoch.'),
  sequence: integer('Committed position: sequence in the epoch.'),
  generation: integer('Raised at each start; guards every statement of the writer.'),
  market_time: maybeIstTime('Market time that the log has reached here.'),
  age_ms: maybeNumber('Milliseconds from market_time to now, by the server’s clock.'),
  lag_records: maybeInteger('Records in the log that are not committed yet.'),
  lag_ms: maybeNumber('How much older the committed position is than the log’s newest record.'),
  last_commit_at: maybeIstTime('Last commit.'),
  error: maybeText('Why it does not go on; null while it does.'),
})
export type IngestStatus = Static<typeof IngestStatus>

export const TickerSummary = Type.Object({
  url: maybeText('Where it is asked; null = in this process.'),
  ticker_id: maybeText('Its own name; null until it has answered.'),
  status: upOrDown,
  accounts_up: maybeInteger('Accounts with a working session.'),
  accounts_total: maybeInteger('Accounts configured.'),
  instruments_active: maybeInteger('Subscriptions written to an open socket.'),
  ticks_per_second: maybeNumber('Over the last seconds.'),
  checked_at: maybeIstTime('When it was asked last.'),
  error: maybeText('Why it could not be asked.'),
})
export type TickerSummary = Static<typeof TickerSummary>

/** One hop of a tick's way, over the last minute. */
export const HopLatency = Type.Object({
  hop: text(
    'exchange_to_received, received_to_journaled, journaled_to_read, read_to_committed, received_to_committed.',
  ),
  count: integer('Ticks or batches measured in the last minute; so are the other figures.'),
  p50_ms: maybeNumber('Median, milliseconds.'),
  p99_ms: maybeNumber('99th percentile, milliseconds.'),
  max_ms: maybeNumber('Largest, milliseconds.'),
})
export type HopLatency = Static<typeof HopLatency>

/** received = journaled + rejected + dropped; journaled = folded + not_folded + lost. */
export const LedgerTotals = Type.Object({
  since: maybeIstTime('First minute that is counted here.'),
  received: integer('Packets that reached the ticker.'),
  rejected: integer('Malformed ones.'),
  dropped: integer('Those that could not be journaled.'),
  journaled: integer('Ticks in the journal.'),
  folded: integer('Ticks that are in the bars.'),
  not_folded: Type.Record(Type.String(), Type.Integer(), {
    description: 'Ticks that belong into no bar, by reason.',
  }),
  lost: integer('Ticks that the journal no longer had.'),
  balanced: flag('Both equations hold.'),
})
export type LedgerTotals = Static<typeof LedgerTotals>

export const TableFreshness = Type.Object({
  table: text('Table name.'),
  symbol: maybeText('Underlying or index; null = over all.'),
  newest: maybeIstTime('Newest time or bucket_time in it.'),
  age_ms: maybeNumber('Milliseconds since then.'),
})
export type TableFreshness = Static<typeof TableFreshness>

/** The lifecycle events that this backend acts on. */
export const EventsStatus = Type.Object({
  listener: choice(
    ['running', 'disabled', 'stopped'],
    'disabled = subscription_events_enabled is off.',
  ),
  source: choice(
    ['redis', 'in_process', 'none'],
    'Where events come from; none = only the lists of the tickers tell what is subscribed.',
  ),
  channel: maybeText('Their channel; null where there is none.'),
  received: integer('Messages since the start.'),
  processed: integer('Those that were acted on.'),
  failed: integer('Those that could not be; /metrics says why.'),
  repeated: integer('Those that were known by their id already.'),
  waiting: integer('Those that were not acted on yet.'),
  subscriptions_known: integer('Subscriptions that events or lists have told of.'),
  last_event_at: maybeIstTime('When the newest message came.'),
  reconciled_at: maybeIstTime('When the lists of all tickers were compared last.'),
  error: maybeText('Why events do not come, or lists cannot be compared; null while they do.'),
})
export type EventsStatus = Static<typeof EventsStatus>

export const BackendStatus = Type.Object({
  service: choice(['backend'], 'The role that answers.'),
  version: text('Version of the program.'),
  status: healthLevel,
  started_at: istTime('Start of the process.'),
  now: istTime("The server's clock."),
  feed,
  tick_source: choice(['log', 'pubsub'], 'pubsub = at most once, no bar is ever complete.'),
  default_symbol: text('What the Monitor opens with.'),
  underlyings: Type.Array(UnderlyingStatus),
  calendar: CalendarStatus,
  ingest: Type.Array(IngestStatus),
  store: Type.Object({
    kind: choice(STORE_KINDS, 'What the tables are in.'),
    status: upOrDown,
    version: maybeText("The server's own version."),
    rebuilt_because: maybeText(
      'Why the store was begun anew at this start and is filled from the journal; `ingest` says how far. null where it was not.',
    ),
    error: maybeText('Why it does not answer.'),
  }),
  bus: Type.Object({
    kind: choice(BUS_KINDS, 'none = in this process.'),
    status: upOrDown,
    error: maybeText('Why it does not answer.'),
  }),
  events: EventsStatus,
  tickers: Type.Array(TickerSummary),
  latency: Type.Array(HopLatency),
  ledger: LedgerTotals,
  gaps: Type.Object({
    open: integer('Gaps that still run.'),
    unrepaired: integer('Closed, but not repaired yet.'),
    unrepairable: integer('Those that no history can fill.'),
    oldest_open_from: maybeIstTime('Start of the oldest open gap.'),
  }),
  freshness: Type.Array(TableFreshness),
  dead_letters: integer('Records that the store refused.'),
  stream_clients: integer('Open live streams.'),
})
export type BackendStatus = Static<typeof BackendStatus>
