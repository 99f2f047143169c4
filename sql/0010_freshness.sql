-- How fresh each table is, however many days are stored.
--
-- The view freshness stepped from symbol to symbol through an index. TimescaleDB plans each such step
-- over every day there is, which took longer than 100 ms from some weeks on. Now the names are kept,
-- and the newest minute is looked for in the last days first: they are named as constants, so that no
-- other day is planned or opened.

-- A name is never wrong here for long: one without rows is left out of the view, and one that upkeep
-- takes away beside a first row comes back with the next one.
CREATE TABLE bar_symbols (
  table_name text COLLATE "C" NOT NULL,
  symbol     text COLLATE "C" NOT NULL,
  PRIMARY KEY (table_name, symbol)
);

COMMENT ON TABLE bar_symbols IS
  'The symbols of which each table of minutes has had rows. Kept by triggers.';

-- Its arguments are the tables that a new row speaks for.
CREATE FUNCTION note_bar_symbol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO bar_symbols (table_name, symbol)
  SELECT name, NEW.symbol FROM unnest(TG_ARGV) AS name
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

-- Rows that are changed fire none of them: each is some ten rows a minute. The two large tables have
-- none of their own, since a series of theirs has metrics in every minute.
CREATE TRIGGER note_bar_symbol AFTER INSERT ON minute_bars
  FOR EACH ROW EXECUTE FUNCTION note_bar_symbol('minute_bars');
CREATE TRIGGER note_bar_symbol AFTER INSERT ON futures_bars
  FOR EACH ROW EXECUTE FUNCTION note_bar_symbol('futures_bars');
CREATE TRIGGER note_bar_symbol AFTER INSERT ON fo_expiry_metrics
  FOR EACH ROW EXECUTE FUNCTION note_bar_symbol(
    'fo_expiry_metrics', 'fo_option_strike_bars', 'fo_strike_distribution');

INSERT INTO bar_symbols (table_name, symbol) SELECT table_name, symbol FROM freshness;

CREATE FUNCTION newest_minutes(bar_table text, time_column text)
RETURNS TABLE (symbol text, newest timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  since   timestamptz;
  wanted  text[] := ARRAY(SELECT s.symbol FROM bar_symbols s WHERE s.table_name = bar_table);
  missing text[];
BEGIN
  FOREACH since IN ARRAY ARRAY[now() - interval '1 day', now() - interval '10 days', '-infinity'] LOOP
    EXIT WHEN cardinality(wanted) = 0;
    missing := '{}';
    FOR symbol, newest IN EXECUTE format(
      'SELECT n.symbol, (
         SELECT t.%2$I FROM %1$I t WHERE t.symbol = n.symbol AND t.%2$I >= %3$L
         ORDER BY t.%2$I DESC LIMIT 1)
       FROM unnest($1) AS n (symbol)', bar_table, time_column, since) USING wanted
    LOOP
      IF newest IS NULL THEN
        missing := missing || symbol;
      ELSE
        RETURN NEXT;
      END IF;
    END LOOP;
    wanted := missing;
  END LOOP;
END
$$;

DROP VIEW freshness;

CREATE VIEW freshness AS
  SELECT 'minute_bars' AS table_name, symbol, newest FROM newest_minutes('minute_bars', 'time')
  UNION ALL
  SELECT 'futures_bars', symbol, newest FROM newest_minutes('futures_bars', 'time')
  UNION ALL
  SELECT 'fo_option_strike_bars', symbol, newest
  FROM newest_minutes('fo_option_strike_bars', 'bucket_time')
  UNION ALL
  SELECT 'fo_expiry_metrics', symbol, newest FROM newest_minutes('fo_expiry_metrics', 'bucket_time')
  UNION ALL
  SELECT 'fo_strike_distribution', symbol, newest
  FROM newest_minutes('fo_strike_distribution', 'bucket_time');

COMMENT ON VIEW freshness IS
  'The newest minute of each table and symbol, in some milliseconds however much is stored. max(time) … GROUP BY symbol says the same after reading every row.';
