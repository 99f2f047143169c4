import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { SubscribeAnswer, UnsubscribeAnswer } from '../../../src/contract/api/subscriptions.ts'
import { option } from '../support/contracts.ts'
import { type Running, releaseAll, request, runTicker } from '../support/start-test-ticker.ts'

const CALLERS = Array.from({ length: 20 }, (_, i) => `caller-${i}`)
const TOKENS = Array.from({ length: 8 }, (_, i) => option(27_000 + 50 * i, 'CE').token)
const WITHIN = { timeout: 60_000, interval: 10 }

let running: Running

beforeAll(async () => {
  // The broker is silent here, and a mute socket would be opened anew.
  running = await runTicker({ config: { muteAfterMs: 600_000 } })
})

afterAll(releaseAll)

it('of twenty who ask for the same at once one creates it, and all hold it', async () => {
  const [token = 0] = TOKENS
  const answers = await Promise.all(CALLERS.map((caller) => post([token], caller)))
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201])
  expect(holdersOf(token)).toEqual([...CALLERS].sort())
  await eventsAre(token, ['subscription_created'])
})

it('of twenty who let go at once the last one ends it, once', async () => {
  const [token = 0] = TOKENS
  const answers = await Promise.all(CALLERS.map((caller) => drop([token], caller)))
  const removed = answers.flatMap(({ body }) => (body as UnsubscribeAnswer).removed)
  expect(removed).toEqual([token])
  expect(running.ticker.subscriptions.one(token).status).toBe('removed')
  await eventsAre(token, ['subscription_created', 'subscription_removed'])
  await vi.waitFor(() => expect(running.broker.carried().has(token)).toBe(false), WITHIN)
})

it('overlapping lists of holders leave what some order of them leaves', async () => {
  const tokens = TOKENS.slice(1)
  const own = (i: number) => tokens.filter((_, at) => (at + i) % 3 !== 0)
  await Promise.all(CALLERS.map((caller, i) => post(own(i), caller)))
  const created = CALLERS.map((caller, i) => ({ caller, tokens: own(i) }))
  for (const token of tokens) {
    const holders = created.filter((each) => each.tokens.includes(token))
    expect(holdersOf(token)).toEqual(holders.map(({ caller }) => caller).sort())
  }
  const leaving = created.filter((_, i) => i % 2 === 0)
  const staying = created.filter((_, i) => i % 2 === 1)
  await Promise.all([
    ...leaving.map((each) => drop(each.tokens, each.caller)),
    ...staying.map((each) => post(each.tokens, each.caller)),
  ])
  for (const token of tokens) {
    const holders = staying.filter((each) => each.tokens.includes(token))
    expect(holdersOf(token)).toEqual(holders.map(({ caller }) => caller).sort())
    await eventsAre(token, ['subscription_created'])
  }
})

it('one who names an instrument five times gets it once', async () => {
  const instrument = option(24_500, 'PE')
  const again = Array.from({ length: 5 }, (_, i) =>
    i % 2 === 0
      ? { instrument_token: instrument.token }
      : { tradingsymbol: instrument.tradingsymbol.toLowerCase(), exchange: 'nfo' },
  )
  const { status, body } = await request(running, 'POST', '/subscriptions', {
    instruments: [...again, { tradingsymbol: 'NOPE' }, { tradingsymbol: 'NOPE' }],
  })
  const { subscriptions, errors } = body as SubscribeAnswer
  expect([status, subscriptions.length, errors.length]).toEqual([201, 1, 1])
  await eventsAre(instrument.token, ['subscription_created'])
})

it('a mode that is changed sends that mode and nothing else', async () => {
  const { token } = option(24_500, 'PE')
  await vi.waitFor(() => expect(running.broker.carried().get(token)).toBe('full'), WITHIN)
  const { messages } = running.broker.peer
  const before = messages.length
  await request(running, 'POST', '/subscriptions', { instrument_token: token, mode: 'LTP' })
  await vi.waitFor(() => expect(running.broker.carried().get(token)).toBe('ltp'), WITHIN)
  expect(messages.slice(before)).toEqual([{ a: 'mode', v: ['ltp', [token]] }])
})

function post(tokens: readonly number[], caller: string) {
  const body = { instruments: tokens.map((token) => ({ instrument_token: token })) }
  return request(running, 'POST', '/subscriptions', body, { 'x-requested-by': caller })
}

function drop(tokens: readonly number[], caller: string) {
  const path = `/subscriptions?instrument_token=${tokens.join(',')}`
  return request(running, 'DELETE', path, undefined, { 'x-requested-by': caller })
}

function holdersOf(token: number): string[] {
  return running.ticker.subscriptions.one(token).requested_by.toSorted()
}

/** Those of one token, in order, each told once. */
async function eventsAre(token: number, types: readonly string[]): Promise<void> {
  await vi.waitFor(() => {
    const own = running.events.filter((event) => event.instrument_token === token)
    expect(own.map(({ event_type }) => event_type)).toEqual(types)
  }, WITHIN)
  const ids = running.events.map(({ event_id }) => event_id)
  expect(new Set(ids).size).toBe(ids.length)
}
