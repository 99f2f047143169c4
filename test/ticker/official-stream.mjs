// Runs the official client's ticker on one account and prints a line of JSON for everything that it
// tells. A process of its own: it keeps its state in the module and may end its process.
import { KiteTicker } from 'kiteconnect'

const { url, apiKey, accessToken, tokens } = JSON.parse(process.argv[2])
const RETRIES = 50
const LONGEST_RETRY_DELAY_S = 5

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const ticker = new KiteTicker({
  api_key: apiKey,
  access_token: accessToken,
  reconnect: true,
  max_retry: RETRIES,
  max_delay: LONGEST_RETRY_DELAY_S,
  root: `${url.replace('http', 'ws')}/`,
})
ticker.on('ticks', (ticks) => say({ kind: 'ticks', ticks }))
ticker.on('disconnect', () => say({ kind: 'disconnect' }))
ticker.on('error', () => say({ kind: 'error' }))
ticker.on('connect', () => {
  ticker.subscribe(tokens)
  ticker.setMode('full', tokens)
  say({ kind: 'connect' })
})
ticker.connect()
