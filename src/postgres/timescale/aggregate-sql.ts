/**
 * The SQL of a continuous aggregate from the text of the plain view that it takes the place of, so that
 * both are one definition. Only the bucket is written otherwise.
 *
 * A day is bucketed by the zone's name: with an origin of 18:30 UTC instead, TimescaleDB 2.23 loses
 * what is changed later, since it notes the change by days of UTC.
 */

/** Throws RangeError where the view has no bucket that is known here. */
export function aggregateOf(name: string, viewText: string): string {
  const text = viewText
    .trim()
    .replace(/;$/, '')
    .replaceAll("date_trunc('day'::text, ", "time_bucket('1 day'::interval, ")
    .replaceAll('date_bin(', 'time_bucket(')
  if (!text.includes('time_bucket(')) throw new RangeError(`view ${name} has no bucket`)
  // Real-time: what is newer than the last refresh is answered from the minutes.
  return `
    CREATE MATERIALIZED VIEW ${name}
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    ${text}
    WITH NO DATA`
}
