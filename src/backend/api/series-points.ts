/**
 * Lines by moneyness out of stored minutes: of each minute its own ATM strike says which strike a
 * bucket stood for; live and backfilled rows are alike. Ranks are those among all strikes that the
 * series ever listed, so a strike that is not streamed leaves a hole and moves no other.
 */
import type { Indicator, MoneynessPoint } from '../../contract/api/moneyness-series.ts'
import { API_SERIES_ROWS_PER_STATEMENT } from '../../limits.ts'
import type { MarketCalendar } from '../../market/calendar.ts'
import type { OptionType } from '../../market/instrument.ts'
import { formatIst, MINUTE_MS } from '../../market/ist.ts'
import { type Bucket as Moneyness, strikeOf } from '../../market/options/moneyness.ts'
import { byBucket, type Timeframe } from '../../market/timeframe.ts'
import type {
  AtmMinute,
  BackendReads,
  ListedStrike,
  StoredSeries,
  StrikeFigure,
  StrikeMinute,
} from '../ports.ts'

export interface Line {
  readonly moneyness: Moneyness
  readonly side: OptionType
}

export interface LineMinute {
  readonly minuteMs: number
  readonly strike: number
  readonly value: number | null
}

/** @param atms ascending; those without an ATM strike have no moneyness and are left out */
export async function readLines(
  reads: Pick<BackendReads, 'strikeFigures'>,
  series: Pick<StoredSeries, 'symbol' | 'expiry'>,
  listed: readonly ListedStrike[],
  atms: readonly AtmMinute[],
  lines: readonly Line[],
  indicator: Indicator,
): Promise<readonly (readonly LineMinute[])[]> {
  const minutes = lines.map((): LineMinute[] => [])
  const strikesAt = strikeChooser(listed, lines)
  for (const page of pagesOf(atms, strikesAt)) {
    const rows = await reads.strikeFigures(
      series,
      listed.filter(({ strike }) => page.strikes.has(strike)),
      FIGURES[indicator],
      page.fromMs,
      page.toMs,
    )
    const stored = new Map(rows.map((row) => [keyOf(row.minuteMs, row.strike), row]))
    for (const { minuteMs, strikes } of page.minutes) {
      lines.forEach(({ side }, i) => {
        const strike = strikes[i]
        if (strike === undefined) return
        const row = stored.get(keyOf(minuteMs, strike))
        if (row === undefined) return
        minutes[i]?.push({ minuteMs, strike, value: lineValue(indicator, row, side) })
      })
    }
  }
  return minutes
}

/** Minutes of a line as bars: of volume the sum, of all else the last that is known. */
export function linePoints(
  minutes: readonly LineMinute[],
  indicator: Indicator,
  timeframe: Timeframe,
  segment: string,
  calendar: MarketCalendar,
): MoneynessPoint[] {
  const points: MoneynessPoint[] = []
  const minuteOf = ({ minuteMs }: LineMinute) => minuteMs
  for (const { bucket, items } of byBucket(minutes, minuteOf, timeframe, segment, calendar)) {
    const { value, strike } = indicator === 'volume' ? sumOf(items) : lastKnown(items)
    points.push({ time: formatIst(bucket.startMs), value, strike })
  }
  return points
}

/** What each indicator is read from. */
const FIGURES: Readonly<Record<Indicator, StrikeFigure>> = {
  iv: 'iv',
  ltp: 'ltp',
  oi: 'oi',
  oi_change: 'oi_change',
  volume: 'volume',
  delta: 'delta',
  gamma: 'gamma',
  theta: 'theta',
  vega: 'vega',
  pcr_oi: 'oi',
  premium: 'ltp',
}

function lineValue(indicator: Indicator, { call, put }: StrikeMinute, side: OptionType) {
  if (indicator === 'pcr_oi') return call === null || put === null || call === 0 ? null : put / call
  if (indicator === 'premium') return call === null || put === null ? null : call + put
  return side === 'CE' ? call : put
}

type StrikesOfMinute = readonly (number | undefined)[]

/** The strike of each line by the minute's ATM strike; few ATM strikes are many minutes. */
function strikeChooser(
  listed: readonly ListedStrike[],
  lines: readonly Line[],
): (atmStrike: number) => StrikesOfMinute {
  const strikes = listed.map(({ strike }) => strike)
  const chosen = new Map<number, StrikesOfMinute>()
  return (atm) => {
    const known = chosen.get(atm)
    if (known !== undefined) return known
    const of = lines.map(({ moneyness, side }) => strikeOf(strikes, atm, moneyness, side))
    chosen.set(atm, of)
    return of
  }
}

interface Page {
  readonly fromMs: number
  readonly toMs: number
  readonly strikes: ReadonlySet<number>
  readonly minutes: readonly { readonly minuteMs: number; readonly strikes: StrikesOfMinute }[]
}

/** As many minutes at a time as one statement's rows allow. */
function* pagesOf(
  atms: readonly AtmMinute[],
  strikesAt: (atmStrike: number) => StrikesOfMinute,
): Generator<Page> {
  let minutes: Page['minutes'][number][] = []
  let strikes = new Set<number>()
  const page = (): Page => {
    const fromMs = minutes[0]?.minuteMs ?? 0
    const toMs = (minutes.at(-1)?.minuteMs ?? 0) + MINUTE_MS
    return { fromMs, toMs, strikes, minutes }
  }
  for (const { minuteMs, atmStrike } of atms) {
    if (atmStrike === null) continue
    const wanted = strikesAt(atmStrike)
    minutes.push({ minuteMs, strikes: wanted })
    for (const strike of wanted) if (strike !== undefined) strikes.add(strike)
    if (minutes.length * strikes.size < API_SERIES_ROWS_PER_STATEMENT) continue
    yield page()
    minutes = []
    strikes = new Set()
  }
  if (strikes.size > 0) yield page()
}

function keyOf(minuteMs: number, strike: number): string {
  return `${minuteMs}|${strike}`
}

type Value = Pick<LineMinute, 'value' | 'strike'>

function lastKnown(minutes: readonly [LineMinute, ...LineMinute[]]): Value {
  return minutes.findLast(({ value }) => value !== null) ?? minutes.at(-1) ?? minutes[0]
}

function sumOf(minutes: readonly [LineMinute, ...LineMinute[]]): Value {
  const known = minutes.flatMap(({ value }) => value ?? [])
  const { strike } = minutes.at(-1) ?? minutes[0]
  return { strike, value: known.length === 0 ? null : known.reduce((sum, v) => sum + v, 0) }
}
