/** Underlying, expiry and window: native controls, so every key works as users expect. */
import type { Expiry } from '../src/contract/api/expiries.ts'
import type { Choice, StrikeWindow } from './choice.ts'
import { formatDate, formatDay, formatDays } from './time-format.ts'

interface UnderlyingProps {
  readonly symbols: readonly string[]
  readonly symbol: string | null
  readonly onChoose: (symbol: string) => void
}

export function UnderlyingPicker({ symbols, symbol, onChoose }: UnderlyingProps) {
  const listed = symbol === null || symbols.includes(symbol) ? symbols : [symbol, ...symbols]
  return (
    <label className="picker">
      <span className="unseen">Underlying</span>
      <select
        data-testid="underlying"
        value={symbol ?? ''}
        onChange={({ target }) => onChoose(target.value)}
      >
        {symbol === null ? <option value="">…</option> : null}
        {listed.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}

interface ExpiryProps {
  readonly expiries: readonly Expiry[]
  readonly expiry: string | null
  readonly onChoose: (expiry: string) => void
}

export function ExpirySwitcher({ expiries, expiry, onChoose }: ExpiryProps) {
  return (
    <fieldset className="chips expiries" data-testid="expiries">
      <legend className="unseen">Expiry</legend>
      {expiries.map(({ expiry: date, days_to_expiry: days, kind }) => (
        <label key={date} className="chip" title={`${formatDate(date)}, ${kind}`}>
          <input
            type="radio"
            name="expiry"
            value={date}
            checked={date === expiry}
            onChange={() => onChoose(date)}
          />
          <span>
            <b>{formatDay(date)}</b>
            <small>{formatDays(days)}</small>
            <em data-kind={kind}>
              <span aria-hidden="true">{kind === 'monthly' ? 'M' : 'W'}</span>
              <span className="unseen">{kind}</span>
            </em>
          </span>
        </label>
      ))}
    </fieldset>
  )
}

const WINDOWS: readonly { readonly strikes: StrikeWindow; readonly label: string }[] = [
  { strikes: 10, label: '±10' },
  { strikes: 20, label: '±20' },
  { strikes: null, label: 'All' },
]

interface WindowProps {
  readonly strikes: Choice['strikes']
  readonly onChoose: (strikes: StrikeWindow) => void
}

export function WindowSwitcher({ strikes, onChoose }: WindowProps) {
  return (
    <fieldset className="chips window" data-testid="window">
      <legend>Strikes</legend>
      {WINDOWS.map((window) => (
        <label key={window.label} className="chip">
          <input
            type="radio"
            name="strikes"
            value={window.label}
            checked={window.strikes === strikes}
            onChange={() => onChoose(window.strikes)}
          />
          <span>{window.label}</span>
        </label>
      ))}
    </fieldset>
  )
}
