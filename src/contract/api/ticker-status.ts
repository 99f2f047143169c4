/** `GET /status` of the ticker: accounts, sockets, journal, bus, open gaps and the request budget. */
import { type Static, Type } from 'typebox'
import { CalendarStatus } from './calendar.ts'
import { healthLevel } from './health.ts'
import {
  choice,
  feed,
  integer,
  istTime,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  text,
} from './schema-parts.ts'

const RequestBudget = Type.Object({
  rate_per_second: number('Requests a second that are spent now; shrinks after a 429.'),
  queued: integer('Requests that wait.'),
  eta_ms: maybeNumber('Milliseconds until the last of them leaves.'),
})

export const AccountStatus = Type.Object({
  name: text('Name of the broker account.'),
  state: choice(['up', 'down', 'no_token', 'no_market_data'], 'Whether it streams.'),
  reason: maybeText('Why it does not.'),
  login_url: maybeText('Where the user gets a new token; null while it is up.'),
  since: maybeIstTime('Since when it is in this state.'),
  instruments: integer('Instruments it carries.'),
  capacity: integer('Instruments it takes before failover.'),
  history: RequestBudget,
  quote: RequestBudget,
})
export type AccountStatus = Static<typeof AccountStatus>

export const ConnectionStatus = Type.Object({
  account: text('Broker account.'),
  connection: integer('Socket of that account.'),
  state: choice(
    ['connecting', 'open', 'mute', 'waiting', 'closed'],
    'waiting = reconnects after a pause.',
  ),
  instruments: integer('Instruments on it.'),
  capacity: integer('Instruments it can take.'),
  ticks_per_second: number('Over the last seconds.'),
  last_tick_at: maybeIstTime('Newest tick.'),
  last_heartbeat_at: maybeIstTime('Newest heartbeat; heartbeats do not count as life.'),
  reconnects: integer('Since the start.'),
})
export type ConnectionStatus = Static<typeof ConnectionStatus>

export const JournalPartitionStatus = Type.Object({
  partition: integer('Partition number.'),
  epoch: integer('Epoch being written.'),
  sequence: integer('Newest record in it.'),
  oldest_epoch: maybeInteger('Oldest record kept: epoch.'),
  oldest_sequence: maybeInteger('Oldest record kept: sequence.'),
  bytes: integer('On disk.'),
})

export const JournalReaderStatus = Type.Object({
  consumer: text('Who reads.'),
  partition: integer('Partition number.'),
  epoch: integer('Last record handed out: epoch.'),
  sequence: integer('Last record handed out: sequence.'),
  lag_records: maybeInteger('Records it does not have yet.'),
  lag_ms: maybeNumber('Age of the oldest of them.'),
})

export const OpenGap = Type.Object({
  gap_id: text('As in the events.'),
  reason: text('disconnect, mute, restart, overflow, disk_full, clock_step, power_cut.'),
  account: maybeText('Broker account; null = all.'),
  connection: maybeInteger('Socket; null = all.'),
  instruments: integer('Instruments touched.'),
  from: istTime('Start, market time.'),
})

export const TickerStatus = Type.Object({
  service: choice(['ticker'], 'The role that answers.'),
  ticker_id: text('TICKER_ID.'),
  version: text('Version of the program.'),
  status: healthLevel,
  started_at: istTime('Start of the process.'),
  now: istTime("The server's clock."),
  feed,
  market_time: maybeIstTime('Newest market time.'),
  calendar: CalendarStatus,
  accounts: Type.Array(AccountStatus),
  connections: Type.Array(ConnectionStatus),
  totals: Type.Object({
    subscriptions_pending: integer('Not on a socket yet.'),
    subscriptions_active: integer('On an open socket.'),
    subscriptions_failed: integer('Refused.'),
    ticks_per_second: number('Over the last seconds.'),
    received: integer('Packets since the start.'),
    rejected: integer('Malformed ones.'),
    dropped: integer('Those that could not be journaled.'),
    journaled: integer('Ticks in the journal.'),
  }),
  journal: Type.Object({
    state: choice(['ok', 'disk_low', 'disk_full', 'failed'], 'Whether it takes records.'),
    bytes: integer('On disk, all partitions.'),
    segments: integer('Files.'),
    last_sync_at: maybeIstTime('Last fdatasync.'),
    partitions: Type.Array(JournalPartitionStatus),
    readers: Type.Array(JournalReaderStatus),
  }),
  redis: Type.Object({
    status: choice(['up', 'down', 'not_configured'], 'Channels and events.'),
    channel_prefix: text('REDIS_CHANNEL_PREFIX.'),
    listeners: Type.Record(Type.String(), Type.Integer(), {
      description: 'Subscribers by channel.',
    }),
    outbox: integer('Events that are stored and not handed over yet.'),
    error: maybeText('Why it does not answer.'),
  }),
  gaps_open: Type.Array(OpenGap),
})
export type TickerStatus = Static<typeof TickerStatus>
