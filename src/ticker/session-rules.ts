/** What the calendar and market time say about a contract: does it trade, has it ended. */
import type { MarketCalendar } from '../market/calendar.ts'
import { hasExpired, rollMs } from '../market/expiry.ts'
import type { Instrument } from '../market/instrument.ts'
import { istDate } from '../market/ist.ts'

export class SessionRules {
  readonly #calendar: MarketCalendar
  readonly #marketTimeMs: () => number

  constructor(calendar: MarketCalendar, marketTimeMs: () => number) {
    this.#calendar = calendar
    this.#marketTimeMs = marketTimeMs
  }

  /** IST date of market time. */
  get today(): string {
    return istDate(this.#marketTimeMs())
  }

  isInSession({ segment }: Instrument): boolean {
    return this.#calendar.isOpen(segment, this.#marketTimeMs())
  }

  /** The contract has traded for the last time. */
  hasClosed({ expiry, segment }: Instrument): boolean {
    return expiry !== null && hasExpired(expiry, this.#marketTimeMs(), this.#calendar, segment)
  }

  /** Its last day is over for us too. */
  hasRolled({ expiry, segment }: Instrument): boolean {
    return expiry !== null && this.#marketTimeMs() >= rollMs(expiry, this.#calendar, segment)
  }
}
