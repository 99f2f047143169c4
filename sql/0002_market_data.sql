-- Minute bars, chains and the metrics made from them.
--
-- All times are instants; `time` and `bucket_time` are a minute's opening instant. Prices are rupees;
-- OI and volume are units (contracts x lot); IV is a decimal per year; theta is rupees a day, vega
-- rupees per vol point. NULL means not known, never 0.
--
-- Names are COLLATE "C": every upsert looks rows up by name, and byte comparison is several times
-- cheaper there than a language's order. Columns of a default collation still join with them.
--
-- Rows of an open minute are rewritten many times a second. They stay HOT updates (no index is
-- touched) because no index has a column that changes, and because pages are left part empty.
--
-- Secondary indexes lead with the time: monitoring asks "the last two hours, by symbol" and "one
-- series at one minute"; the many rows of one minute share one index key and are stored as a list.

CREATE TABLE minute_bars (
  exchange    text COLLATE "C" NOT NULL,
  symbol      text COLLATE "C" NOT NULL,
  time        timestamptz NOT NULL,
  open        double precision,
  high        double precision,
  low         double precision,
  close       double precision,
  volume      bigint,
  day_volume  bigint,
  base_volume bigint,
  updated_at  timestamptz NOT NULL,
  tick_count  integer NOT NULL,
  complete    boolean,
  source      text COLLATE "C" NOT NULL
              CHECK (source IN ('live', 'backfill', 'repair', 'snapshot', 'settled')),
  open_key    bytea,
  close_key   bytea,
  quote_key   bytea,
  -- The symbol leads, so that "the latest NIFTY 50" needs no exchange.
  PRIMARY KEY (symbol, time, exchange)
) WITH (fillfactor = 50);

CREATE INDEX minute_bars_by_time ON minute_bars (time, symbol);

CREATE TABLE futures_bars (
  tradingsymbol    text COLLATE "C" NOT NULL,
  symbol           text COLLATE "C" NOT NULL,
  expiry           date NOT NULL,
  time             timestamptz NOT NULL,
  instrument_token bigint NOT NULL,
  open             double precision,
  high             double precision,
  low              double precision,
  close            double precision,
  volume           bigint,
  oi               bigint,
  oi_prev_close    bigint,
  oi_change        bigint,
  bid              double precision,
  ask              double precision,
  basis            double precision,
  day_volume       bigint,
  base_volume      bigint,
  updated_at       timestamptz NOT NULL,
  tick_count       integer NOT NULL,
  complete         boolean,
  source           text COLLATE "C" NOT NULL
                   CHECK (source IN ('live', 'backfill', 'repair', 'snapshot', 'settled')),
  open_key         bytea,
  close_key        bytea,
  quote_key        bytea,
  PRIMARY KEY (tradingsymbol, time)
) WITH (fillfactor = 50);

CREATE INDEX futures_bars_by_time ON futures_bars (time, symbol, expiry);

CREATE TABLE fo_option_strike_bars (
  tradingsymbol    text COLLATE "C" NOT NULL,
  symbol           text COLLATE "C" NOT NULL,
  option_type      text COLLATE "C" NOT NULL CHECK (option_type IN ('CE', 'PE')),
  expiry           date NOT NULL,
  bucket_time      timestamptz NOT NULL,
  strike           double precision NOT NULL,
  instrument_token bigint NOT NULL,
  open             double precision,
  high             double precision,
  low              double precision,
  close            double precision,
  volume           bigint,
  oi               bigint,
  oi_prev_close    bigint,
  oi_change        bigint,
  bid              double precision,
  ask              double precision,
  iv               double precision,
  iv_raw           double precision,
  delta            double precision,
  gamma            double precision,
  theta            double precision,
  vega             double precision,
  underlying_price double precision,
  forward          double precision,
  day_volume       bigint,
  base_volume      bigint,
  updated_at       timestamptz NOT NULL,
  tick_count       integer NOT NULL,
  complete         boolean,
  source           text COLLATE "C" NOT NULL
                   CHECK (source IN ('live', 'backfill', 'repair', 'snapshot', 'settled')),
  iv_reason        text COLLATE "C",
  forward_source   text COLLATE "C",
  open_key         bytea,
  close_key        bytea,
  quote_key        bytea,
  PRIMARY KEY (tradingsymbol, bucket_time)
) WITH (fillfactor = 50);

CREATE INDEX fo_option_strike_bars_by_time
  ON fo_option_strike_bars (bucket_time, symbol, expiry);

CREATE TABLE fo_expiry_metrics (
  symbol            text COLLATE "C" NOT NULL,
  expiry            date NOT NULL,
  bucket_time       timestamptz NOT NULL,
  spot              double precision,
  future            double precision,
  forward           double precision,
  atm_strike        double precision,
  atm_iv            double precision,
  straddle          double precision,
  expected_move     double precision,
  rr25              double precision,
  bf25              double precision,
  gex               double precision,
  total_call_oi     bigint,
  total_put_oi      bigint,
  total_call_volume bigint,
  total_put_volume  bigint,
  pcr_oi            double precision,
  pcr_volume        double precision,
  max_pain          double precision,
  max_pain_high     double precision,
  updated_at        timestamptz NOT NULL,
  strikes_listed    integer,
  strikes_streamed  integer,
  strikes_present   integer,
  complete          boolean,
  forward_source    text COLLATE "C",
  PRIMARY KEY (symbol, expiry, bucket_time)
) WITH (fillfactor = 60);

CREATE INDEX fo_expiry_metrics_by_time ON fo_expiry_metrics (bucket_time, symbol);

CREATE TABLE fo_strike_distribution (
  symbol             text COLLATE "C" NOT NULL,
  expiry             date NOT NULL,
  strike             double precision NOT NULL,
  bucket_time        timestamptz NOT NULL,
  call_ltp           double precision,
  call_oi            bigint,
  call_oi_change     bigint,
  call_volume        bigint,
  call_iv            double precision,
  call_delta         double precision,
  call_gamma         double precision,
  call_theta         double precision,
  call_vega          double precision,
  put_ltp            double precision,
  put_oi             bigint,
  put_oi_change      bigint,
  put_volume         bigint,
  put_iv             double precision,
  put_delta          double precision,
  put_gamma          double precision,
  put_theta          double precision,
  put_vega           double precision,
  updated_at         timestamptz NOT NULL,
  call_tradingsymbol text COLLATE "C",
  put_tradingsymbol  text COLLATE "C",
  PRIMARY KEY (symbol, expiry, strike, bucket_time)
) WITH (fillfactor = 60);

CREATE INDEX fo_strike_distribution_by_time
  ON fo_strike_distribution (bucket_time, symbol, expiry);

CREATE TABLE fo_daily_metrics (
  symbol         text COLLATE "C" NOT NULL,
  expiry         date NOT NULL,
  trade_date     date NOT NULL,
  spot_open      double precision,
  spot_high      double precision,
  spot_low       double precision,
  spot_close     double precision,
  future_open    double precision,
  future_high    double precision,
  future_low     double precision,
  future_close   double precision,
  straddle_open  double precision,
  straddle_high  double precision,
  straddle_low   double precision,
  straddle_close double precision,
  atm_iv_open    double precision,
  atm_iv_high    double precision,
  atm_iv_low     double precision,
  atm_iv_close   double precision,
  pcr_oi         double precision,
  pcr_volume     double precision,
  max_pain       double precision,
  max_pain_high  double precision,
  total_call_oi  bigint,
  total_put_oi   bigint,
  iv_7d          double precision,
  iv_30d         double precision,
  bars_complete  integer,
  bars_repaired  integer,
  bars_missing   integer,
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (symbol, expiry, trade_date)
);

CREATE VIEW nifty50_ohlc AS
  SELECT time, open, high, low, close, volume, source, complete, tick_count, updated_at
  FROM minute_bars
  WHERE exchange = 'NSE' AND symbol = 'NIFTY 50';

COMMENT ON TABLE minute_bars IS
  'One row a minute of an index (its tradingsymbol: NIFTY 50, NIFTY BANK, INDIA VIX) or another underlying.';
COMMENT ON TABLE futures_bars IS 'One row a minute of a future.';
COMMENT ON TABLE fo_option_strike_bars IS
  'One row a minute of an option. A covered contract has a row for every minute of its session, so a missing row is missing data.';
COMMENT ON TABLE fo_expiry_metrics IS
  'PCR, max pain, ATM IV and totals of one series a minute, over every listed strike.';
COMMENT ON TABLE fo_strike_distribution IS
  'Both sides of every strike of a series, minute by minute. Volume is the day''s.';
COMMENT ON TABLE fo_daily_metrics IS 'One row a trading day of a series.';
COMMENT ON COLUMN fo_option_strike_bars.complete IS
  'NULL while the minute is open; true if the live feed covered the whole minute; else false.';
COMMENT ON COLUMN fo_option_strike_bars.source IS
  'Where the row''s prices come from: live, backfill, repair, snapshot or settled.';
COMMENT ON COLUMN fo_option_strike_bars.iv_reason IS 'Why iv is NULL.';
