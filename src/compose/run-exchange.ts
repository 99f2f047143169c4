/** `fostream exchange`: the simulated exchange alone, for other programs to connect to. */
import type { Config } from '../config.ts'
import { startExchange } from '../exchange/serve.ts'
import { systemClock } from '../kit/clock.ts'
import type { Releasers } from '../kit/releasers.ts'
import { loginCallbackUrl } from '../ticker/login/callback.ts'
import { refuseUnsafe } from './not-yet.ts'
import { namingThePort, roleLog } from './role-parts.ts'

export async function runExchange(config: Config, releasers: Releasers): Promise<void> {
  refuseUnsafe(config)
  const log = roleLog(config, 'exchange')
  releasers.push('log', () => log.close())
  const { bindHost: host, exchange: settings, folders, kite } = config
  const exchange = await namingThePort(host, settings.port, 'EXCHANGE_PORT', () =>
    startExchange({
      host,
      port: settings.port,
      seed: settings.seed,
      speed: settings.speed,
      ticksPerSecond: settings.ticksPerSecond,
      stateDir: folders.feedData,
      redirectUrl: loginCallbackUrl(kite.loginPort),
      clock: systemClock,
      log,
    }),
  )
  releasers.push('exchange', () => exchange.stop())
  process.stdout.write(
    `Simulated exchange at ${exchange.url}, seed ${settings.seed}, speed ${settings.speed}\n` +
      `Accounts: ${exchange.url}/control/accounts\n`,
  )
}
