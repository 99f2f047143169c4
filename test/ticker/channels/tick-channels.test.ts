import { describe, expect, it } from 'vitest'
import { CHANNEL_SLICE_TICKS, CHANNEL_WAITING_MAX_BYTES } from '../../../src/limits.ts'
import { NIFTY, NIFTY_FUTURE, option, VIX } from '../support/contracts.ts'
import { ChannelsUnderTest, tickOf } from './channels-under-test.ts'

const CALL = option(26_000, 'CE')
const PUT = option(26_000, 'PE')
const ALL = ['options', 'futures', 'underlying'] as const

describe('while nobody listens', () => {
  it('nothing is decoded and nothing is sent', async () => {
    const test = new ChannelsUnderTest()
    await test.second()
    await test.journalled(tickOf(CALL), tickOf(NIFTY))
    await test.second()
    expect(test.asked).toBe(0)
    expect(test.bus.sent).toEqual([])
  })

  it('to one channel, its ticks alone stay away', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('futures')
    await test.journalled(tickOf(CALL), tickOf(NIFTY_FUTURE), tickOf(NIFTY))
    test.run()
    expect(test.bus.sent.map(({ channel }) => channel)).toEqual(['ticker:nifty:futures'])
  })
})

describe('a listener', () => {
  it('is found within a second, and so is its going', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.published('options')).toHaveLength(1)
    await test.listen()
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.published('options')).toHaveLength(1)
    await test.listen('options')
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.published('options').map(({ sequence }) => sequence)).toEqual([1, 3])
  })

  it('gets each tick on its channel, in the order of the journal, with its place there', async () => {
    const test = new ChannelsUnderTest()
    await test.listen(...ALL)
    await test.journalled(tickOf(CALL), tickOf(NIFTY), tickOf(PUT))
    await test.journalled(tickOf(VIX), tickOf(NIFTY_FUTURE))
    test.run()
    const places = (channel: (typeof ALL)[number]) =>
      test.published(channel).map((t) => [t.tradingsymbol, t.epoch, t.sequence])
    const { epoch } = test.journal
    expect(places('options')).toEqual([
      [CALL.tradingsymbol, epoch, 1],
      [PUT.tradingsymbol, epoch, 3],
    ])
    expect(places('underlying')).toEqual([
      ['NIFTY 50', epoch, 2],
      ['INDIA VIX', epoch, 4],
    ])
    expect(places('futures')).toEqual([[NIFTY_FUTURE.tradingsymbol, epoch, 5]])
    expect(await test.count('fostream_channel_sent_total', 'options')).toBe(2)
  })

  it('gets a packet out of session too', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('underlying')
    const yesterday = tickOf(NIFTY).exchangeTimeS ?? 0
    await test.journalled(tickOf(NIFTY, { exchangeTimeS: yesterday - 86_400 }))
    test.run()
    expect(test.published('underlying')).toHaveLength(1)
  })
})

describe('a large batch', () => {
  it('is published in slices, between which others have their turn', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    const ticks = Array.from({ length: 2 * CHANNEL_SLICE_TICKS + 1 }, () => tickOf(CALL))
    await test.journalled(...ticks)
    const afterTurns: number[] = []
    test.clock.after(0, () => afterTurns.push(test.bus.sent.length))
    test.run()
    expect(afterTurns).toEqual([CHANNEL_SLICE_TICKS])
    const sequences = test.published('options').map(({ sequence }) => sequence)
    expect(sequences).toEqual(ticks.map((_, i) => i + 1))
  })
})

describe('a bus that is slow', () => {
  it('has what it cannot take dropped and counted, and the next ones come', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options', 'underlying')
    test.bus.hasRoom = false
    await test.journalled(tickOf(CALL), tickOf(PUT), tickOf(NIFTY))
    test.run()
    expect(await test.count('fostream_channel_dropped_total', 'options')).toBe(2)
    expect(await test.count('fostream_channel_dropped_total', 'underlying')).toBe(1)
    test.bus.hasRoom = true
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.published('options').map(({ sequence }) => sequence)).toEqual([4])
  })

  it('that goes away has no listeners, until it is back', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    test.bus.error = 'ECONNREFUSED'
    await test.second()
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.asked).toBe(0)
    test.bus.error = null
    await test.second()
    await test.journalled(tickOf(CALL))
    test.run()
    expect(test.published('options').map(({ sequence }) => sequence)).toEqual([2])
  })
})

describe('more than may wait', () => {
  it('is dropped and counted, and what waits is bounded', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    const perBatch = 10_000
    const ticks = Array.from({ length: perBatch }, () => tickOf(CALL))
    const bytes = perBatch * 84
    const fitting = Math.floor(CHANNEL_WAITING_MAX_BYTES / (bytes + 100))
    for (let i = 0; i < fitting + 2; i++) await test.journalled(...ticks)
    expect(await test.count('fostream_channel_dropped_total', 'options')).toBe(2 * perBatch)
    test.run()
    expect(test.bus.sent).toHaveLength(fitting * perBatch)
  })
})

describe('with an interval', () => {
  it('each instrument’s newest tick goes out once an interval, the others are counted', async () => {
    const test = new ChannelsUnderTest(250)
    await test.listen('options', 'underlying')
    await test.journalled(
      tickOf(CALL, { lastPrice: 10_000 }),
      tickOf(CALL, { lastPrice: 10_100 }),
      tickOf(NIFTY),
    )
    await test.journalled(tickOf(CALL, { lastPrice: 10_200 }))
    test.run()
    expect(test.bus.sent).toEqual([])
    test.clock.advance(250)
    expect(test.published('options').map((t) => [t.ltp, t.sequence])).toEqual([[102, 4]])
    expect(test.published('underlying')).toHaveLength(1)
    expect(await test.count('fostream_channel_conflated_total', 'options')).toBe(2)
    expect(await test.count('fostream_channel_conflated_total', 'underlying')).toBe(0)
    test.clock.advance(250)
    expect(test.published('options')).toHaveLength(1)
  })

  it('more instruments than one slice holds all go out', async () => {
    const calls = Array.from({ length: CHANNEL_SLICE_TICKS + 50 }, (_, i) =>
      option(20_000 + 50 * i, 'CE'),
    )
    const test = new ChannelsUnderTest(100, calls)
    await test.listen('options')
    await test.journalled(...calls.map((call) => tickOf(call)))
    test.clock.advance(101)
    expect(new Set(test.published('options').map((t) => t.tradingsymbol)).size).toBe(calls.length)
  })
})

describe('a token that the exchange gives to another contract', () => {
  it('is named as the log says from there on', async () => {
    const test = new ChannelsUnderTest()
    await test.listen('options')
    await test.journalled(tickOf(CALL))
    test.run()
    const next = { ...CALL, tradingsymbol: 'NIFTY26D0826000CE', expiry: '2026-12-08' }
    await test.journalledAs(next, tickOf(next))
    test.run()
    const names = test.published('options').map(({ tradingsymbol }) => tradingsymbol)
    expect(names).toEqual([CALL.tradingsymbol, next.tradingsymbol])
  })
})

describe('stopping', () => {
  it('sends nothing more, and leaves no timer', async () => {
    const test = new ChannelsUnderTest(100)
    await test.listen('options')
    await test.journalled(tickOf(CALL))
    test.stop()
    test.clock.advance(1_000)
    expect(test.bus.sent).toEqual([])
    expect(test.clock.pendingTimers).toBe(0)
  })
})
