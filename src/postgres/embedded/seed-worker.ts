/** Makes an empty cluster at the path in `workerData`, in a thread whose memory goes with it. */
import { workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

const pglite = new PGlite(workerData as string)
await pglite.waitReady
await pglite.close()
