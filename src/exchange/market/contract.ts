/** One thing listed on the simulated exchange, with what the market model needs of it. */
import type { Instrument } from '../../market/instrument.ts'
import { derive, keyOf } from './hash.ts'
import { dayOfSecond, secondOf } from './market-time.ts'

export interface Contract {
  readonly instrument: Instrument
  /** Number at the exchange; the token is this times 256 plus the segment. */
  readonly exchangeToken: number
  /** Root of everything random about it. */
  readonly key: number
  readonly tickPaise: number
  /** IST days (since 1970) of the first and the last day with trades. */
  readonly firstDay: number
  readonly lastDay: number
  /** Epoch second at which it expires and stops trading; infinite for an index. */
  readonly closeSecond: number
  /** Offset within each second at which it trades, and at which its book changes, in ms. */
  readonly tradePhaseMs: number
  readonly bookPhaseMs: number
}

export interface ContractTerms {
  readonly instrument: Instrument
  readonly exchangeToken: number
  readonly firstDay: number
  /** Infinite for an index. */
  readonly closeMs: number
}

const PHASES = 1_000
/** A book change keeps away from the trade of its second, so that the two are seen one by one. */
const CLOSEST_PHASE_MS = 300

export function buildContract(seedKey: number, terms: ContractTerms): Contract {
  const { instrument, exchangeToken, firstDay, closeMs } = terms
  const key = derive(seedKey, keyOf(`${instrument.exchange}:${instrument.tradingsymbol}`))
  const chance = derive(key, 1) >>> 0
  const tradePhaseMs = chance % PHASES
  const distance = CLOSEST_PHASE_MS + ((chance >>> 10) % (PHASES - 2 * CLOSEST_PHASE_MS))
  const closeSecond = secondOf(closeMs)
  return {
    instrument,
    exchangeToken,
    firstDay,
    key,
    tickPaise: Math.round(instrument.tickSize * 100),
    lastDay: dayOfSecond(closeSecond - 1),
    closeSecond,
    tradePhaseMs,
    bookPhaseMs: (tradePhaseMs + distance) % PHASES,
  }
}
