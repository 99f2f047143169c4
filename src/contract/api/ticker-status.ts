/** `GET /status` of the ticker: accounts, sockets, journal, bus, open gaps and the request budget. */
import { type Static, Type } from 'typebox'
import { AccountToken } from './accounts.ts'
import { CalendarStatus } from './calendar.ts'
import { healthLevel } from './health.ts'
import { RequestQueueStatus } from './history.ts'
import {
  choice,
  feed,
  integer,
  istTime,
  maybe,
  maybeInteger,
  maybeIstTime,
  maybeNumber,
  maybeText,
  number,
  text,
} from './schema-parts.ts'

const RequestBudget = Type.Object({
  rate_per_second: number('Requests a second that may leave now; shrinks after a 429.'),
  configured_per_second: number('Requests a second without any 429.'),
  used_share: number('Of the configured rate, over the last 10 s of market time, 0 … 1.'),
  refused: integer('Answers 429 since the start.'),
})

export const AccountStatus = Type.Object({
  name: text('Name of the broker account.'),
  state: choice(['up', 'down', 'no_token', 'no_market_data'], 'Whether it streams.'),
  fault: maybe(
    choice(
      ['no_token', 'refused', 'expired', 'no_market_data', 'no_connection', 'too_many_connections'],
      'The same as reason, for programs: no_connection = no socket opens while others do; too_many_connections = 429.',
    ),
  ),
  reason: maybeText('Why it does not.'),
  login_url: maybeText('Where the user gets a new token; null while it is up.'),
  token: maybe(AccountToken),
  since: maybeIstTime('Since when it is in this state.'),
  instruments: integer('Instruments it carries.'),
  belonging: integer('Instruments that belong to it, whoever carries them at present.'),
  capacity: integer('Instruments that may belong to it: new ones stop there.'),
  broker_limit: integer('Instruments it may carry: failover stops there.'),
  room_for_new: integer('New instruments that it still takes.'),
  room_for_failover: integer('Instruments of other accounts that it still takes.'),
  history: RequestBudget,
  quote: RequestBudget,
})
export type AccountStatus = Static<typeof AccountStatus>

export const ConnectionStatus = Type.Object({
  account: text('Broker account.'),
  connection: integer('Socket of that account.'),
  state: choice(
    ['connecting', 'open', 'mute', 'waiting', 'closed'],
    'waiting = reconnects after a pause; mute = is opened anew since no tick came in session, until one does.',
  ),
  instruments: integer('Instruments on it.'),
  instruments_mute: integer('Those of them that ought to tick and do not, and are asked for anew.'),
  capacity: integer('Instruments it can take.'),
  ticks_per_second: number('Over the last seconds.'),
  last_tick_at: maybeIstTime('Newest tick.'),
  last_heartbeat_at: maybeIstTime('Newest heartbeat; heartbeats do not count as life.'),
  reconnects: integer('Since the start.'),
  bytes_received: integer('Payload of all messages since the start.'),
  opened_at: maybeIstTime('Since when it is open; null while it is not.'),
  next_retry_at: maybeIstTime('When it is tried again; null while it does not wait.'),
  last_error: maybeText('Why it was last closed or could not be opened.'),
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

const Placement = Type.Object({
  instruments: integer('Carried on all accounts.'),
  capacity: integer('Instruments that new subscriptions may reach.'),
  broker_limit: integer('Instruments that failover may reach.'),
  room_for_new: integer('New instruments that are still taken.'),
  room_for_failover: integer('Instruments that accounts which are up can still carry.'),
  moving: integer('Carried by two sockets until the new one feeds them.'),
  last: maybe(
    Type.Object({
      at: istTime('When instruments were given sockets last.'),
      reason: text('Why they went there.'),
      slots: Type.Array(
        Type.Object({
          account: text('Broker account.'),
          connection: integer('Socket of that account.'),
          instruments: integer('How many went there.'),
        }),
      ),
    }),
  ),
  waiting: Type.Array(
    Type.Object({
      status: choice(['pending', 'failed'], 'failed = a new request was refused.'),
      reason: text('What they wait for.'),
      instruments: integer('How many.'),
    }),
  ),
})
export type Placement = Static<typeof Placement>

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
  placement: Placement,
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
  requests: Type.Object(
    { history: RequestQueueStatus, quote: RequestQueueStatus },
    { description: 'What waits for the broker, over all accounts: any that is up may ask.' },
  ),
})
export type TickerStatus = Static<typeof TickerStatus>
