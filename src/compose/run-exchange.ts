/** `fostream exchange`: the simulated exchange alone, for other programs to connect to. */
import type { Config } from '../config.ts'
import { startExchange } from '../exchange/serve.ts'
import { systemClock } from '../kit/clock.ts'
import { createLog } from '../kit/log.ts'
import type { Releasers } from '../kit/releasers.ts'
import { refuseUnsafe } from './not-yet.ts'

export async function runExchange(config: Config, releasers: Releasers): Promise<void> {
  refuseUnsafe(config)
  const log = createLog({
    role: 'exchange',
    folder: config.folders.logs,
    level: config.logLevel,
    terminal: process.stdout.isTTY ? process.stdout : undefined,
    nowMs: systemClock.nowMs,
  })
  releasers.push('log', () => log.close())
  const exchange = await startExchange({
    host: config.bindHost,
    port: config.exchange.port,
    seed: config.exchange.seed,
    speed: config.exchange.speed,
    ticksPerSecond: config.exchange.ticksPerSecond,
    stateDir: config.folders.feedData,
    clock: systemClock,
    log,
  })
  releasers.push('exchange', () => exchange.stop())
  process.stdout.write(
    `Simulated exchange at ${exchange.url}, seed ${config.exchange.seed}, speed ${config.exchange.speed}\n` +
      `Accounts: ${exchange.url}/control/accounts\n`,
  )
}
