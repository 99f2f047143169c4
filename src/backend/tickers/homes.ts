/** Which ticker streams an instrument, by its token or its name. Pure. */
import type { InstrumentRequest, Subscription } from '../../contract/api/subscriptions.ts'
import type { TickerAccess } from './call-ticker.ts'

export interface StreamedBy {
  readonly access: TickerAccess
  readonly rows: readonly Subscription[]
}

/** @param lists those that count first stand first, where two tickers stream one instrument */
export function homesOf(
  lists: readonly StreamedBy[],
): (instrument: InstrumentRequest) => TickerAccess | undefined {
  const homes = new Map<string | number, TickerAccess>()
  const note = (key: string | number, access: TickerAccess) => {
    if (!homes.has(key)) homes.set(key, access)
  }
  for (const { access, rows } of lists) {
    for (const row of rows) {
      note(row.instrument_token, access)
      note(row.tradingsymbol, access)
      note(`${row.exchange}:${row.tradingsymbol}`, access)
    }
  }
  return (each) => homes.get(keyOf(each))
}

/** Tokens of the rows that these requests name. */
export function tokensNamed(
  rows: readonly Subscription[],
  instruments: readonly InstrumentRequest[],
): number[] {
  const named = new Set(instruments.map(keyOf))
  const found = rows.filter(({ instrument_token: token, tradingsymbol, exchange }) =>
    [token, tradingsymbol, `${exchange}:${tradingsymbol}`].some((key) => named.has(key)),
  )
  return found.map(({ instrument_token: token }) => token)
}

/** Names are found in any case, as the ticker finds them. */
function keyOf(each: InstrumentRequest): string | number {
  if ('instrument_token' in each) return each.instrument_token
  const { tradingsymbol, exchange } = each
  return (exchange === undefined ? tradingsymbol : `${exchange}:${tradingsymbol}`).toUpperCase()
}
