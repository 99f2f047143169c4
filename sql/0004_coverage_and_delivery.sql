-- What is known to be complete, what is known to be missing, and the books of delivery.

-- Merged, half-open intervals [from, to). While an instrument is streamed, "to" is 'infinity'.
CREATE TABLE coverage (
  exchange      text COLLATE "C" NOT NULL,
  tradingsymbol text COLLATE "C" NOT NULL,
  "from"        timestamptz NOT NULL,
  "to"          timestamptz NOT NULL,
  source        text COLLATE "C" NOT NULL CHECK (source IN ('live', 'broker', 'none')),
  mode          text COLLATE "C" CHECK (mode IN ('full', 'quote', 'ltp')),
  PRIMARY KEY (exchange, tradingsymbol, "from")
) WITH (fillfactor = 70);

COMMENT ON TABLE coverage IS
  'Live: streamed in that mode. Broker: its candles were read. None: the broker has no candle there. What is not covered, in session and while listed, is missing.';

-- One gap that touches several partitions of a producer's log is one row for each of them. What it
-- covers is said by account, connection and instruments.
CREATE TABLE feed_gaps (
  id          text COLLATE "C" NOT NULL,
  producer    text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  account     text,
  connection  integer,
  reason      text COLLATE "C" NOT NULL,
  status      text COLLATE "C" NOT NULL
              CHECK (status IN ('open', 'closed', 'repaired', 'unrepairable')),
  "from"      timestamptz NOT NULL,
  "to"        timestamptz,
  instruments jsonb NOT NULL,
  rows        bigint,
  error       text,
  opened_at   timestamptz NOT NULL,
  closed_at   timestamptz,
  repaired_at timestamptz,
  PRIMARY KEY (id, producer, partition)
);

CREATE INDEX feed_gaps_by_start ON feed_gaps ("from");

COMMENT ON COLUMN feed_gaps.instruments IS
  'JSON array of {"exchange","tradingsymbol","instrument_token","to"}; "to" is the epoch ms of that instrument''s first packet after the gap, null until then.';

CREATE TABLE backfill_jobs (
  id               text COLLATE "C" PRIMARY KEY,
  kind             text COLLATE "C" NOT NULL,
  scope            text COLLATE "C" NOT NULL CHECK (scope IN ('instrument', 'series', 'instruments')),
  exchange         text COLLATE "C",
  tradingsymbol    text COLLATE "C",
  instrument_token bigint,
  symbol           text COLLATE "C",
  expiry           date,
  instruments      jsonb,
  "from"           timestamptz NOT NULL,
  "to"             timestamptz NOT NULL,
  reason           text,
  requested_by     text,
  status           text COLLATE "C" NOT NULL
                   CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  progress         jsonb,
  rows             bigint,
  error            text,
  created_at       timestamptz NOT NULL,
  started_at       timestamptz,
  finished_at      timestamptz,
  updated_at       timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX backfill_jobs_by_creation ON backfill_jobs (created_at);

COMMENT ON COLUMN backfill_jobs.kind IS 'Why the job exists: immediate, periodic, repair, on_demand, settle, …';
COMMENT ON COLUMN backfill_jobs.progress IS 'What is done already, so that a job goes on after a restart.';

-- The position up to which a consumer has committed a partition of a producer's log. Every
-- statement of a writer is guarded by the generation it knows, so a superseded writer writes nothing.
CREATE TABLE stream_offsets (
  consumer    text COLLATE "C" NOT NULL,
  producer    text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  generation  bigint NOT NULL,
  epoch       bigint NOT NULL,
  sequence    bigint NOT NULL,
  market_time timestamptz,
  updated_at  timestamptz NOT NULL,
  PRIMARY KEY (consumer, producer, partition)
) WITH (fillfactor = 50);

-- received = journaled + rejected + dropped; journaled = folded + sum(not_folded) + lost.
CREATE TABLE delivery_ledger (
  minute     timestamptz NOT NULL,
  producer   text COLLATE "C" NOT NULL,
  epoch      bigint NOT NULL,
  partition  integer NOT NULL,
  received   bigint NOT NULL,
  rejected   bigint NOT NULL,
  dropped    bigint NOT NULL,
  journaled  bigint NOT NULL,
  folded     bigint NOT NULL,
  lost       bigint NOT NULL,
  not_folded jsonb NOT NULL,
  PRIMARY KEY (minute, producer, epoch, partition)
) WITH (fillfactor = 50);

COMMENT ON COLUMN delivery_ledger.not_folded IS 'JSON object: reason -> number of ticks.';

CREATE TABLE dead_letters (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  producer  text COLLATE "C",
  partition integer,
  epoch     bigint,
  sequence  bigint,
  record    bytea NOT NULL,
  reason    text NOT NULL,
  time      timestamptz NOT NULL,
  UNIQUE (producer, partition, epoch, sequence)
);

COMMENT ON TABLE dead_letters IS 'Records that the store refused, with their bytes; the log went on after them.';

-- Minutes of a series whose final values are due; expiry '-infinity' is the underlying's own rows
-- (the index and its futures).
CREATE TABLE finalise_queue (
  symbol    text COLLATE "C" NOT NULL,
  expiry    date NOT NULL,
  minute    timestamptz NOT NULL,
  due_since timestamptz NOT NULL,
  reason    text COLLATE "C" NOT NULL,
  PRIMARY KEY (symbol, expiry, minute)
);
