/**
 * A ticker that is held up itself: its checks come late, and what its sockets brought meanwhile is
 * read all at once. What really was silent is told, what only waited for us is not.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { TICKER_GAP_LOOKBACK_MS, TICKER_MUTE_AFTER_MS } from '../../src/limits.ts'
import { frameOf, option, START_S } from './support/contracts.ts'
import { type Running, releaseAll, runTicker } from './support/start-test-ticker.ts'
import { TestClock } from './support/test-clock.ts'

const [CALL, PUT] = [option(26_000, 'CE').token, option(26_000, 'PE').token]
const WITHIN = { timeout: 60_000, interval: 5 }
const STREAMED_S = 30
const LONG_S = TICKER_MUTE_AFTER_MS / 1000 + 5

let clock: TestClock
let running: Running
/** Ticks sent so far. */
let sent = 0

afterEach(releaseAll)

describe('a ticker that is held up', () => {
  it('tells a silence of its socket that is over before a check has seen it', async () => {
    await streaming()
    clock.holdUp(LONG_S * 1000)
    await send([CALL, PUT], STREAMED_S + LONG_S)
    expect(muteGaps()).toMatchObject([
      { fromMs: gapFrom(STREAMED_S), tokens: expect.arrayContaining([CALL, PUT]) },
    ])
    const toMs = (START_S + STREAMED_S + LONG_S) * 1000
    expect(ends()).toEqual([
      { token: CALL, toMs, mode: 'full' },
      { token: PUT, toMs, mode: 'full' },
    ])
    // It lives: nothing is opened anew.
    clock.advance(2_000)
    expect(running.broker.peers).toHaveLength(1)
  })

  it('tells one of an instrument, whose socket brought others', async () => {
    await streaming()
    for (let second = 1; second <= 10; second++) {
      clock.advance(1_000)
      await send([PUT], STREAMED_S + second)
    }
    clock.holdUp((LONG_S - 10) * 1000)
    for (let second = 11; second < LONG_S; second++) await send([PUT], STREAMED_S + second)
    expect(muteGaps()).toEqual([])
    await send([CALL, PUT], STREAMED_S + LONG_S)
    expect(muteGaps()).toMatchObject([{ fromMs: gapFrom(STREAMED_S), tokens: [CALL] }])
    const toMs = (START_S + STREAMED_S + LONG_S) * 1000
    expect(ends()).toEqual([{ token: CALL, toMs, mode: 'full' }])
  })

  it('tells none of what only waited for it, nor of less than the silence', async () => {
    await streaming()
    clock.holdUp(LONG_S * 1000)
    for (let second = 1; second <= LONG_S; second++) await send([CALL, PUT], STREAMED_S + second)
    clock.holdUp(TICKER_MUTE_AFTER_MS - 1_000)
    await send([CALL, PUT], STREAMED_S + LONG_S + TICKER_MUTE_AFTER_MS / 1000 - 1)
    expect(running.journal.controls('gap_open')).toEqual([])
  })
})

/** Both have ticked each second for a while. */
async function streaming(): Promise<void> {
  clock = new TestClock()
  sent = 0
  running = await runTicker({ isUnasked: true, deps: { clock } })
  const { ticker, broker } = running
  const instruments = [CALL, PUT].map((token) => ({ instrument_token: token }))
  await ticker.subscriptions.subscribe({ instruments }, 'api', undefined)
  await vi.waitFor(() => expect(broker.carried().size).toBe(2), WITHIN)
  for (let second = 1; second <= STREAMED_S; second++) {
    clock.advance(1_000)
    await send([CALL, PUT], second)
  }
}

/** Sends one frame of this second of the market and lets it be journalled. */
async function send(tokens: readonly number[], second: number): Promise<void> {
  running.broker.peer.send(frameOf(tokens, { exchangeTimeS: START_S + second }))
  sent += tokens.length
  await vi.waitFor(() => expect(running.journal.ticks()).toHaveLength(sent), WITHIN)
}

function gapFrom(lastSecond: number): number {
  return (START_S + lastSecond) * 1000 - TICKER_GAP_LOOKBACK_MS
}

function muteGaps() {
  return running.journal.controls('gap_open').filter(({ reason }) => reason === 'mute')
}

function ends() {
  return running.journal.controls('gap_close').flatMap((record) => record.ends)
}
