/** The tick channels on a journal in memory, a bus in memory and a clock that the test moves. */
import { Compile } from 'typebox/compile'
import { expect } from 'vitest'
import { ChannelTick, channelsOf } from '../../../src/contract/channels.ts'
import { BatchBuilder } from '../../../src/contract/journal-batch.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { alwaysOpenCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import type { JournalledTick } from '../../../src/market/tick.ts'
import { BusListeners } from '../../../src/ticker/bus-listeners.ts'
import { TickChannels } from '../../../src/ticker/channels/tick-channels.ts'
import { START_S, smallMaster } from '../support/contracts.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { keptLog } from '../support/silent-log.ts'
import { START_MS, TestClock } from '../support/test-clock.ts'
import { MemoryBus } from './memory-bus.ts'

export const RATE = 0.065
export const NAMES = channelsOf('ticker:nifty')

export type Listened = 'options' | 'futures' | 'underlying'

export class ChannelsUnderTest {
  readonly bus = new MemoryBus()
  readonly clock = new TestClock()
  readonly metrics = new Metrics({ processDefaults: false })
  readonly journal = new MemoryJournal(1)
  readonly master: InstrumentMaster
  readonly channels: TickChannels
  /** How often the channels have asked whose a token is: a decoded tick asks. */
  asked = 0
  readonly #listeners: BusListeners

  constructor(intervalMs = 0, instruments: readonly Instrument[] = smallMaster()) {
    const { bus, clock, metrics } = this
    const byToken = new Map(instruments.map((instrument) => [instrument.token, instrument]))
    this.master = new InstrumentMaster(instruments)
    this.#listeners = new BusListeners({ bus, clock, log: keptLog(), channels: NAMES })
    this.channels = new TickChannels({
      bus,
      listeners: this.#listeners,
      prefix: 'ticker:nifty',
      intervalMs,
      clock,
      log: keptLog(),
      metrics,
      master: () => this.master,
      calendar: alwaysOpenCalendar(),
      rate: RATE,
      instrumentOf: (token) => {
        this.asked++
        return byToken.get(token)
      },
    })
    this.channels.start()
    this.#listeners.start()
  }

  /** As many subscribe to these channels alone; the next count finds them. */
  async listen(...channels: readonly Listened[]): Promise<void> {
    this.bus.subscribers.clear()
    for (const channel of channels) this.bus.subscribers.set(NAMES[channel], 1)
    await this.second()
  }

  async second(): Promise<void> {
    await settled()
    this.clock.advance(1_000)
    await settled()
  }

  /** Journals the ticks as one batch and hands it on. */
  journalled(...ticks: readonly JournalledTick[]): Promise<void> {
    return this.journalledAs(undefined, ...ticks)
  }

  /** The same behind an instrument record. */
  async journalledAs(
    instrument: Instrument | undefined,
    ...ticks: readonly JournalledTick[]
  ): Promise<void> {
    const builder = new BatchBuilder()
    builder.begin('t1', 0, 1, 1)
    if (instrument !== undefined) builder.addControl({ kind: 'instrument', instrument })
    for (const tick of ticks) builder.addTick(tick)
    const bytes = builder.finish(START_MS)
    this.channels.take(await this.journal.append(0, bytes), bytes)
  }

  stop(): void {
    this.channels.stop()
    this.#listeners.stop()
  }

  /** Lets all slices run that are due. */
  run(): void {
    this.clock.advance(0)
  }

  /** What was published, each checked against the schema. */
  published(channel: Listened): ChannelTick[] {
    return this.bus.sent.filter((m) => m.channel === NAMES[channel]).map(({ text }) => parsed(text))
  }

  async count(name: string, channel: Listened): Promise<number> {
    const page = await this.metrics.text()
    const line = page.split('\n').find((l) => l.startsWith(`${name}{channel="${channel}"}`))
    return Number(line?.split(' ')[1] ?? 0)
  }
}

const COMPILED = Compile(ChannelTick)
const KEYS = Object.keys(ChannelTick.properties).join()

export function parsed(text: string): ChannelTick {
  const tick: unknown = JSON.parse(text)
  if (!COMPILED.Check(tick)) expect([...COMPILED.Errors(tick)]).toEqual([])
  if (Object.keys(tick as object).join() !== KEYS) expect(Object.keys(tick as object)).toBe(KEYS)
  return tick as ChannelTick
}

/** A full packet of a tradable; prices in paise. */
export function tickOf(
  instrument: Pick<Instrument, 'token' | 'kind'>,
  more: Partial<JournalledTick> = {},
): JournalledTick {
  return {
    token: instrument.token,
    mode: 'full',
    isIndex: instrument.kind === 'index',
    lastPrice: 12_345,
    lastQuantity: 65,
    averagePrice: 12_300,
    dayVolume: 6_500,
    dayOpen: 12_000,
    dayHigh: 13_000,
    dayLow: 11_000,
    previousClose: 12_100,
    lastTradeTimeS: START_S,
    exchangeTimeS: START_S,
    openInterest: 130_000,
    bidPrice: 12_340,
    bidQuantity: 65,
    askPrice: 12_350,
    askQuantity: 130,
    connection: 1,
    receivedAtMs: START_MS,
    marketTimeMs: START_MS,
    ...more,
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}
