/**
 * Figures of a series' strikes, minute by minute: what a line by moneyness is made of. Strikes are
 * read by the key of their table over a range of time, so that a minute costs a row and no search.
 */
import type pg from 'pg'
import type {
  AtmMinute,
  ListedStrike,
  StoredSeries,
  StrikeFigure,
  StrikeMinute,
} from '../backend/ports.ts'
import { instant } from './read-instant.ts'

export async function readListedStrikes(
  pool: pg.Pool,
  symbol: string,
  expiry: string,
): Promise<ListedStrike[]> {
  const { rows } = await pool.query<ListedStrike>(LISTED_STRIKES, [symbol, expiry])
  return rows
}

export async function readAtmStrikes(
  pool: pg.Pool,
  symbol: string,
  expiry: string,
  fromMs: number,
  toMs: number,
  limit: number,
): Promise<AtmMinute[]> {
  const values = [symbol, expiry, instant(fromMs), instant(toMs), limit]
  const { rows } = await pool.query<AtmMinute>(ATM_STRIKES, values)
  return rows
}

export async function readStrikeFigures(
  pool: pg.Pool,
  { symbol, expiry }: Pick<StoredSeries, 'symbol' | 'expiry'>,
  strikes: readonly ListedStrike[],
  figure: StrikeFigure,
  fromMs: number,
  toMs: number,
): Promise<StrikeMinute[]> {
  const range = [instant(fromMs), instant(toMs)]
  if (figure === 'volume') {
    const names = strikes.flatMap(({ call, put }) => [call, put].filter((name) => name !== null))
    return (await pool.query<StrikeMinute>(VOLUMES, [names, ...range])).rows
  }
  const wanted = strikes.map(({ strike }) => strike)
  const values = [symbol, expiry, wanted, ...range]
  return (await pool.query<StrikeMinute>(FIGURES[figure], values)).rows
}

/** The exchange may list a strike again; its last name counts. */
const LISTED_STRIKES = `
  SELECT strike,
    (array_agg(tradingsymbol ORDER BY valid_from DESC) FILTER (WHERE type = 'CE'))[1] AS call,
    (array_agg(tradingsymbol ORDER BY valid_from DESC) FILTER (WHERE type = 'PE'))[1] AS put
  FROM instruments
  WHERE symbol = $1 AND expiry = $2 AND type IN ('CE', 'PE') AND strike IS NOT NULL
  GROUP BY strike
  ORDER BY strike`

const ATM_STRIKES = `
  SELECT bucket_time AS "minuteMs", atm_strike AS "atmStrike"
  FROM fo_expiry_metrics
  WHERE symbol = $1 AND expiry = $2 AND bucket_time >= $3 AND bucket_time < $4
  ORDER BY bucket_time
  LIMIT $5`

/** While a minute is open its distribution is some seconds older than its bars. */
function figuresOf(column: Exclude<StrikeFigure, 'volume'>): string {
  return `
  SELECT bucket_time AS "minuteMs", strike, call_${column} AS call, put_${column} AS put
  FROM fo_strike_distribution
  WHERE symbol = $1 AND expiry = $2 AND strike = ANY ($3::float8[])
    AND bucket_time >= $4 AND bucket_time < $5`
}

const FIGURES = {
  ltp: figuresOf('ltp'),
  oi: figuresOf('oi'),
  oi_change: figuresOf('oi_change'),
  iv: figuresOf('iv'),
  delta: figuresOf('delta'),
  gamma: figuresOf('gamma'),
  theta: figuresOf('theta'),
  vega: figuresOf('vega'),
}

/** The distribution has the day's. */
const VOLUMES = `
  SELECT bucket_time AS "minuteMs", strike,
    max(volume) FILTER (WHERE option_type = 'CE') AS call,
    max(volume) FILTER (WHERE option_type = 'PE') AS put
  FROM fo_option_strike_bars
  WHERE tradingsymbol = ANY ($1::text[]) AND bucket_time >= $2 AND bucket_time < $3
  GROUP BY 1, 2`
