/** One strike: calls left, puts right. Drawn again only when its own data, columns or place change. */
import { type CSSProperties, memo } from 'react'
import type { StreamLeg, StreamStrike } from '../src/contract/api/strike-distribution.ts'
import type { CellText, Column } from './columns.ts'
import { Figure } from './figure.tsx'
import { formatStrike, UNKNOWN } from './number-format.ts'

/** Where the strike lies: below the money (call ITM), at it, above it (put ITM). */
export type Zone = 'below' | 'atm' | 'above' | 'unknown'
type Side = 'call' | 'put'

interface RowProps {
  readonly row: StreamStrike
  readonly zone: Zone
  readonly calls: readonly Column[]
  readonly puts: readonly Column[]
  readonly lotSize: number | null
}

export const ChainRow = memo(function ChainRow({ row, zone, calls, puts, lotSize }: RowProps) {
  const { strike } = row
  return (
    <tr data-testid={`row-${strike}`} data-zone={zone} aria-current={zone === 'atm' || undefined}>
      <LegCells side="call" leg={row.call} strike={strike} columns={calls} lotSize={lotSize} />
      <th scope="row" className="strike">
        {formatStrike(strike)}
        {zone === 'atm' ? <span className="atm-tag">ATM</span> : null}
      </th>
      <LegCells side="put" leg={row.put} strike={strike} columns={puts} lotSize={lotSize} />
    </tr>
  )
})

interface LegProps {
  readonly side: Side
  readonly leg: StreamLeg | null
  readonly strike: number
  readonly columns: readonly Column[]
  readonly lotSize: number | null
}

const LegCells = memo(function LegCells({ side, leg, strike, columns, lotSize }: LegProps) {
  return columns.map((column) => (
    <Cell
      key={column.id}
      side={side}
      testId={`${side}-${column.id}-${strike}`}
      column={column.id}
      cell={leg === null ? notListed(side) : column.cell(leg, lotSize)}
    />
  ))
})

interface CellProps {
  readonly side: Side
  readonly column: string
  readonly testId: string
  readonly cell: CellText
}

function Cell({ side, column, testId, cell }: CellProps) {
  const { text, title, bar, tone, flash } = cell
  return (
    <td className={side} data-column={column} data-tone={tone} title={title}>
      {bar === undefined || bar.value === 0 ? null : (
        <i
          className={`bar ${bar.kind}`}
          data-falling={bar.value < 0 || undefined}
          style={{ '--value': Math.abs(bar.value) } as CSSProperties}
        />
      )}
      {flash === undefined ? (
        <span className="figure" data-testid={testId}>
          {text}
        </span>
      ) : (
        <Figure value={flash.value} kind={flash.kind} text={text} testId={testId} />
      )}
    </td>
  )
}

function notListed(side: Side): CellText {
  return { text: UNKNOWN, title: `No ${side} is listed at this strike` }
}
