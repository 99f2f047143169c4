/** What the control records say of one instrument. */
import type { Instrument } from '../../market/instrument.ts'
import type { Stretch } from './live-coverage.ts'

export interface InstrumentFacts {
  readonly instrument: Instrument
  readonly partition: number
  /** When it was streamed, as all logs say; ascending by start. */
  readonly stretches: readonly Stretch[]
}
