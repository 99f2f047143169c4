/**
 * What a change of the subscriptions costs, at the ticker: until 500 new instruments tick, what the
 * streams beside them feel of it, and how soon all is told again after a drop and after a kill. The
 * broker is a cheap one in a process of its own, so that the figures are the ticker's.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchContext } from './context.ts'
import type { BrokerOrder, ToldConnection } from './load/broker-order.ts'
import { longestPauses, type Window } from './load/change-pauses.ts'
import { Child } from './load/child.ts'
import { getJson, postJson } from './load/http.ts'
import { watchList } from './load/market-load.ts'
import { withFolder } from './load/scratch.ts'
import { TickerChild } from './load/ticker-child.ts'
import { JOURNAL_FOLDER, type TickerOrder } from './load/ticker-order.ts'
import { atMost, ms, type ResultRow, worst } from './report.ts'

const SEED = 1
const CHANGED = 500
const OTHERS = [1_500, 4_000]
const ALL = 4_500
const WATCHED = 80
/** With the watched ones 10,000 a second. */
const OTHERS_PER_SECOND = 2_000
const ROUNDS = 12
const WINDOW_MS = 1_000
const WITHIN_MS = 30_000
const BROKER = fileURLToPath(new URL('./broker-process.js', import.meta.url))

const CHANGES = ['subscribing', 'another mode for', 'removing'] as const

interface Ground {
  readonly brokerUrl: string
  readonly order: TickerOrder
  readonly tokens: readonly number[]
  ticker: TickerChild
}

export async function benchSubscribe(context: BenchContext): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for (const others of OTHERS) {
    context.say(`subscribe: ${others} others`)
    rows.push(...(await onGround(context, (ground) => measureChanges(context, ground, others))))
  }
  context.say('subscribe: drop and kill')
  return [...rows, ...(await onGround(context, (ground) => measureReturns(context, ground)))]
}

function onGround<T>(context: BenchContext, use: (ground: Ground) => Promise<T>): Promise<T> {
  return withFolder(async (parent) => {
    const folder = join(parent, 'ticker')
    await mkdir(folder)
    const listed = watchList(SEED, ALL + CHANGED, Date.now())
    const tokens = listed.filter(({ kind }) => kind !== 'index').map(({ token }) => token)
    const watched = tokens.slice(0, WATCHED)
    const broker = await startBroker({ seed: SEED, watched, othersPerSecond: OTHERS_PER_SECOND })
    const order: TickerOrder = {
      folder,
      brokerUrl: broker.url,
      accounts: ['a', 'b', 'c'].map((name) => ({ name, apiKey: name, accessToken: name })),
      databaseUrl: undefined,
      instrumentsPerAccount: ALL / 3,
      muteAfterMs: WITHIN_MS,
      marketTimeMs: Date.now(),
    }
    const ticker = await TickerChild.start(order, context.nodeArgs)
    const ground: Ground = { brokerUrl: broker.url, order, tokens, ticker }
    try {
      return await use(ground)
    } finally {
      await ground.ticker.stop()
      await broker.child.stop()
    }
  })
}

async function startBroker(order: BrokerOrder): Promise<{ url: string; child: Child }> {
  const child = await Child.start({ args: [BROKER, JSON.stringify(order)] })
  const said = await until(async () => (child.said.startsWith('{') ? child.said : undefined))
  return { url: (JSON.parse(said) as { url: string }).url, child }
}

// ---------------------------------------------------------------- changes

interface Changes {
  readonly windows: Window[]
  readonly liveMs: number[]
  readonly loopMs: Map<string, number>
  brokerMs: number
}

async function measureChanges(
  context: BenchContext,
  ground: Ground,
  others: number,
): Promise<readonly ResultRow[]> {
  const { tokens, order } = ground
  await subscribe(ground, tokens.slice(0, others), 'full')
  const changed = tokens.slice(others, others + CHANGED)
  await pause(2 * WINDOW_MS)
  const changes: Changes = { windows: [], liveMs: [], loopMs: new Map(), brokerMs: 0 }
  await getJson(`${ground.brokerUrl}/control/lateness`)
  for (let round = 0; round < context.seconds(ROUNDS); round++) {
    await inWindow(ground, changes, 'nothing', async () => undefined)
    await inWindow(ground, changes, 'subscribing', async () => {
      changes.liveMs.push(await subscribe(ground, changed, 'full'))
    })
    await inWindow(ground, changes, 'another mode for', () => subscribe(ground, changed, 'quote'))
    await inWindow(ground, changes, 'removing', () => remove(ground, changed))
  }
  const late = await getJson<{ longest_ms: number }>(`${ground.brokerUrl}/control/lateness`)
  changes.brokerMs = late.longest_ms
  await ground.ticker.stop()
  const journal = join(order.folder, JOURNAL_FOLDER)
  const watched = new Set(tokens.slice(0, WATCHED))
  const pauses = await longestPauses(journal, watched, changes.windows)
  const rows = CHANGES.map((change) => pauseRow(change, others, pauses, changes))
  return [liveRow(others, changes.liveMs), ...rows]
}

async function inWindow(
  ground: Ground,
  { windows, loopMs }: Changes,
  name: string,
  change: () => Promise<unknown>,
): Promise<void> {
  const loopUrl = `${ground.ticker.url}/event-loop`
  await getJson(loopUrl)
  const fromMs = Date.now()
  await change()
  await pause(Math.max(0, fromMs + WINDOW_MS - Date.now()))
  windows.push({ name, fromMs, toMs: Date.now() })
  const { longest_ms } = await getJson<{ longest_ms: number }>(loopUrl)
  loopMs.set(name, Math.max(longest_ms, loopMs.get(name) ?? 0))
}

function liveRow(others: number, liveMs: readonly number[]): ResultRow {
  const longestMs = Math.max(...liveMs)
  return {
    bench: 'subscribe',
    what: `${CHANGED} in one call → all ticking, beside ${n(others)} at 10,000 ticks/s`,
    measured: `median ${ms(median(liveMs))}, longest ${ms(longestMs)}`,
    must: '1 s',
    aim: '300 ms',
    verdict: atMost(longestMs, 1_000, 300),
    details: `${liveMs.length} times`,
  }
}

function pauseRow(
  change: (typeof CHANGES)[number],
  others: number,
  pauses: ReadonlyMap<string, readonly number[]>,
  { loopMs, brokerMs }: Changes,
): ResultRow {
  const [of, without] = [pauses.get(change) ?? [], pauses.get('nothing') ?? []]
  const addedMs = median(of) - median(without)
  const loop = `event loop at most ${ms(loopMs.get(change) ?? 0)}, without ${ms(loopMs.get('nothing') ?? 0)}`
  return {
    bench: 'subscribe',
    what: `longest pause of any other instrument, ${change} ${CHANGED} beside ${n(others)}`,
    measured: `median ${ms(median(of))}, longest ${ms(Math.max(...of))}; without ${ms(median(without))}, ${ms(Math.max(...without))}`,
    must: '+20 ms',
    aim: '',
    verdict: atMost(addedMs, 20, 0) === 'missed' ? 'missed' : 'must',
    details: `medians of ${of.length} times, ticks 10 ms apart; ${loop}; the generator's own longest pause ${ms(brokerMs)}`,
  }
}

// ---------------------------------------------------------------- drop and kill

async function measureReturns(
  context: BenchContext,
  ground: Ground,
): Promise<readonly ResultRow[]> {
  const tokens = ground.tokens.slice(0, ALL)
  const liveMs = await subscribe(ground, tokens, 'full')
  await pause(2 * WINDOW_MS)
  const droppedAtMs = Date.now()
  await postJson(`${ground.brokerUrl}/control/drop`, {})
  const told = await allTold(ground, tokens.length, droppedAtMs)
  const resubscribeMs = Math.max(...told.map((each) => each.toldAtMs - each.openedAtMs))
  const backMs = Math.max(...told.map(({ toldAtMs }) => toldAtMs)) - droppedAtMs
  await pause(2 * WINDOW_MS)
  await ground.ticker.kill()
  const startedAtMs = Date.now()
  ground.ticker = await TickerChild.start(ground.order, context.nodeArgs)
  const again = await allTold(ground, tokens.length, startedAtMs)
  const restartMs = Math.max(...again.map(({ toldAtMs }) => toldAtMs)) - startedAtMs
  return [
    row(`${n(ALL)} in one call on three accounts → all ticking, first start`, liveMs, [1_000, 300]),
    row(
      '1,500 a connection, with modes, after a drop: socket open → all told',
      resubscribeMs,
      [1_000, 300],
    ),
    row('the same: drop → all told', backMs, [3_000, 1_000]),
    row(`killed with ${n(ALL)}: process start → all told`, restartMs, undefined),
  ]
}

/** The broker's connections once they have been told everything, in full mode. */
function allTold(
  { brokerUrl }: Ground,
  count: number,
  sinceMs: number,
): Promise<readonly ToldConnection[]> {
  return until(async () => {
    const told = await getJson<ToldConnection[]>(`${brokerUrl}/control/told`)
    const fresh = told.filter(({ openedAtMs }) => openedAtMs >= sinceMs)
    const full = fresh.reduce((sum, each) => sum + each.full, 0)
    return full >= count ? fresh : undefined
  })
}

function row(
  what: string,
  tookMs: number,
  budget: readonly [number, number] | undefined,
): ResultRow {
  return {
    bench: 'subscribe',
    what,
    measured: ms(tookMs),
    must: budget === undefined ? '' : ms(budget[0]),
    aim: budget === undefined ? '' : ms(budget[1]),
    verdict: budget === undefined ? 'none' : worst(atMost(tookMs, ...budget)),
    details: '',
  }
}

// ---------------------------------------------------------------- calls

/** Milliseconds until all have ticked. */
async function subscribe(
  { ticker }: Ground,
  tokens: readonly number[],
  mode: 'full' | 'quote',
): Promise<number> {
  const startMs = performance.now()
  const instruments = tokens.map((token) => ({ instrument_token: token, mode }))
  const url = `${ticker.url}/subscriptions?wait=first_tick&timeout_ms=${WITHIN_MS}`
  const { errors } = await postJson<{ errors: unknown[] }>(url, { instruments })
  if (errors.length > 0) throw new Error(`not subscribed: ${JSON.stringify(errors.slice(0, 3))}`)
  return performance.now() - startMs
}

async function remove({ ticker }: Ground, tokens: readonly number[]): Promise<void> {
  const url = `${ticker.url}/subscriptions?instrument_token=${tokens.join(',')}`
  const response = await fetch(url, { method: 'DELETE' })
  if (!response.ok) throw new Error(`not removed: ${await response.text()}`)
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const untilMs = performance.now() + WITHIN_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > untilMs) throw new Error(`not within ${WITHIN_MS} ms`)
    await pause(5)
  }
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function n(value: number): string {
  return value.toLocaleString('en-GB')
}
