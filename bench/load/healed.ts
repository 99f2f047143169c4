/**
 * Watches in the store until what a gap took is there again, minute by minute, as the exchange's own
 * candles say. A minute without a trade has none: that it had none is known only from a later candle
 * or a second answer, so it counts by itself.
 */
import type pg from 'pg'
import { minuteCandles } from '../../src/exchange/market/candles.ts'
import { Market } from '../../src/exchange/market/market.ts'
import { floorToMinute, MINUTE_MS } from '../../src/market/ist.ts'
import { pause } from './loaded-platform.ts'

/** An option's minute that a gap touches. */
interface LostMinute {
  readonly tradingsymbol: string
  readonly minuteMs: number
}

export interface Lost {
  readonly minutes: readonly LostMinute[]
  /** When the last of them ended. */
  readonly endMs: number
}

export interface Healed {
  /** Minutes with a trade, and when the last of them was as the exchange says, epoch ms. */
  readonly traded: number
  readonly tradedAtMs: number
  /** Minutes without one, and when the last of them had its flat row, epoch ms. */
  readonly quiet: number
  readonly quietAtMs: number
}

const LOOK_MS = 100
const PAISE = 100

/** What gaps of that reason have taken since `fromMs`; undefined while one of them is open or none is there. */
export async function lostSince(
  database: pg.Client,
  reason: string,
  fromMs: number,
): Promise<Lost | undefined> {
  const { rows } = await database.query<{
    tradingsymbol: string
    fromMs: number
    toMs: number | null
  }>(
    `SELECT i->>'tradingsymbol' AS tradingsymbol, extract(epoch FROM "from")::float8 * 1000 AS "fromMs",
            extract(epoch FROM (i->>'to')::timestamptz)::float8 * 1000 AS "toMs"
     FROM feed_gaps, jsonb_array_elements(instruments) AS i
     WHERE reason = $1 AND "from" > $2`,
    [reason, new Date(fromMs)],
  )
  const minutes: LostMinute[] = []
  let endMs = 0
  for (const { tradingsymbol, fromMs: beginMs, toMs } of rows) {
    if (toMs === null) return undefined
    for (let minuteMs = floorToMinute(beginMs); minuteMs < toMs; minuteMs += MINUTE_MS) {
      minutes.push({ tradingsymbol, minuteMs })
      endMs = Math.max(endMs, minuteMs + MINUTE_MS)
    }
  }
  return minutes.length === 0 ? undefined : { minutes, endMs }
}

/** @param seed the exchange's; throws where it does not become whole in time */
export async function untilHealed(
  database: pg.Client,
  { minutes, endMs }: Lost,
  seed: number,
  withinMs: number,
): Promise<Healed> {
  const untilMs = Date.now() + withinMs
  while (Date.now() < endMs) await pause(LOOK_MS)
  const due = new Map(expectedRows(minutes, endMs, seed))
  const isTraded = (row: string | null) => row !== null
  const traded = [...due.values()].filter(isTraded).length
  const quiet = due.size - traded
  let tradedAtMs = 0
  let quietAtMs = 0
  while (due.size > 0) {
    const shown = await shownRows(database, minutes)
    const nowMs = Date.now()
    for (const [key, row] of due) {
      const found = shown.get(key)
      if (found === undefined || !isAsExpected(found, row)) continue
      due.delete(key)
      if (isTraded(row)) tradedAtMs = nowMs
      else quietAtMs = nowMs
    }
    if (due.size > 0 && nowMs > untilMs) {
      const [first] = due
      throw new Error(`${due.size} minutes not healed, such as ${first?.join(' ')}`)
    }
    await pause(LOOK_MS)
  }
  return { traded, tradedAtMs, quiet, quietAtMs }
}

/** What the exchange says of each minute; null where nothing was traded. */
function* expectedRows(
  minutes: readonly LostMinute[],
  endMs: number,
  seed: number,
): Generator<[string, string | null]> {
  const market = new Market(String(seed))
  const { contracts } = market.listing(endMs)
  const byName = new Map(contracts.map((one) => [one.instrument.tradingsymbol, one]))
  for (const { tradingsymbol, minuteMs } of minutes) {
    const contract = byName.get(tradingsymbol)
    if (contract === undefined) throw new Error(`the exchange does not list ${tradingsymbol}`)
    const pieces = [...minuteCandles(market.pastTape(contract), minuteMs, minuteMs, endMs)]
    const [candle] = pieces.flat()
    const row =
      candle === undefined
        ? null
        : rowText(
            [candle.open, candle.high, candle.low, candle.close].map((paise) => paise / PAISE),
            candle.volume,
            candle.openInterest,
          )
    yield [keyOf(tradingsymbol, minuteMs), row]
  }
}

interface Shown {
  readonly text: string
  readonly volume: number | null
  readonly source: string
}

/** A minute that was streamed in part has a row before: it is healed once history tells it. */
function isAsExpected({ text, volume, source }: Shown, expected: string | null): boolean {
  if (source !== 'repair' && source !== 'backfill') return false
  return expected === null ? volume === 0 : text === expected
}

async function shownRows(
  database: pg.Client,
  minutes: readonly LostMinute[],
): Promise<ReadonlyMap<string, Shown>> {
  const times = minutes.map(({ minuteMs }) => minuteMs)
  const { rows } = await database.query<{
    tradingsymbol: string
    minuteMs: number
    prices: number[]
    volume: number | null
    oi: number | null
    source: string
  }>({
    name: 'shown',
    text: `SELECT tradingsymbol, extract(epoch FROM bucket_time)::float8 * 1000 AS "minuteMs",
                  ARRAY[open, high, low, close] AS prices, volume::float8, oi::float8, source
           FROM fo_option_strike_bars WHERE bucket_time BETWEEN $1 AND $2`,
    values: [new Date(Math.min(...times)), new Date(Math.max(...times))],
  })
  return new Map(
    rows.map(({ tradingsymbol, minuteMs, prices, volume, oi, source }) => [
      keyOf(tradingsymbol, minuteMs),
      { text: rowText(prices, volume, oi), volume, source },
    ]),
  )
}

function keyOf(tradingsymbol: string, minuteMs: number): string {
  return `${tradingsymbol} ${minuteMs}`
}

function rowText(prices: readonly number[], volume: number | null, oi: number | null): string {
  return `${prices.join(' ')} volume ${volume} oi ${oi}`
}
