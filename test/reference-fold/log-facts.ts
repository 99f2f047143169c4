/**
 * What the control records of all logs say: the instruments, when they were streamed, and how far
 * market time has come.
 */
import { type Instrument, instrumentKey } from '../../src/market/instrument.ts'
import { LiveCoverage, type Stretch } from './live-coverage.ts'
import { forEachControl, type PartitionLog } from './partition-logs.ts'

export interface InstrumentFacts {
  readonly instrument: Instrument
  readonly partition: number
  /** Ascending by start. */
  readonly stretches: readonly Stretch[]
}

export interface LogFacts {
  /** By `instrumentKey`. */
  readonly instruments: ReadonlyMap<string, InstrumentFacts>
  /** By partition, epoch ms: minutes are closed by it. */
  readonly marketTimes: ReadonlyMap<number, number>
}

export function factsOf(logs: readonly PartitionLog[]): LogFacts {
  const instruments = new Map<string, InstrumentFacts>()
  const clocks = new Map<number, ProducerClock[]>()
  for (const log of logs) {
    const { found, stretches, clock } = factsOfLog(log)
    clocks.set(log.partition, [...(clocks.get(log.partition) ?? []), clock])
    for (const [key, instrument] of found) {
      const others = instruments.get(key)?.stretches ?? []
      const all = [...others, ...(stretches.get(key) ?? [])].sort((a, b) => a.fromMs - b.fromMs)
      instruments.set(key, { instrument, partition: log.partition, stretches: all })
    }
  }
  const marketTimes = [...clocks].map(([partition, all]) => [partition, jointTime(all)] as const)
  return { instruments, marketTimes: new Map(marketTimes) }
}

interface ProducerClock {
  readonly marketTimeMs: number
  /** False once the producer has said that it sends no more. */
  readonly isLive: boolean
}

function factsOfLog(log: PartitionLog) {
  const found = new Map<string, Instrument>()
  const coverage = new LiveCoverage()
  let marketTimeMs = Number.NEGATIVE_INFINITY
  let isLive = true
  forEachControl(log, (record, instrumentOf) => {
    isLive = record.kind !== 'epoch_end'
    if (record.kind === 'clock') marketTimeMs = Math.max(marketTimeMs, record.marketTimeMs)
    if (record.kind === 'instrument') found.set(keyOf(record.instrument), record.instrument)
    coverage.apply(record, (token) => {
      const instrument = instrumentOf(token)
      return instrument === undefined ? undefined : keyOf(instrument)
    })
  })
  const clock: ProducerClock = { marketTimeMs, isLive }
  return { found, stretches: coverage.stretches(), clock }
}

/** A minute is over when it is over for every producer that may still send. */
function jointTime(clocks: readonly ProducerClock[]): number {
  const live = clocks.filter((clock) => clock.isLive).map((clock) => clock.marketTimeMs)
  return live.length > 0
    ? Math.min(...live)
    : Math.max(...clocks.map((clock) => clock.marketTimeMs))
}

function keyOf({ exchange, tradingsymbol }: Instrument): string {
  return instrumentKey(exchange, tradingsymbol)
}
