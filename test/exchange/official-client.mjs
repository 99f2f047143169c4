// Runs the official client against an exchange and prints, as one line of JSON, what it saw. It is
// a process of its own since the official client keeps its state in the module and may end its
// process.
import { KiteConnect, KiteTicker } from 'kiteconnect'

const order = JSON.parse(process.argv[2])
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const failureOf = (promise) =>
  promise.then(
    () => 'no failure',
    ({ status, message, error_type }) => ({ status, message, error_type }),
  )

function tickerOf({ apiKey, accessToken, url }) {
  return new KiteTicker({
    api_key: apiKey,
    access_token: accessToken,
    reconnect: false,
    root: `${url.replace('http', 'ws')}/`,
  })
}

async function rest({
  url,
  apiKey,
  apiSecret,
  accessToken,
  requestToken,
  tokens,
  from,
  to,
  paceMs,
}) {
  const kite = new KiteConnect({ api_key: apiKey, root: url })
  kite.setAccessToken(accessToken)
  const seen = {}
  seen.profile = await kite.getProfile()
  seen.all = (await kite.getInstruments()).length
  const nfo = await kite.getInstruments('NFO')
  seen.nfo = { count: nfo.length, first: nfo[0], last: nfo.at(-1) }
  const [token] = tokens
  seen.candles = await kite.getHistoricalData(token, 'minute', from, to, false, true)
  const key = order.key
  seen.quote = await kite.getQuote([key, 'NSE:NIFTY 50', 'NFO:NONE'])
  await pause(paceMs)
  seen.ohlc = await kite.getOHLC([key])
  await pause(paceMs)
  seen.ltp = await kite.getLTP([key, 'NSE:INDIA VIX'])
  let hookCalls = 0
  const session = new KiteConnect({ api_key: apiKey, root: url })
  session.setSessionExpiryHook(() => hookCalls++)
  seen.badSession = await failureOf(session.generateSession('nonsense', apiSecret))
  seen.badChecksum = await failureOf(session.generateSession(requestToken, 'wrong'))
  seen.session = await session.generateSession(requestToken, apiSecret)
  seen.sessionProfile = (await session.getProfile()).user_id
  seen.usedTwice = await failureOf(session.generateSession(requestToken, apiSecret))
  session.setAccessToken(seen.session.access_token)
  seen.invalidated = await session.invalidateAccessToken()
  seen.afterLogout = await failureOf(session.getProfile())
  seen.hookCalls = hookCalls
  return seen
}

function stream({ tokens, waitMs }) {
  return new Promise((resolve, reject) => {
    const ticker = tickerOf(order)
    const seen = { modes: {}, last: {}, rawMessages: 0, afterUnsubscribe: 0 }
    let phase = 'quote'
    const note = (tick) => {
      const modes = seen.modes[tick.instrument_token] ?? {}
      seen.modes[tick.instrument_token] = modes
      modes[tick.mode] = (modes[tick.mode] ?? 0) + 1
      seen.last[`${tick.instrument_token} ${tick.mode}`] = tick
    }
    ticker.on('ticks', (ticks) => {
      if (phase === 'unsubscribed') seen.afterUnsubscribe += ticks.length
      else for (const tick of ticks) note(tick)
    })
    ticker.on('message', () => seen.rawMessages++)
    ticker.on('error', reject)
    ticker.on('connect', async () => {
      ticker.subscribe(tokens)
      await pause(waitMs)
      ticker.setMode('full', tokens)
      await pause(waitMs)
      ticker.setMode('ltp', tokens)
      await pause(waitMs)
      ticker.unsubscribe(tokens)
      await pause(waitMs / 2)
      phase = 'unsubscribed'
      await pause(waitMs)
      seen.connected = ticker.connected()
      resolve(seen)
    })
    ticker.connect()
  })
}

function refused() {
  return new Promise((resolve) => {
    const ticker = tickerOf(order)
    ticker.on('connect', () => resolve('connected'))
    ticker.on('error', (error) => resolve(String(error?.message ?? error)))
    ticker.connect()
  })
}

const runs = { rest, stream, refused }
const answer = await runs[order.run](order)
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
