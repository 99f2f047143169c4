/** The open interest before a date, from the store into memory. */
import type { InstrumentBars, PreviousOi } from '../bars/instrument-bars.ts'
import type { PartitionStore } from '../ports.ts'

const NOTHING: PreviousOi = { oi: null, date: null }

/** Of contracts; what else is given has no open interest and is left out. */
export async function readPreviousOi(
  store: Pick<PartitionStore, 'loadPreviousOi'>,
  instruments: readonly InstrumentBars[],
  date: string,
): Promise<ReadonlyMap<InstrumentBars, PreviousOi>> {
  const contracts = instruments.filter(({ instrument }) => instrument.expiry !== null)
  if (contracts.length === 0) return new Map()
  const identities = contracts.map((bars) => bars.identity)
  const rows = await store.loadPreviousOi(identities, date)
  const byName = new Map(rows.map((row) => [row.tradingsymbol, row]))
  return new Map(
    contracts.map((bars) => [bars, byName.get(bars.instrument.tradingsymbol) ?? NOTHING]),
  )
}

export async function loadPreviousOi(
  store: Pick<PartitionStore, 'loadPreviousOi'>,
  instruments: readonly InstrumentBars[],
  date: string,
): Promise<void> {
  for (const [bars, { oi, date: of }] of await readPreviousOi(store, instruments, date)) {
    bars.previousOi.set(date, { oi, date: of })
  }
}
