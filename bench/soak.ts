/**
 * `npm run soak`: a ticker with three accounts and some 1,500 instruments is disturbed for as long as
 * asked, at random but from a seed: faults of the exchange, subscriptions by several holders, kills
 * and restarts. After each round everybody must agree again about what is subscribed; at the end every
 * packet that the exchange sent must be in the journal or in a gap.
 *
 *   npm run soak -- --seconds 300 --seed 1
 *
 * The same seed makes the same decisions; how many of them fit depends on the machine. Exits with 1
 * where something does not hold.
 */
import { parseArgs } from 'node:util'
import { stopAll } from './load/child.ts'
import { serverUrl, withDatabase, withFolder } from './load/scratch.ts'
import { ProvingGround } from './soak/proving-ground.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    main: { type: 'string', default: 'dist/main.js' },
  },
})
const seed = Number(values.seed)
const seconds = Number(values.seconds)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().then(() => process.exit(1)))
}
try {
  const server = await serverUrl()
  const violations =
    server === undefined
      ? await soak(undefined)
      : await withDatabase(server, (databaseUrl) => soak(databaseUrl))
  for (const violation of violations) say(`VIOLATION ${violation}`)
  const what = `${seconds} s with seed ${seed}`
  say(
    violations.length === 0
      ? `PASSED: ${what}`
      : `FAILED: ${what}, ${violations.length} violations`,
  )
  process.exitCode = violations.length === 0 ? 0 : 1
} finally {
  await stopAll()
}

function soak(databaseUrl: string | undefined): Promise<readonly string[]> {
  return withFolder(async (folder) => {
    const ground = await ProvingGround.open({
      folder,
      databaseUrl,
      main: values.main,
      seed,
      seconds,
      say,
    })
    try {
      return await ground.run()
    } finally {
      await ground.close()
    }
  })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
