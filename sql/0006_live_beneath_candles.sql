-- What the live feed said of a minute whose row shows a broker's candle.
--
-- A candle stands above a live bar that is not complete, and a live bar that turns out complete (a
-- ticker's journal that was found later) above the candle. Both are kept, so that the row does not
-- depend on which came first. NULL where the row is live, where no packet came, and once settled.

ALTER TABLE minute_bars
  ADD COLUMN live_open  double precision,
  ADD COLUMN live_high  double precision,
  ADD COLUMN live_low   double precision,
  ADD COLUMN live_close double precision;

ALTER TABLE futures_bars
  ADD COLUMN live_open  double precision,
  ADD COLUMN live_high  double precision,
  ADD COLUMN live_low   double precision,
  ADD COLUMN live_close double precision,
  ADD COLUMN live_oi    bigint;

ALTER TABLE fo_option_strike_bars
  ADD COLUMN live_open  double precision,
  ADD COLUMN live_high  double precision,
  ADD COLUMN live_low   double precision,
  ADD COLUMN live_close double precision,
  ADD COLUMN live_oi    bigint;
