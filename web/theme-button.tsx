/** Light, dark, or what the system says. */
import { useState } from 'react'
import { applyTheme, loadTheme, type Theme } from './preferences.ts'

const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' }
const LABELS: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' }

export function ThemeButton() {
  const [theme, setTheme] = useState(loadTheme)
  const turn = () => {
    applyTheme(NEXT[theme])
    setTheme(NEXT[theme])
  }
  return (
    <button
      type="button"
      className="button"
      data-testid="theme"
      onClick={turn}
      title="Colours: as the system says, light or dark"
    >
      <span className="unseen">Theme: </span>
      {LABELS[theme]}
    </button>
  )
}
