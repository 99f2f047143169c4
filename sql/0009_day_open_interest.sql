-- What the broker's day candle told of a contract's open interest at the end of a day, where the store
-- has no bar of that day: the base of the next day's oi_change. At most one row a contract and a day
-- that was not streamed.
CREATE TABLE day_open_interest (
  exchange      text COLLATE "C" NOT NULL,
  tradingsymbol text COLLATE "C" NOT NULL,
  trade_date    date NOT NULL,
  oi            bigint NOT NULL,
  PRIMARY KEY (exchange, tradingsymbol, trade_date)
);
