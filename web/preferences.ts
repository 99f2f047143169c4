/** What this browser remembers: theme and columns. A browser without storage forgets, nothing more. */

export type Theme = 'auto' | 'light' | 'dark'

const THEME_KEY = 'fostream.theme'
const COLUMNS_KEY = 'fostream.columns'

export function loadTheme(): Theme {
  const stored = read(THEME_KEY)
  return stored === 'light' || stored === 'dark' ? stored : 'auto'
}

/** Sets the theme on the page and remembers it. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme
  write(THEME_KEY, theme)
}

/** The chosen ones of the `known` column ids; null where none was chosen. */
export function loadColumns(known: readonly string[]): readonly string[] | null {
  const chosen = read(COLUMNS_KEY)?.split(',') ?? []
  const columns = known.filter((id) => chosen.includes(id))
  return columns.length === 0 ? null : columns
}

export function saveColumns(ids: readonly string[]): void {
  write(COLUMNS_KEY, ids.join(','))
}

function read(key: string): string | null {
  return storage()?.getItem(key) ?? null
}

function write(key: string, value: string): void {
  try {
    storage()?.setItem(key, value)
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause // full or forbidden: forgetting is all right
  }
}

/** Merely touching it throws where the browser forbids storage. */
function storage(): Storage | undefined {
  try {
    return window.localStorage
  } catch (cause) {
    if (cause instanceof DOMException) return undefined
    throw cause
  }
}
