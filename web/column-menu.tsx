/** Which columns are shown. The browser remembers it. */
import { type KeyboardEvent, useRef } from 'react'
import { COLUMNS } from './columns.ts'

interface Props {
  readonly shown: readonly string[]
  readonly onChange: (ids: readonly string[]) => void
}

export function ColumnMenu({ shown, onChange }: Props) {
  const menu = useRef<HTMLDetailsElement>(null)
  const closeOnEscape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !menu.current?.open) return
    menu.current.open = false
    menu.current.querySelector('summary')?.focus()
  }
  const toggle = (id: string) =>
    onChange(shown.includes(id) ? shown.filter((other) => other !== id) : [...shown, id])
  return (
    <details
      className="menu"
      ref={menu}
      onKeyDown={closeOnEscape}
      onBlur={({ currentTarget, relatedTarget }) => {
        if (relatedTarget !== null && !currentTarget.contains(relatedTarget))
          currentTarget.open = false
      }}
    >
      <summary className="button">Columns</summary>
      <fieldset>
        <legend className="unseen">Columns on each side</legend>
        {COLUMNS.map(({ id, label, title }) => (
          <label key={id} title={title}>
            <input
              type="checkbox"
              checked={shown.includes(id)}
              disabled={shown.length === 1 && shown.includes(id)}
              onChange={() => toggle(id)}
            />
            {label}
          </label>
        ))}
      </fieldset>
    </details>
  )
}
