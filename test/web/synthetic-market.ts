/**
 * A small moving market for tests of the page: whole chains made of one spot path, priced by the
 * project's own Black-76. The same step gives the same chain.
 */
import type {
  StreamChain,
  StreamLeg,
  StreamStrike,
} from '../../src/contract/api/strike-distribution.ts'
import { formatIst } from '../../src/market/ist.ts'
import { black76Greeks, black76Price } from '../../src/market/options/black76.ts'

export interface Series {
  readonly symbol: string
  readonly expiry: string
  readonly days: number
  readonly kind: 'weekly' | 'monthly'
  readonly lotSize: number
}

export const SERIES: readonly Series[] = [
  { symbol: 'NIFTY50', expiry: '2026-11-23', days: 1, kind: 'monthly', lotSize: 65 },
  { symbol: 'NIFTY50', expiry: '2026-12-01', days: 9, kind: 'weekly', lotSize: 65 },
  { symbol: 'NIFTY50', expiry: '2026-12-08', days: 16, kind: 'weekly', lotSize: 65 },
  { symbol: 'NIFTY50', expiry: '2026-12-29', days: 37, kind: 'monthly', lotSize: 65 },
  { symbol: 'SENSEX', expiry: '2026-11-26', days: 4, kind: 'monthly', lotSize: 20 },
]

const RATE = 0.065
const EACH_SIDE = 48

interface Level {
  readonly base: number
  readonly gap: number
}

const LEVELS: Readonly<Record<string, Level>> = {
  NIFTY50: { base: 26_012.35, gap: 50 },
  SENSEX: { base: 85_230.6, gap: 100 },
}

/** The whole chain at a step of the market; `wallMs` only dates it. */
export function chainAt(series: Series, step: number, wallMs: number): StreamChain {
  const { base, gap } = LEVELS[series.symbol] as Level
  const spot = tick(base + gap * 0.3 * Math.sin(step / 9))
  const years = (series.days + 0.2) / 365
  const forward = spot * Math.exp(0.055 * years)
  const atm = Math.round(forward / gap) * gap
  // The list does not follow the spot.
  const centre = Math.round(base / gap) * gap
  const strikes = Array.from({ length: 2 * EACH_SIDE + 1 }, (_, index) =>
    strikeAt(series, centre + (index - EACH_SIDE) * gap, atm, forward, years, step, gap),
  )
  const straddle = price('CE', forward, atm, years, 0.12) + price('PE', forward, atm, years, 0.12)
  const sum = (field: 'oi' | 'volume', side: 'call' | 'put') =>
    strikes.reduce((total, row) => total + (row[side]?.[field] ?? 0), 0)
  return {
    symbol: series.symbol,
    expiry: series.expiry,
    bucket_time: formatIst(wallMs - (wallMs % 60_000)),
    as_of: formatIst(wallMs),
    feed: 'simulated',
    spot,
    spot_stale: false,
    future: tick(forward + 1.4),
    forward: tick(forward),
    forward_source: 'parity',
    india_vix: 13.42,
    atm_strike: atm,
    pcr_oi: sum('oi', 'put') / sum('oi', 'call'),
    pcr_volume: sum('volume', 'put') / sum('volume', 'call'),
    max_pain: centre,
    max_pain_high: centre,
    atm_iv: 0.12,
    straddle,
    expected_move: forward * 0.12 * Math.sqrt(years),
    total_call_oi: sum('oi', 'call'),
    total_put_oi: sum('oi', 'put'),
    total_call_volume: sum('volume', 'call'),
    total_put_volume: sum('volume', 'put'),
    lot_size: series.lotSize,
    days_to_expiry: series.days,
    minutes_to_expiry: Math.round(series.days * 1_440 + 288),
    completeness: {
      strikes_listed: strikes.length,
      strikes_streamed: 42,
      strikes_present: strikes.length - (series.days > 30 ? 6 : 0),
      complete: series.days <= 30,
    },
    strikes,
  }
}

/** The strikes within `eachSide` of the money; null = all. */
export function windowed(chain: StreamChain, eachSide: number | null): StreamChain {
  if (eachSide === null) return chain
  const atm = chain.strikes.findIndex((row) => row.strike === chain.atm_strike)
  return { ...chain, strikes: chain.strikes.slice(Math.max(0, atm - eachSide), atm + eachSide + 1) }
}

function strikeAt(
  series: Series,
  strike: number,
  atm: number,
  forward: number,
  years: number,
  step: number,
  gap: number,
): StreamStrike {
  const rank = Math.round((strike - atm) / gap)
  const moneyness = rank === 0 ? 'ATM' : rank < 0 ? `ITM${-rank}` : `OTM${rank}`
  const leg = (type: 'CE' | 'PE') => legAt(series, type, strike, forward, years, step, gap)
  // One strike has no put, as happens when a series is new.
  const put = strike % (gap * 40) === gap * 7 ? null : leg('PE')
  return { strike, moneyness, call: leg('CE'), put }
}

function legAt(
  series: Series,
  type: 'CE' | 'PE',
  strike: number,
  forward: number,
  years: number,
  step: number,
  gap: number,
): StreamLeg {
  const away = (strike - forward) / gap
  const iv = 0.12 + 0.00006 * away * away - 0.0004 * away
  const otm = type === 'CE' ? away : -away
  const seed = noise(strike + (type === 'CE' ? 1 : 2))
  const ltp = Math.max(0.05, tick(price(type, forward, strike, years, iv)))
  const close = Math.max(0.05, tick(price(type, forward * 0.998, strike, years, iv * 1.03)))
  const round = strike % (gap * 10) === 0 ? 2.4 : 1
  const lots = Math.round(round * (600 + seed * 900) * Math.exp(-((otm - 7) ** 2) / 220) * 90)
  const oi = (lots + Math.floor(step / 4) * Math.round(3 * seed)) * series.lotSize
  const before = Math.round(lots * (0.75 + 0.4 * seed)) * series.lotSize
  const far = Math.abs(away) > 40
  const greeks = black76Greeks(type, forward, strike, years, RATE, iv)
  return {
    tradingsymbol: `${series.symbol}${series.expiry.slice(2).replaceAll('-', '')}${strike}${type}`,
    instrument_token: 256 * strike + (type === 'CE' ? 2 : 6),
    ltp,
    prev_close: close,
    change: tick(ltp - close),
    change_percent: (100 * (ltp - close)) / close,
    open: close,
    high: ltp + 4,
    low: Math.max(0.05, ltp - 4),
    bid: Math.max(0.05, tick(ltp - 0.15)),
    ask: tick(ltp + 0.15),
    bid_quantity: series.lotSize * 12,
    ask_quantity: series.lotSize * 9,
    volume: (lots * 3 + step * 7) * series.lotSize,
    oi,
    oi_prev_close: far ? null : before,
    oi_change: far ? null : oi - before,
    iv: far ? null : iv,
    iv_raw: far ? null : iv + 0.0007,
    iv_reason: far ? 'stale' : null,
    delta: far ? null : greeks.delta,
    gamma: far ? null : greeks.gamma,
    theta: far ? null : greeks.theta,
    vega: far ? null : greeks.vega,
    buildup: 'neutral',
    last_trade_at: `2026-11-22T10:${String(15 + (strike % 40)).padStart(2, '0')}:02+05:30`,
    source: Math.abs(away) > 20 ? 'snapshot' : 'live',
    complete: null,
  }
}

function price(type: 'CE' | 'PE', forward: number, strike: number, years: number, iv: number) {
  return black76Price(type, forward, strike, years, RATE, iv)
}

function tick(rupees: number): number {
  return Math.round(rupees * 20) / 20
}

/** A fixed fraction for a number. */
function noise(value: number): number {
  const x = Math.sin(value * 12.9898) * 43_758.5453
  return x - Math.floor(x)
}
