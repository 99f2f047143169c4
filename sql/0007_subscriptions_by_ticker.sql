-- Several tickers on one database: each has its own rows and restores no other's. Two of them may
-- stream the same instrument.

-- '' is nobody's: rows from before, and those that a person inserts without a name. The ticker that
-- reads them first takes them over.
ALTER TABLE instrument_subscriptions
  ADD COLUMN ticker text COLLATE "C" NOT NULL DEFAULT '',
  DROP CONSTRAINT instrument_subscriptions_pkey,
  ADD PRIMARY KEY (exchange, tradingsymbol, ticker);

COMMENT ON COLUMN instrument_subscriptions.ticker IS
  'The TICKER_ID of the ticker that streams it; empty until one takes it over.';
