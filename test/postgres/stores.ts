/**
 * All kinds of store, empty and of the test file's own, so that one test runs against each. Where a
 * kind is absent on this machine it is left out and a line says so.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { openStore, type Store, type StoreTarget } from '../../src/postgres/connection.ts'
import { postgresUrl } from '../services.ts'
import { compiledEmbedded } from './embedded/compiled.ts'
import { openTimescale } from './timescale/timescale-store.ts'

/** TimescaleDB's engine starts in memory, from nothing. */
const OPEN_WITHIN_MS = 120_000

const quiet = { warn: () => undefined }

/**
 * Runs `suite` once for every kind of store; for TimescaleDB, whose engine takes seconds to begin, only
 * where the suite has to do with it. Call at the top level of a test file, awaited.
 */
export async function describeStores(
  name: string,
  suite: (store: () => Store) => void,
  { isForTimescale = false } = {},
): Promise<void> {
  const url = await postgresUrl()
  const embedded = await compiledEmbedded()
  const onServer = async (): Promise<StoreTarget> => ({ kind: 'url', url: url ?? '' })
  const inside = async (): Promise<StoreTarget> => {
    const opened = await embedded?.open()
    if (opened === undefined) throw new Error('not built')
    return { kind: 'embedded', store: opened.store }
  }
  describe.skipIf(url === undefined)(`${name} on PostgreSQL`, () => suite(opened(onServer)))
  describe.skipIf(embedded === undefined)(`${name} on the embedded store`, () =>
    suite(opened(inside)),
  )
  if (isForTimescale) describe(`${name} on TimescaleDB`, () => suite(opened(withTimescale)))
}

async function withTimescale(): Promise<StoreTarget> {
  return { kind: 'embedded', store: await openTimescale() }
}

function opened(target: () => Promise<StoreTarget>): () => Store {
  let store: Store | undefined
  beforeAll(async () => {
    store = openStore(await target(), { applicationName: 'fostream test', log: quiet })
  }, OPEN_WITHIN_MS)
  afterAll(() => store?.close())
  return () => {
    if (store === undefined) throw new Error('the store is not open yet')
    return store
  }
}
