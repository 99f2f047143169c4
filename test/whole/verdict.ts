/** What a second, independent fold of the journal says of the store that a stopped platform left. */
import pg from 'pg'
import type { BatchHeader } from '../../src/contract/journal-record.ts'
import { alwaysOpenCalendar } from '../../src/market/calendar.ts'
import { InstrumentMaster } from '../../src/market/instrument-master.ts'
import { createInstrumentStore } from '../../src/postgres/instrument-store.ts'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { referenceFold } from '../../src/verify/reference-fold/reference-fold.ts'
import { readJournalFolder } from '../verify/reference-fold/journal-folder.ts'
import { compareWithStore } from '../verify/whole-store.ts'
import { openBuiltStore } from './built-store.ts'

export interface Verdict {
  /** Empty where every stored row is as the journal says. */
  readonly differences: readonly string[]
  readonly gaps: readonly { readonly reason: string; readonly n: number }[]
  /** Which values `complete` has in closed minutes of options. */
  readonly states: readonly boolean[]
  /** Ticks received and neither journaled, rejected nor dropped. */
  readonly unbalanced: number
}

/**
 * @param databaseUrl where the platform stored, if not in its embedded store
 * @param journals the folders of all tickers that fed it
 */
export async function verdict(
  dataDir: string,
  databaseUrl?: string,
  journals: readonly string[] = [`${dataDir}/simulated/journal`],
): Promise<Verdict> {
  const store =
    databaseUrl === undefined
      ? await openBuiltStore(`${dataDir}/simulated/store`)
      : await openServer(databaseUrl)
  try {
    const { client } = store
    const reference = referenceFold({
      batches: (await Promise.all(journals.map(readJournalFolder))).flat(),
      master: new InstrumentMaster(await createInstrumentStore(client).loadCurrent()),
      calendar: alwaysOpenCalendar(),
      riskFreeRate: 0.065,
      isDeadLetter: await deadLetters(client),
    })
    const differences = await compareWithStore(client, reference)
    const gaps = await client.query<{ reason: string; n: number }>(
      'SELECT reason, count(*)::int AS n FROM feed_gaps GROUP BY reason',
    )
    const states = await client.query<{ complete: boolean }>(
      'SELECT DISTINCT complete FROM fo_option_strike_bars WHERE complete IS NOT NULL ORDER BY complete',
    )
    const books = await client.query<{ off: number }>(
      `SELECT coalesce(sum(received - journaled - rejected - dropped), 0)::int AS off
       FROM delivery_ledger`,
    )
    return {
      differences,
      gaps: gaps.rows,
      states: states.rows.map(({ complete }) => complete),
      unbalanced: books.rows[0]?.off ?? 0,
    }
  } finally {
    await store.close()
  }
}

async function deadLetters(client: pg.Client) {
  const { rows } = await client.query<{ epoch: number; sequence: number }>(
    'SELECT epoch, sequence FROM dead_letters',
  )
  const letters = new Set(rows.map(({ epoch, sequence }) => `${epoch}-${sequence}`))
  return ({ epoch }: BatchHeader, sequence: number) => letters.has(`${epoch}-${sequence}`)
}

async function openServer(connectionString: string) {
  const client = new pg.Client({ connectionString, types: valueTypes })
  await client.connect()
  return { client, close: () => client.end() }
}
