/** Lifecycle events as another publisher of the channel would send them, all at once. */
import { Redis } from 'ioredis'
import type { BackendStatus } from '../../src/contract/api/backend-status.ts'
import type { Instrument } from '../../src/market/instrument.ts'
import { getJson } from './http.ts'
import { pause } from './loaded-platform.ts'

const DEFAULT_SERVER = 'redis://127.0.0.1:6379'
const CONNECT_WITHIN_MS = 2_000
const LOOK_MS = 10

/** The server that `REDIS_URL` names, else the usual local one; undefined where none answers. */
export async function redisUrl(): Promise<string | undefined> {
  const url = process.env['REDIS_URL'] || DEFAULT_SERVER
  const client = connection(url)
  const [answer] = await Promise.allSettled([client.connect().then(() => client.ping())])
  client.disconnect()
  if (answer.status === 'fulfilled') return url
  process.stderr.write(`left out: Redis does not answer (${answer.reason}); set REDIS_URL\n`)
  return undefined
}

export interface Burst {
  /** Events that were acted on, of those that were published. */
  readonly processed: number
  readonly failed: number
  /** From the first one's publication until the last one counted. */
  readonly tookMs: number
}

/** Publishes one `subscription_created` for each instrument and waits until all are counted. */
export async function publishBurst(
  redis: { readonly url: string; readonly prefix: string },
  backendUrl: string,
  instruments: readonly Instrument[],
  withinMs: number,
): Promise<Burst> {
  const client = connection(redis.url)
  await client.connect()
  try {
    const before = await eventsOf(backendUrl)
    const startMs = performance.now()
    const pipeline = client.pipeline()
    for (const [i, instrument] of instruments.entries()) {
      pipeline.publish(`${redis.prefix}:events`, eventText(instrument, i))
    }
    await pipeline.exec()
    for (;;) {
      const now = await eventsOf(backendUrl)
      const tookMs = performance.now() - startMs
      const processed = now.processed - before.processed
      const failed = now.failed - before.failed
      if (processed + failed >= instruments.length || tookMs > withinMs) {
        return { processed, failed, tookMs }
      }
      await pause(LOOK_MS)
    }
  } finally {
    client.disconnect()
  }
}

async function eventsOf(backendUrl: string): Promise<BackendStatus['events']> {
  return (await getJson<BackendStatus>(`${backendUrl}/status`)).events
}

function eventText({ token, tradingsymbol, segment, symbol }: Instrument, i: number): string {
  return JSON.stringify({
    event_id: `bench-${i}`,
    event_type: 'subscription_created',
    instrument_token: token,
    metadata: { tradingsymbol, segment, symbol },
    timestamp: Math.floor(Date.now() / 1000),
  })
}

function connection(url: string): Redis {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_WITHIN_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  // A failure shows in the call that meets it; told once more here it would end the bench.
  client.on('error', () => undefined)
  return client
}
