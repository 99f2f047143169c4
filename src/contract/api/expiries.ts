/** `GET /fo/expiries?symbol`: the expiries of an underlying that are still to come, nearest first. */
import { type Static, Type } from 'typebox'
import { choice, integer, istDate, querySymbol, strict, text } from './schema-parts.ts'

export const ExpiriesQuery = Type.Object({ symbol: querySymbol }, strict)
export type ExpiriesQuery = Static<typeof ExpiriesQuery>

export const Expiry = Type.Object({
  expiry: istDate('Last trading date of the series.'),
  days_to_expiry: integer('Calendar days from today (IST) to the expiry; 0 on the day itself.'),
  kind: choice(['weekly', 'monthly'], 'monthly = the last expiry of its calendar month.'),
  lot_size: integer('Units per contract, of this series.'),
})
export type Expiry = Static<typeof Expiry>

export const Expiries = Type.Object({
  symbol: text('Canonical underlying, e.g. NIFTY50.'),
  expiries: Type.Array(Expiry, {
    description: 'Today until its close at 15:40, then the later ones.',
  }),
})
export type Expiries = Static<typeof Expiries>
