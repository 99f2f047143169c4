/**
 * The chain's columns as data, from the outside to the strike; the put side mirrors the call side.
 * What a cell cannot know is a dash with the reason in its title.
 */
import type { StreamLeg } from '../src/contract/api/strike-distribution.ts'
import { explainIv } from './iv-reason.ts'
import {
  formatChange,
  formatChangePercent,
  formatFixed,
  formatPercent,
  formatPrice,
  formatUnits,
  formatUnitsChange,
  formatWhole,
} from './number-format.ts'
import { formatTimeOfDay } from './time-format.ts'

export interface CellText {
  readonly text: string
  readonly title: string
  /** A change of it shows for a moment. */
  readonly flash?: { readonly kind: 'price' | 'plain'; readonly value: number | null }
  readonly bar?: { readonly kind: 'oi' | 'oi-change'; readonly value: number }
  readonly tone?: 'up' | 'down'
}

export interface Column {
  readonly id: string
  readonly label: string
  readonly title: string
  /** Shown on a narrow screen. */
  readonly narrow?: true
  readonly cell: (leg: StreamLeg, lotSize: number | null) => CellText
}

export const COLUMNS: readonly Column[] = [
  {
    id: 'oi',
    label: 'OI',
    title: 'Open interest, units',
    narrow: true,
    cell: (leg, lotSize) => ({
      text: formatUnits(leg.oi),
      title: unitsTitle(leg.oi, lotSize, 'Open interest is not known yet'),
      flash: { kind: 'plain', value: leg.oi },
      ...(leg.oi === null ? {} : { bar: { kind: 'oi', value: leg.oi } }),
    }),
  },
  {
    id: 'oi_change',
    label: 'OI chg',
    title: "Change of open interest since the previous day's close, units",
    cell: (leg, lotSize) => ({
      text: formatUnitsChange(leg.oi_change),
      title: unitsTitle(leg.oi_change, lotSize, "The previous close's open interest is not known"),
      ...(leg.oi_change === null ? {} : { bar: { kind: 'oi-change', value: leg.oi_change } }),
    }),
  },
  {
    id: 'volume',
    label: 'Volume',
    title: "Day's volume, units",
    cell: (leg, lotSize) => ({
      text: formatUnits(leg.volume),
      title: unitsTitle(leg.volume, lotSize, 'The volume is not known yet'),
    }),
  },
  greek('vega', 'Vega', '₹ per vol point', 2),
  greek('gamma', 'Gamma', 'Change of delta per index point', 5),
  greek('theta', 'Theta', '₹ per calendar day', 2),
  greek('delta', 'Delta', 'Per point of the forward', 2),
  {
    id: 'iv',
    label: 'IV %',
    title:
      'Implied volatility of the strike (out-of-the-money leg, Black-76 on the forward), percent a year',
    cell: (leg) => ({
      text: formatPercent(leg.iv),
      title: ivTitle(leg),
    }),
  },
  quote('bid', 'Bid', 'bid_quantity'),
  quote('ask', 'Ask', 'ask_quantity'),
  {
    id: 'change',
    label: 'Chg',
    title: "Change since the previous day's close, ₹",
    cell: (leg) => ({
      text: formatChange(leg.change),
      title:
        leg.change === null
          ? 'The previous close is not known'
          : `${formatChangePercent(leg.change_percent)} since ${formatPrice(leg.prev_close)}`,
      ...tone(leg.change),
    }),
  },
  {
    id: 'ltp',
    label: 'LTP',
    title: 'Last traded price, ₹',
    narrow: true,
    cell: (leg) => ({
      text: formatPrice(leg.ltp),
      title: ltpTitle(leg),
      flash: { kind: 'price', value: leg.ltp },
    }),
  },
]

/** The ids shown where nothing was chosen. */
export const DEFAULT_COLUMNS: readonly string[] = [
  'oi',
  'oi_change',
  'volume',
  'delta',
  'iv',
  'change',
  'ltp',
]

function greek(
  field: 'delta' | 'gamma' | 'theta' | 'vega',
  label: string,
  title: string,
  digits: number,
): Column {
  return {
    id: field,
    label,
    title,
    cell: (leg) => ({
      text: formatFixed(leg[field], digits),
      title: leg[field] === null ? explainIv(leg.iv_reason) : `${label}: ${leg[field]}`,
    }),
  }
}

function quote(field: 'bid' | 'ask', label: string, quantity: `${typeof field}_quantity`): Column {
  return {
    id: field,
    label,
    title: `Best ${field}, ₹`,
    cell: (leg) => ({
      text: formatPrice(leg[field]),
      title:
        leg[field] === null ? `No ${field} in the book` : `${formatWhole(leg[quantity])} units`,
    }),
  }
}

function unitsTitle(units: number | null, lotSize: number | null, unknown: string): string {
  if (units === null) return unknown
  const lots = lotSize === null || lotSize === 0 ? null : Math.round(units / lotSize)
  return `${formatWhole(units)} units${lots === null ? '' : ` = ${formatWhole(lots)} lots of ${lotSize}`}`
}

function ltpTitle(leg: StreamLeg): string {
  if (leg.ltp === null) return `${leg.tradingsymbol}: no trade yet`
  const traded =
    leg.last_trade_at === null ? '' : ` · traded ${formatTimeOfDay(leg.last_trade_at)} IST`
  const source = leg.source === null || leg.source === 'live' ? '' : ` · ${leg.source}`
  return `${leg.tradingsymbol}${traded} · bid ${formatPrice(leg.bid)} · ask ${formatPrice(leg.ask)}${source}`
}

function ivTitle(leg: StreamLeg): string {
  if (leg.iv === null) return explainIv(leg.iv_reason)
  const doubt = leg.iv_reason === 'low_confidence' ? ' · the time value is less than a tick' : ''
  return `${formatPercent(leg.iv, 2)} % · this leg's own price gives ${formatPercent(leg.iv_raw, 2)} %${doubt}`
}

function tone(change: number | null): { tone?: 'up' | 'down' } {
  if (change === null || change === 0) return {}
  return { tone: change > 0 ? 'up' : 'down' }
}
