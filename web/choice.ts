/** What the user wants to see. It lives in the address (`?symbol=&expiry=&strikes=`), so a link shares it. */

/** Strikes on each side of ATM; null = all of them. */
export type StrikeWindow = 10 | 20 | null

export interface Choice {
  /** null = what the backend opens with. */
  readonly symbol: string | null
  /** null = the nearest expiry, also after the roll. */
  readonly expiry: string | null
  readonly strikes: StrikeWindow
}

export const DEFAULT_WINDOW: StrikeWindow = 10

export function parseChoice(search: string): Choice {
  const query = new URLSearchParams(search)
  const expiry = query.get('expiry')
  return {
    symbol: query.get('symbol')?.trim().slice(0, 40) || null,
    expiry: expiry !== null && /^\d{4}-\d{2}-\d{2}$/.test(expiry) ? expiry : null,
    strikes: parseWindow(query.get('strikes')),
  }
}

export function formatChoice(choice: Choice): string {
  const query = new URLSearchParams()
  if (choice.symbol !== null) query.set('symbol', choice.symbol)
  if (choice.expiry !== null) query.set('expiry', choice.expiry)
  if (choice.strikes !== DEFAULT_WINDOW) query.set('strikes', String(choice.strikes ?? 'all'))
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

function parseWindow(text: string | null): StrikeWindow {
  if (text === 'all') return null
  return text === '20' ? 20 : DEFAULT_WINDOW
}
