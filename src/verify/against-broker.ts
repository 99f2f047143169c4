/**
 * Complete live bars against the broker's candles, one request an instrument through the ticker's
 * budget, as a caller that everybody else goes before.
 */
import { Value } from 'typebox/value'
import { History } from '../contract/api/history.ts'
import type { Clock } from '../kit/clock.ts'
import { VERIFY_CANDLES_TIMEOUT_MS, VERIFY_DIFFERENCES_KEPT } from '../limits.ts'
import type { MarketCalendar } from '../market/calendar.ts'
import type { Instrument } from '../market/instrument.ts'
import { formatIst, MINUTE_MS, parseApiTime } from '../market/ist.ts'
import {
  type BarFigures,
  type ClassedDifference,
  classDifferences,
  type DifferenceClass,
} from './broker-classes.ts'
import { givenRow, nameOf } from './given-rows.ts'
import { hoursOn } from './reference-fold/attribution.ts'
import type { StoreRow } from './store-tables.ts'
import { VerifyError } from './verify-error.ts'

export interface BrokerDifference extends ClassedDifference {
  readonly tradingsymbol: string
  readonly minute: string
}

export interface BrokerVerdict {
  readonly instruments: number
  readonly bars: number
  readonly counts: Readonly<Partial<Record<DifferenceClass, number>>>
  /** Those that nothing explains, the first ones. */
  readonly unexplained: readonly BrokerDifference[]
}

/** Complete bars by tradingsymbol, gathered as rows come by. */
export class CompleteBars {
  readonly byName = new Map<string, BarFigures[]>()

  add(row: StoreRow): void {
    const name = nameOf(row)
    if (name === undefined || row['source'] !== 'live') return
    const bars = this.byName.get(name) ?? []
    this.byName.set(name, bars)
    const { minuteMs, open, high, low, close, volume, oi } = givenRow(row)
    bars.push({ minuteMs, open, high, low, close, volume, oi })
  }
}

/** How far a comparison is. */
export interface BrokerProgress {
  /** Of the instrument that is through: where a run that is broken off can be taken up again. */
  readonly tradingsymbol: string
  /** Instruments. */
  readonly done: number
  readonly of: number
  readonly bars: number
  readonly differences: number
}

export interface BrokerInput {
  readonly tickerUrl: string
  readonly headers: Readonly<Record<string, string>>
  readonly bars: CompleteBars
  readonly instruments: readonly Instrument[]
  readonly calendar: MarketCalendar
  readonly date: string
  /** Goes on behind this tradingsymbol, of a run that was broken off. */
  readonly after: string | undefined
  readonly onProgress: (progress: BrokerProgress) => void
  readonly clock: Clock
}

/** Throws VerifyError of code `ticker_away` where the candles cannot be had. */
export async function compareWithBroker(input: BrokerInput): Promise<BrokerVerdict> {
  const counts: Partial<Record<DifferenceClass, number>> = {}
  const unexplained: BrokerDifference[] = []
  let bars = 0
  let differed = 0
  const all = chosen(input)
  for (const [index, [instrument, own]] of all.entries()) {
    const { compared, differences } = await compareOne(input, instrument, own)
    bars += compared
    differed += differences.length
    for (const found of differences) {
      counts[found.class] = (counts[found.class] ?? 0) + 1
      const isKept = found.class === 'unexplained' && unexplained.length < VERIFY_DIFFERENCES_KEPT
      if (isKept) unexplained.push(found)
    }
    const { tradingsymbol } = instrument
    const done = index + 1
    input.onProgress({ tradingsymbol, done, of: all.length, bars, differences: differed })
  }
  return { instruments: all.length, bars, counts, unexplained }
}

/** In the order of their names, so that a run can be taken up again. */
function chosen({ bars, instruments, after }: BrokerInput): [Instrument, BarFigures[]][] {
  const byName = new Map(instruments.map((one) => [one.tradingsymbol, one]))
  return [...bars.byName]
    .filter(([name]) => after === undefined || name > after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, own]): [Instrument, BarFigures[]][] => {
      const instrument = byName.get(name)
      return instrument === undefined ? [] : [[instrument, own]]
    })
}

async function compareOne(input: BrokerInput, instrument: Instrument, own: readonly BarFigures[]) {
  const minutes = own.map(({ minuteMs }) => minuteMs)
  const fromMs = Math.min(...minutes)
  const { candles, finalUntilMs } = await candlesOf(input, instrument, fromMs, Math.max(...minutes))
  const openMs = hoursOn(input.calendar, instrument, input.date)?.openMs ?? fromMs
  const ground = { kind: instrument.kind, openMs, candles }
  const final = own.filter(({ minuteMs }) => minuteMs + MINUTE_MS <= finalUntilMs)
  const { tradingsymbol } = instrument
  const differences = final.flatMap((bar) =>
    classDifferences(bar, ground).map((found) => ({
      ...{ tradingsymbol, minute: formatIst(bar.minuteMs) },
      ...found,
    })),
  )
  return { compared: final.length, differences }
}

async function candlesOf(
  { tickerUrl, headers, clock }: BrokerInput,
  { token, tradingsymbol }: Instrument,
  fromMs: number,
  toMs: number,
) {
  const span = `from=${encodeURIComponent(formatIst(fromMs))}&to=${encodeURIComponent(formatIst(toMs))}`
  const url = new URL(
    `history/${token}?${span}&interval=minute&oi=1&timeout_ms=${VERIFY_CANDLES_TIMEOUT_MS}`,
    tickerUrl.endsWith('/') ? tickerUrl : `${tickerUrl}/`,
  )
  for (;;) {
    const answer = await get(url, headers)
    if (answer.status === 429) {
      const seconds = Number(answer.headers.get('retry-after') ?? 1)
      await new Promise<void>((resolve) => {
        clock.after(seconds * 1_000, resolve)
      })
      continue
    }
    const text = await answer.text()
    if (answer.ok) return candlesIn(text)
    throw new VerifyError('ticker_away', `no candles of ${tradingsymbol}: ${text.slice(0, 300)}`)
  }
}

async function get(url: URL, headers: Readonly<Record<string, string>>): Promise<Response> {
  try {
    return await fetch(url, { headers })
  } catch (cause) {
    throw new VerifyError('ticker_away', `the ticker at ${url.origin} does not answer`, { cause })
  }
}

function candlesIn(text: string) {
  const { candles, final_until } = Value.Parse(History, JSON.parse(text))
  const byMinute = new Map<number, BarFigures>()
  for (const [time, open, high, low, close, volume, oi] of candles) {
    const minuteMs = instantOf(time)
    byMinute.set(minuteMs, { minuteMs, open, high, low, close, volume, oi: oi ?? null })
  }
  return { candles: byMinute, finalUntilMs: instantOf(final_until) }
}

function instantOf(text: string): number {
  const time = parseApiTime(text)
  if (time.ok) return time.ms
  throw new VerifyError('ticker_away', `the ticker tells a time that cannot be read: ${text}`)
}
