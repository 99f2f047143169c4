/** What every status says about the trading calendar, since its dates are data that runs out. */
import { type Static, Type } from 'typebox'
import { choice, flag, istDate, maybeIstTime } from './schema-parts.ts'

export const SESSION_STATES = ['pre_open', 'open', 'closed'] as const

export const CalendarStatus = Type.Object({
  mode: choice(
    ['exchange', 'always'],
    'always = every instant is in session (simulated exchange).',
  ),
  covered_through: istDate('Last date for which holidays and hours are known.'),
  assumed: flag('Today lies beyond it: Monday to Friday with the last known hours is assumed.'),
  session: choice(SESSION_STATES, 'The F&O session of index options now.'),
  next_change_at: maybeIstTime('When the session opens or closes next.'),
})
export type CalendarStatus = Static<typeof CalendarStatus>
