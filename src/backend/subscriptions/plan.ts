/**
 * What ought to be streamed by itself, and what has to be done for it: a pure decision.
 *
 * Wanted are INDIA VIX, each underlying's index and futures, and the strikes around the forward of its
 * nearest expiries. What was wanted on a date is kept until that date's close, so that a bar once begun
 * goes on; an underlying without a price stays as it is. Never more is asked for than there is room,
 * and what does not fit is said, the most important first.
 */
import type { MarketCalendar } from '../../market/calendar.ts'
import { hasExpired } from '../../market/expiry.ts'
import { type Instrument, instrumentKey } from '../../market/instrument.ts'
import type { InstrumentMaster } from '../../market/instrument-master.ts'
import { MINUTE_MS, startOfDateMs } from '../../market/ist.ts'
import { type Anchor, chooseAnchor } from './anchor.ts'
import {
  type AutoSettings,
  forwardOf,
  openExpiries,
  optionsAround,
  type UnderlyingPrices,
  underlyingInstruments,
} from './window.ts'

/** An instrument that we hold already. */
export interface Held {
  readonly token: number
  readonly exchange: string
  readonly tradingsymbol: string
  readonly symbol: string
  readonly segment: string
  /** Trading date on which it was wanted last. */
  readonly wantedOn: string
}

/** What the tickers have, as far as it decides what is asked of them. */
export interface Holdings {
  /** By instrument key. */
  readonly held: ReadonlyMap<string, unknown>
  /** Keys of what is on a socket, whoever holds it: holding it too takes no room. */
  readonly streamed: ReadonlySet<string>
  /** Instruments that the tickers still take. */
  readonly room: number
}

export interface PlanInput extends Holdings {
  readonly settings: AutoSettings
  readonly master: InstrumentMaster
  readonly calendar: MarketCalendar
  /** Market time, epoch ms. */
  readonly nowMs: number
  /** Continuous, decimal per year. */
  readonly rate: number
  /** By symbol; absent where the price is not known. */
  readonly prices: ReadonlyMap<string, UnderlyingPrices>
  /** By `anchorKey`. */
  readonly anchors: ReadonlyMap<string, Anchor>
  /** By instrument key. */
  readonly held: ReadonlyMap<string, Held>
}

export interface SeriesPlan {
  readonly expiry: string
  /** Undefined where it has closed or no price is known. */
  readonly forward: number | undefined
  readonly anchor: Anchor | undefined
  readonly instruments: number
}

export interface UnderlyingPlan {
  readonly symbol: string
  readonly state: 'ok' | 'no_price' | 'not_listed'
  readonly spot: number | undefined
  readonly series: readonly SeriesPlan[]
}

export interface SubscriptionPlan {
  /** The most important first. */
  readonly wanted: readonly Instrument[]
  /** Of these what is to be subscribed now. */
  readonly add: readonly Instrument[]
  /** What is to be let go. */
  readonly drop: readonly Held[]
  /** Wanted, and there is no room. */
  readonly unplaced: readonly Instrument[]
  readonly anchors: ReadonlyMap<string, Anchor>
  readonly underlyings: readonly UnderlyingPlan[]
}

export function anchorKey(symbol: string, expiry: string): string {
  return `${symbol}|${expiry}`
}

export function planSubscriptions(input: PlanInput): SubscriptionPlan {
  const windows = input.settings.underlyings.map((symbol) => windowOf(symbol, input))
  const wanted = inOrder([vixOf(input), ...windows.flatMap(({ wishes }) => wishes)])
  const keys = new Set(wanted.map(keyOf))
  const { add, unplaced } = allot(wanted, input)
  return {
    wanted,
    add,
    unplaced,
    drop: [...input.held].flatMap(([key, held]) =>
      keys.has(key) || isKept(held, windows, input) ? [] : [held],
    ),
    anchors: new Map(windows.flatMap(({ anchors }) => anchors)),
    underlyings: windows.map(({ plan }) => plan),
  }
}

// ---------------------------------------------------------------- what is wanted

/** An instrument with its place: kind, then expiry, then distance from the money. */
interface Wish {
  readonly instrument: Instrument
  readonly place: readonly [kind: number, expiry: number, rank: number]
}

interface Window {
  readonly wishes: readonly (Wish | undefined)[]
  readonly anchors: readonly (readonly [key: string, anchor: Anchor])[]
  readonly plan: UnderlyingPlan
}

const VIX = 'INDIAVIX'

function vixOf({ master }: PlanInput): Wish | undefined {
  const instrument = master.index(VIX)
  return instrument && { instrument, place: [0, 0, 0] }
}

function windowOf(symbol: string, input: PlanInput): Window {
  const { master, settings, calendar, nowMs } = input
  const instruments = underlyingInstruments(master, symbol, settings.expiries, nowMs, calendar)
  const wishes: Wish[] = instruments
    .filter((instrument) => !isOver(instrument, input))
    .map((instrument, i) => ({ instrument, place: [instrument.kind === 'index' ? 0 : 1, i, 0] }))
  const prices = input.prices.get(symbol)
  const anchors: [string, Anchor][] = []
  const series: SeriesPlan[] = []
  const listed = openExpiries(master.expiries(symbol), settings.expiries, nowMs, calendar)
  for (const [i, each] of listed.entries()) {
    const key = anchorKey(symbol, each.expiry)
    const last = input.anchors.get(key)
    const isPriced = prices !== undefined && !isOver(each, input)
    const forward = isPriced ? forwardOf(each, prices, input.rate, nowMs, calendar) : undefined
    const strikes = each.strikes.map(({ strike }) => strike)
    const anchor = forward === undefined ? last : chooseAnchor(strikes, forward, last, nowMs)
    if (anchor !== undefined) anchors.push([key, anchor])
    const around =
      anchor === undefined || forward === undefined
        ? []
        : optionsAround(each, anchor.strike, settings.strikesEachSide)
    for (const { instrument, rank } of around) wishes.push({ instrument, place: [2, i, rank] })
    series.push({ expiry: each.expiry, forward, anchor, instruments: around.length })
  }
  const isListed = instruments.length > 0 || listed.length > 0
  const state = isListed ? (prices === undefined ? 'no_price' : 'ok') : 'not_listed'
  return { wishes, anchors, plan: { symbol, state, spot: prices?.spot, series } }
}

function isOver(
  { expiry, segment }: Pick<Instrument, 'expiry' | 'segment'>,
  { nowMs, calendar }: PlanInput,
): boolean {
  return expiry !== null && hasExpired(expiry, nowMs, calendar, segment)
}

/** Each once, the underlyings in turn where their places are equal. */
function inOrder(wishes: readonly (Wish | undefined)[]): Instrument[] {
  const known = wishes.filter((wish) => wish !== undefined)
  const sorted = known.toSorted((a, b) => {
    const at = a.place.findIndex((part, i) => part !== b.place[i])
    return at < 0 ? 0 : (a.place[at] ?? 0) - (b.place[at] ?? 0)
  })
  return [...new Map(sorted.map((wish) => [keyOf(wish.instrument), wish.instrument])).values()]
}

// ---------------------------------------------------------------- what is to be done

/** Of what is wanted, the most important first: what is to be asked for, and what has no room. */
export function allot(
  wanted: readonly Instrument[],
  { held, streamed, room }: Holdings,
): Pick<SubscriptionPlan, 'add' | 'unplaced'> {
  const add: Instrument[] = []
  const unplaced: Instrument[] = []
  let left = room
  for (const instrument of wanted) {
    const key = keyOf(instrument)
    const isOn = streamed.has(key)
    if (isOn && held.has(key)) continue
    if (isOn || left > 0) add.push(instrument)
    else unplaced.push(instrument)
    if (!isOn) left--
  }
  return { add, unplaced }
}

/** To the close of the date on which it was wanted last; longer while nobody knows what is wanted. */
function isKept(held: Held, windows: readonly Window[], { nowMs, calendar }: PlanInput): boolean {
  const { segment, symbol, wantedOn } = held
  if (nowMs < keptUntilMs(segment, wantedOn, calendar)) return true
  return windows.some(({ plan }) => plan.symbol === symbol && plan.state !== 'ok')
}

const DAY_ENDS = 16 * 60

/** The close, or 16:00 where it is before; what trades all day is kept to its end. */
function keptUntilMs(segment: string, date: string, calendar: MarketCalendar): number {
  const endMs = startOfDateMs(date) + DAY_ENDS * MINUTE_MS
  return Math.max(endMs, calendar.session(segment, date)?.closeMs ?? 0)
}

export function keyOf({
  exchange,
  tradingsymbol,
}: Pick<Instrument, 'exchange' | 'tradingsymbol'>): string {
  return instrumentKey(exchange, tradingsymbol)
}
