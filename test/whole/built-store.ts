/** The embedded store of a stopped platform, opened by the built program's own code. */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { systemClock } from '../../src/kit/clock.ts'
import type * as openEmbeddedModule from '../../src/postgres/embedded/open-embedded.ts'
import { valueTypes } from '../../src/postgres/value-types.ts'
import { silentLog } from '../silent-log.ts'

export async function openBuiltStore(
  dataDir: string,
): Promise<{ client: pg.Client; close(): Promise<void> }> {
  const file = pathToFileURL(resolve('dist/postgres/embedded/open-embedded.js')).href
  const { openEmbedded } = (await import(file)) as typeof openEmbeddedModule
  const store = await openEmbedded({ dataDir, clock: systemClock, log: silentLog })
  const client = new pg.Client({
    stream: () => store.connectStream(),
    types: valueTypes,
    user: 'postgres',
    database: 'postgres',
  })
  await client.connect()
  return {
    client,
    close: async () => {
      await client.end()
      await store.close()
    },
  }
}
