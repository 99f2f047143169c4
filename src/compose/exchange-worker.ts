/**
 * The simulated exchange in a thread of its own, so that making the market does not delay taking it
 * in. Speaks to the rest of the program only as a broker does: over its port.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { startExchange } from '../exchange/serve.ts'
import { systemClock } from '../kit/clock.ts'
import { invariant } from '../kit/invariant.ts'
import { createLog } from '../kit/log.ts'
import type { ExchangeOrder, ExchangeReport } from './exchange-thread.ts'

const port = parentPort
invariant(port !== null, 'the exchange worker runs in a worker thread')
const order = workerData as ExchangeOrder
const log = createLog({
  role: 'exchange',
  folder: order.logFolder,
  level: order.logLevel,
  terminal: undefined,
  nowMs: systemClock.nowMs,
})
const report = (message: ExchangeReport) => port.postMessage(message)

try {
  const exchange = await startExchange({ ...order.exchange, clock: systemClock, log })
  port.once('message', async () => {
    await exchange.stop()
    log.close()
    report({ kind: 'stopped' })
    port.close()
  })
  report({
    kind: 'started',
    url: exchange.url,
    accounts: exchange.accounts.flatMap(({ name, apiKey, apiSecret, accessToken }) =>
      accessToken === null ? [] : [{ name, apiKey, apiSecret, accessToken }],
    ),
    marketTimeMs: exchange.marketTimeMs(),
  })
} catch (error) {
  report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  log.close()
  port.close()
}
