-- What stands there, which the comment called epoch milliseconds.
COMMENT ON COLUMN feed_gaps.instruments IS
  'JSON array of {"exchange","tradingsymbol","instrument_token","to"}; "to" is the instant of that instrument''s first packet after the gap (ISO 8601, UTC), null until then.';
