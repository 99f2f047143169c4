-- The instrument master over time, and what the ticker streams.

-- A version holds from valid_from up to, not including, valid_to; NULL = still listed. The
-- exchange gives a token to another contract after expiry, so history is never keyed by token alone.
CREATE TABLE instruments (
  exchange      text COLLATE "C" NOT NULL,
  tradingsymbol text COLLATE "C" NOT NULL,
  valid_from    date NOT NULL,
  valid_to      date,
  token         bigint NOT NULL,
  name          text COLLATE "C" NOT NULL,
  symbol        text COLLATE "C" NOT NULL,
  segment       text COLLATE "C" NOT NULL,
  type          text COLLATE "C" NOT NULL CHECK (type IN ('INDEX', 'EQ', 'FUT', 'CE', 'PE')),
  expiry        date,
  strike        double precision,
  lot_size      integer NOT NULL,
  tick_size     double precision NOT NULL,
  PRIMARY KEY (exchange, tradingsymbol, valid_from)
);

CREATE INDEX instruments_current_token ON instruments (token) WHERE valid_to IS NULL;
CREATE INDEX instruments_by_series ON instruments (symbol, expiry);

CREATE TABLE instrument_subscriptions (
  exchange         text COLLATE "C" NOT NULL,
  tradingsymbol    text COLLATE "C" NOT NULL,
  instrument_token bigint NOT NULL,
  segment          text COLLATE "C" NOT NULL,
  symbol           text COLLATE "C" NOT NULL,
  expiry           date,
  strike           double precision,
  option_type      text COLLATE "C" CHECK (option_type IN ('CE', 'PE')),
  mode             text COLLATE "C" NOT NULL CHECK (mode IN ('full', 'quote', 'ltp')),
  priority         text COLLATE "C" NOT NULL CHECK (priority IN ('high', 'normal')),
  status           text COLLATE "C" NOT NULL
                   CHECK (status IN ('pending', 'active', 'failed', 'removed')),
  account          text,
  connection       integer,
  requested_by     text NOT NULL,
  requesters       jsonb NOT NULL,
  requested_at     timestamptz NOT NULL,
  activated_at     timestamptz,
  first_tick_at    timestamptz,
  last_tick_at     timestamptz,
  last_error       text,
  removed_at       timestamptz,
  PRIMARY KEY (exchange, tradingsymbol)
) WITH (fillfactor = 70);

COMMENT ON COLUMN instrument_subscriptions.requested_by IS 'Who asked first.';
COMMENT ON COLUMN instrument_subscriptions.requesters IS
  'Who holds it now, a JSON array of names; the subscription ends with the last one.';
