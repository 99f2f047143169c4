// Opens an embedded store and writes one row after the other, over a new connection where one is lost,
// until it is killed. Says each row that is committed, each refusal and each line of the store's log.
// Arguments: module, folder, seed.
const [module, dataDir, seed] = process.argv.slice(2)
const { openEmbedded } = await import(module)
const { default: pg } = await import('pg')
const clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after: (delayMs, task) => clearTimeout.bind(null, setTimeout(task, delayMs)),
  every: (periodMs, task) => clearInterval.bind(null, setInterval(task, periodMs)),
}
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const logged = (fields, message) => say({ log: message, reason: String(fields?.err ?? '') })
const log = { info: logged, warn: logged, error: logged }
const store = await openEmbedded({ dataDir, seed, clock, log })
let client = await connect()
await client.query('CREATE TABLE written (n int PRIMARY KEY, filler text)')
for (let n = 1; ; ) {
  try {
    client ??= await connect()
    await client.query('INSERT INTO written VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      n,
      'x'.repeat(2_000),
    ])
    say({ n })
    n++
  } catch (error) {
    say({ refused: error.code ?? '', reason: error.message })
    if (!/^[0-9A-Z]{5}$/.test(error.code ?? '')) client = undefined
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function connect() {
  const opened = new pg.Client({ stream: store.connectStream() })
  opened.on('error', () => undefined)
  await opened.connect()
  return opened
}
