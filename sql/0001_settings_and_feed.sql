-- Runtime flags and the feed that this store belongs to.
--
-- system_config is meant to be edited by hand:
--   UPDATE system_config SET value = 'false' WHERE key = 'subscription_events_enabled';
-- takes effect within 5 seconds. NULL means: follow the environment.

CREATE TABLE system_config (
  key        text COLLATE "C" PRIMARY KEY,
  value      text,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION system_config_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;

CREATE TRIGGER system_config_touch
  BEFORE INSERT OR UPDATE ON system_config
  FOR EACH ROW EXECUTE FUNCTION system_config_touch();

INSERT INTO system_config (key, value) VALUES
  ('subscription_events_enabled',     NULL),
  ('backfill_enabled',                NULL),
  ('backfill_immediate_on_subscribe', NULL),
  ('backfill_subscription_aware',     NULL),
  ('backfill_interval_seconds',       NULL),
  ('backfill_lookback_minutes',       NULL),
  ('smart_subscription_enabled',      NULL),
  ('smart_subscription_underlyings',  NULL),
  ('smart_subscription_expiries',     NULL),
  ('smart_subscription_strikes',      NULL),
  ('chain_snapshot_seconds',          NULL);

COMMENT ON TABLE system_config IS
  'Runtime flags, read within 5 s. A NULL value follows the environment; what cannot be read is ignored and shown as invalid in GET /flags.';

-- One row at most: simulated and real data never share a store.
CREATE TABLE feed_stamp (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  feed       text NOT NULL CHECK (feed IN ('simulated', 'kite')),
  stamped_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE feed_stamp IS
  'The feed that all data in this store comes from, written at the first start.';
