-- Bars of 5 minutes, 15 minutes and a day made from minutes, and how fresh each table is.
--
-- Where TimescaleDB is there, the program makes each of the bar views a continuous aggregate of the
-- same name, out of the view's own text: what is written here is the definition for every store. Such
-- a view therefore names one table, one bucket (date_bin or date_trunc) and what groups by it.
--
-- A bucket's time is its opening instant; a day is India's. Hours are made from 15 minutes, since
-- segments open at different times. `minutes` says of how many minutes a bucket is made; `complete` is
-- NULL while one of them is open. The opening is the first that is known and the closing the last:
-- min and max over (instant, value) find them without sorting.

CREATE VIEW minute_bars_5m AS
  SELECT
    exchange,
    symbol,
    date_bin('5 minutes', time, '2000-01-01 00:00+05:30') AS time,
    (min(ARRAY[extract(epoch FROM time)::float8, open]) FILTER (WHERE open IS NOT NULL))[2] AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ARRAY[extract(epoch FROM time)::float8, close]) FILTER (WHERE close IS NOT NULL))[2] AS close,
    sum(volume)::bigint AS volume,
    sum(tick_count) AS tick_count,
    count(*) AS minutes,
    CASE WHEN count(complete) = count(*) THEN bool_and(complete) END AS complete
  FROM minute_bars
  GROUP BY 1, 2, 3;

CREATE VIEW futures_bars_5m AS
  SELECT
    tradingsymbol,
    symbol,
    expiry,
    date_bin('5 minutes', time, '2000-01-01 00:00+05:30') AS time,
    (min(ARRAY[extract(epoch FROM time)::float8, open]) FILTER (WHERE open IS NOT NULL))[2] AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ARRAY[extract(epoch FROM time)::float8, close]) FILTER (WHERE close IS NOT NULL))[2] AS close,
    sum(volume)::bigint AS volume,
    (max(ARRAY[extract(epoch FROM time)::float8, oi]) FILTER (WHERE oi IS NOT NULL))[2]::bigint AS oi,
    sum(tick_count) AS tick_count,
    count(*) AS minutes,
    CASE WHEN count(complete) = count(*) THEN bool_and(complete) END AS complete
  FROM futures_bars
  GROUP BY 1, 2, 3, 4;

CREATE VIEW fo_option_strike_bars_5m AS
  SELECT
    tradingsymbol,
    symbol,
    expiry,
    strike,
    option_type,
    date_bin('5 minutes', bucket_time, '2000-01-01 00:00+05:30') AS bucket_time,
    (min(ARRAY[extract(epoch FROM bucket_time)::float8, open]) FILTER (WHERE open IS NOT NULL))[2] AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ARRAY[extract(epoch FROM bucket_time)::float8, close]) FILTER (WHERE close IS NOT NULL))[2] AS close,
    sum(volume)::bigint AS volume,
    (max(ARRAY[extract(epoch FROM bucket_time)::float8, oi]) FILTER (WHERE oi IS NOT NULL))[2]::bigint AS oi,
    (max(ARRAY[extract(epoch FROM bucket_time)::float8, iv]) FILTER (WHERE iv IS NOT NULL))[2] AS iv,
    (max(ARRAY[extract(epoch FROM bucket_time)::float8, delta]) FILTER (WHERE delta IS NOT NULL))[2] AS delta,
    sum(tick_count) AS tick_count,
    count(*) AS minutes,
    CASE WHEN count(complete) = count(*) THEN bool_and(complete) END AS complete
  FROM fo_option_strike_bars
  GROUP BY 1, 2, 3, 4, 5, 6;

-- The same over other buckets: only the bucket differs, so its text is what is exchanged.
DO $$
DECLARE
  base text;
  five text;
BEGIN
  FOREACH base IN ARRAY ARRAY['minute_bars', 'futures_bars', 'fo_option_strike_bars'] LOOP
    five := pg_get_viewdef((base || '_5m')::regclass);
    EXECUTE format('CREATE VIEW %I AS %s', base || '_15m',
      replace(five, '''00:05:00''::interval', '''00:15:00''::interval'));
    EXECUTE format('CREATE VIEW %I AS %s', base || '_1d',
      regexp_replace(five,
        'date_bin\(''00:05:00''::interval, ([^,]+), ''[^'']+''::timestamp with time zone\)',
        'date_trunc(''day'', \1, ''Asia/Kolkata'')', 'g'));
  END LOOP;
END
$$;

-- Freshness: `max(time)` by symbol reads every row of a symbol, with these one step into an index for
-- each symbol suffices. minute_bars has its own: there the symbol leads the key.
CREATE INDEX futures_bars_by_symbol ON futures_bars (symbol, time);
CREATE INDEX fo_option_strike_bars_by_symbol ON fo_option_strike_bars (symbol, bucket_time);
CREATE INDEX fo_expiry_metrics_by_symbol ON fo_expiry_metrics (symbol, bucket_time);
CREATE INDEX fo_strike_distribution_by_symbol ON fo_strike_distribution (symbol, bucket_time);

CREATE VIEW freshness AS
  WITH RECURSIVE
  minute_symbol (symbol) AS (
    (SELECT symbol FROM minute_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM minute_bars t WHERE t.symbol > s.symbol ORDER BY t.symbol LIMIT 1)
    FROM minute_symbol s WHERE s.symbol IS NOT NULL
  ),
  futures_symbol (symbol) AS (
    (SELECT symbol FROM futures_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM futures_bars t WHERE t.symbol > s.symbol ORDER BY t.symbol LIMIT 1)
    FROM futures_symbol s WHERE s.symbol IS NOT NULL
  ),
  option_symbol (symbol) AS (
    (SELECT symbol FROM fo_option_strike_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM fo_option_strike_bars t WHERE t.symbol > s.symbol ORDER BY t.symbol LIMIT 1)
    FROM option_symbol s WHERE s.symbol IS NOT NULL
  ),
  metrics_symbol (symbol) AS (
    (SELECT symbol FROM fo_expiry_metrics ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM fo_expiry_metrics t WHERE t.symbol > s.symbol ORDER BY t.symbol LIMIT 1)
    FROM metrics_symbol s WHERE s.symbol IS NOT NULL
  ),
  distribution_symbol (symbol) AS (
    (SELECT symbol FROM fo_strike_distribution ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM fo_strike_distribution t WHERE t.symbol > s.symbol ORDER BY t.symbol LIMIT 1)
    FROM distribution_symbol s WHERE s.symbol IS NOT NULL
  )
  SELECT 'minute_bars' AS table_name, s.symbol,
    (SELECT t.time FROM minute_bars t WHERE t.symbol = s.symbol ORDER BY t.time DESC LIMIT 1) AS newest
  FROM minute_symbol s WHERE s.symbol IS NOT NULL
  UNION ALL
  SELECT 'futures_bars', s.symbol,
    (SELECT t.time FROM futures_bars t WHERE t.symbol = s.symbol ORDER BY t.time DESC LIMIT 1)
  FROM futures_symbol s WHERE s.symbol IS NOT NULL
  UNION ALL
  SELECT 'fo_option_strike_bars', s.symbol,
    (SELECT t.bucket_time FROM fo_option_strike_bars t WHERE t.symbol = s.symbol ORDER BY t.bucket_time DESC LIMIT 1)
  FROM option_symbol s WHERE s.symbol IS NOT NULL
  UNION ALL
  SELECT 'fo_expiry_metrics', s.symbol,
    (SELECT t.bucket_time FROM fo_expiry_metrics t WHERE t.symbol = s.symbol ORDER BY t.bucket_time DESC LIMIT 1)
  FROM metrics_symbol s WHERE s.symbol IS NOT NULL
  UNION ALL
  SELECT 'fo_strike_distribution', s.symbol,
    (SELECT t.bucket_time FROM fo_strike_distribution t WHERE t.symbol = s.symbol ORDER BY t.bucket_time DESC LIMIT 1)
  FROM distribution_symbol s WHERE s.symbol IS NOT NULL;

COMMENT ON VIEW freshness IS
  'The newest minute of each table and symbol, in some milliseconds however much is stored. max(time) … GROUP BY symbol says the same after reading every row.';
