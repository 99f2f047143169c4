// Opens an embedded store, writes one row after the other and says which it knows to be committed,
// until somebody kills it. Arguments: module, folder, seed.
const [module, dataDir, seed] = process.argv.slice(2)
const { openEmbedded } = await import(module)
const { default: pg } = await import('pg')
const clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after: (delayMs, task) => clearTimeout.bind(null, setTimeout(task, delayMs)),
  every: (periodMs, task) => clearInterval.bind(null, setInterval(task, periodMs)),
}
const log = { info() {}, warn() {}, error() {} }
const store = await openEmbedded({ dataDir, seed, clock, log })
const client = new pg.Client({ stream: store.connectStream() })
await client.connect()
await client.query('CREATE TABLE IF NOT EXISTS written (n int PRIMARY KEY)')
for (let n = 1; ; n++) {
  await client.query('INSERT INTO written VALUES ($1)', [n])
  process.stdout.write(`${n}\n`)
}
