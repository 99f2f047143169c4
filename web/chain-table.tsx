/** The chain: a table that opens centred on the money, with bars on one scale for both sides. */
import { type CSSProperties, type RefObject, useLayoutEffect, useMemo, useRef } from 'react'
import type { StreamChain, StreamStrike } from '../src/contract/api/strike-distribution.ts'
import { ChainRow, type Zone } from './chain-row.tsx'
import type { Column } from './columns.ts'
import { formatDate } from './time-format.ts'

interface Props {
  readonly chain: StreamChain
  readonly columns: readonly Column[]
  /** The scrolling box, which the button "centre" needs too. */
  readonly box: RefObject<HTMLElement | null>
}

export function ChainTable({ chain, columns, box }: Props) {
  const puts = useMemo(() => columns.toReversed(), [columns])
  const scale = useMemo(() => barScale(chain.strikes), [chain.strikes])
  useCentring(chain, box)
  const caption = `Option chain of ${chain.symbol}, expiry ${formatDate(chain.expiry)}`
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="chain-box" ref={box} tabIndex={0} aria-label={caption}>
      <table className="chain" data-testid="chain" style={scale}>
        <caption className="unseen">{caption}. Calls on the left, puts on the right.</caption>
        <colgroup span={columns.length} />
        <colgroup />
        <colgroup span={columns.length} />
        <thead>
          <tr className="sides">
            <th scope="colgroup" colSpan={columns.length} className="call">
              Calls
            </th>
            <td />
            <th scope="colgroup" colSpan={columns.length} className="put">
              Puts
            </th>
          </tr>
          <tr>
            <Headings columns={columns} side="call" />
            <th scope="col" className="strike">
              Strike
            </th>
            <Headings columns={puts} side="put" />
          </tr>
        </thead>
        <tbody>
          {chain.strikes.map((row) => (
            <ChainRow
              key={row.strike}
              row={row}
              zone={zoneOf(row.strike, chain.atm_strike)}
              calls={columns}
              puts={puts}
              lotSize={chain.lot_size}
            />
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Headings({ columns, side }: { columns: readonly Column[]; side: string }) {
  return columns.map(({ id, label, title }) => (
    <th key={id} scope="col" className={side} data-column={id} title={title}>
      {label}
    </th>
  ))
}

/** Brings the row at the money to the middle of the box. */
export function centreOnAtm(box: HTMLElement | null): void {
  const row = box?.querySelector<HTMLElement>('tr[data-zone="atm"]')
  if (!box || !row) return
  const head = box.querySelector('thead')?.offsetHeight ?? 0
  box.scrollTop = row.offsetTop - head - (box.clientHeight - head - row.offsetHeight) / 2
}

/** Once for each series and window: after that the scroll position is the user's. */
function useCentring(chain: StreamChain, box: RefObject<HTMLElement | null>): void {
  const centred = useRef('')
  const { atm_strike: atm, strikes } = chain
  const view = `${chain.symbol} ${chain.expiry} ${strikes.length > 0 && atm !== null}`
  const size = strikes.length
  useLayoutEffect(() => {
    // A window is wider or narrower by many rows; a drift of the money changes one or two.
    const key = `${view} ${Math.round(size / 8)}`
    if (centred.current === key || atm === null) return
    centred.current = key
    centreOnAtm(box.current)
  }, [view, size, atm, box])
}

function zoneOf(strike: number, atmStrike: number | null): Zone {
  if (atmStrike === null) return 'unknown'
  if (strike === atmStrike) return 'atm'
  return strike < atmStrike ? 'below' : 'above'
}

/**
 * The largest figures of both sides, as the bars' full width; rounded up, since every bar is drawn
 * again when it changes.
 */
function barScale(strikes: readonly StreamStrike[]): CSSProperties {
  let oi = 1
  let change = 1
  for (const { call, put } of strikes) {
    oi = Math.max(oi, call?.oi ?? 0, put?.oi ?? 0)
    change = Math.max(change, Math.abs(call?.oi_change ?? 0), Math.abs(put?.oi_change ?? 0))
  }
  return { '--oi-max': roundUp(oi), '--oi-change-max': roundUp(change) } as CSSProperties
}

/** To two digits: 1,94,61,325 → 2,00,00,000. */
function roundUp(value: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1)
  return Math.ceil(value / step) * step
}
