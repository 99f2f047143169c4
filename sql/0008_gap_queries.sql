-- Which instruments have a row in a minute (`count(DISTINCT tradingsymbol)` by `bucket_time`) is answered
-- from this index alone. With the key, which the name leads, that took a look at every minute of every
-- instrument that was ever stored.

DROP INDEX fo_option_strike_bars_by_time;

CREATE INDEX fo_option_strike_bars_by_time
  ON fo_option_strike_bars (bucket_time, symbol, expiry, tradingsymbol);
