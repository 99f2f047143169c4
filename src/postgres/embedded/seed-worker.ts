/**
 * Makes an empty cluster at the path in `workerData`, in a thread whose memory goes with it.
 *
 * The template databases go: nobody makes further databases here, they are more than half of the
 * files, and their transaction ids could never be vacuumed, which one day would stop the engine.
 */
import { workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

const pglite = new PGlite(workerData as string)
await pglite.waitReady
await pglite.exec(`UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template_'`)
await pglite.exec('DROP DATABASE template0')
await pglite.exec('DROP DATABASE template1')
await pglite.exec('CHECKPOINT')
await pglite.close()
