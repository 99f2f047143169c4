import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { formatInstruments } from '../../../src/kite/instruments.ts'
import { KiteError } from '../../../src/kite/kite-error.ts'
import { exchangeCalendar } from '../../../src/market/calendar.ts'
import type { Instrument } from '../../../src/market/instrument.ts'
import { InstrumentMaster } from '../../../src/market/instrument-master.ts'
import { msOfIst } from '../../../src/market/ist.ts'
import { InstrumentVersions } from '../../../src/ticker/instruments/instrument-versions.ts'
import { Instruments } from '../../../src/ticker/instruments/instruments.ts'
import { option, smallMaster } from '../support/contracts.ts'
import { MemoryInstrumentStore } from '../support/memory-stores.ts'
import { keptLog } from '../support/silent-log.ts'
import { TestClock } from '../support/test-clock.ts'

const ALL = smallMaster()
const NEW = option(30_000, 'CE')
/** A series that is listed too, enough of it for a dump. */
const LATER = Array.from({ length: 120 }, (_, i): Instrument => {
  const strike = 31_000 + 50 * i
  return { ...option(strike, 'CE'), tradingsymbol: `NIFTY26DEC${strike}CE`, expiry: '2026-12-29' }
})

let folder: string
let clock: TestClock
let marketMs: number
/** What the broker answers; an error is thrown. */
let answer: readonly Instrument[] | string | Error
let fetches: number
/** What the broker waits for before it answers. */
let gate: Promise<void>
let refreshed: unknown[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fostream-dump-'))
  clock = new TestClock()
  marketMs = msOfIst('2026-11-23', '10:00')
  answer = ALL
  fetches = 0
  gate = Promise.resolve()
  refreshed = []
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe('at the start', () => {
  it('the dump is loaded and kept on disk', async () => {
    const instruments = await started()
    expect(instruments.master.size).toBe(ALL.length)
    expect(instruments.date).toBe('2026-11-23')
    await vi.waitFor(
      () => {
        expect(readFileSync(join(folder, 'dump.csv'), 'utf8')).toMatch(
          /^2026-11-23T10:00:00\+05:30\n/,
        )
      },
      { timeout: 60_000 },
    )
    expect(refreshed).toEqual([{ added: ALL.length, removed: 0, date: '2026-11-23' }])
  })

  it('a copy of the same day is used at once, and the broker asked behind the scenes', async () => {
    await kept('2026-11-23', '08:31')
    answer = [...ALL, NEW]
    let letGo: (() => void) | undefined
    gate = new Promise((resolve) => {
      letGo = resolve
    })
    const instruments = await started()
    expect([instruments.master.size, instruments.isFromBroker]).toEqual([ALL.length, false])
    letGo?.()
    await vi.waitFor(() => expect(instruments.master.size).toBe(ALL.length + 1), {
      timeout: 60_000,
    })
  })

  it('a copy of an older day is used only where the broker does not answer', async () => {
    await kept('2026-11-20', '09:00')
    const fresh = await started()
    expect([fresh.date, fresh.isFromBroker]).toEqual(['2026-11-23', true])
    await kept('2026-11-20', '09:00')
    answer = new KiteError('server_error', 'down')
    const stale = await started()
    expect([stale.date, stale.isFromBroker]).toEqual(['2026-11-20', false])
    expect(stale.lastError).toBe('down')
    answer = ALL
    clock.advance(2_000)
    await vi.waitFor(() => expect(stale.isFromBroker).toBe(true), { timeout: 60_000 })
    expect(stale.lastError).toBeNull()
  })

  it('without broker and copy there is no master, and the broker is asked again', async () => {
    answer = new KiteError('network', 'no way')
    const instruments = await started()
    expect(instruments.master.size).toBe(0)
    answer = ALL
    clock.advance(2_000)
    await vi.waitFor(() => expect(instruments.master.size).toBe(ALL.length), { timeout: 60_000 })
  })

  it.each([
    ['a page', '<html>maintenance</html>'],
    ['a header alone', formatInstruments([])],
  ])('%s is no dump', async (_, text) => {
    answer = text
    const instruments = await started()
    expect(instruments.master.size).toBe(0)
    expect(instruments.lastError).not.toBeNull()
  })
})

describe('day by day', () => {
  it('the new dump is fetched at 08:30 of a trading day, once', async () => {
    const instruments = await started()
    answer = [...ALL.slice(2), NEW]
    for (const [date, time] of [
      ['2026-11-23', '15:00'],
      // A holiday.
      ['2026-11-24', '09:00'],
      ['2026-11-25', '08:29'],
    ] as const) {
      marketMs = msOfIst(date, time)
      instruments.check()
      await turn()
      expect([date, fetches]).toEqual([date, 1])
    }
    marketMs = msOfIst('2026-11-25', '08:30')
    instruments.check()
    await vi.waitFor(() => expect(instruments.date).toBe('2026-11-25'), { timeout: 60_000 })
    await turn()
    instruments.check()
    await turn()
    expect(fetches).toBe(2)
    expect(instruments.master.byToken(NEW.token)).toEqual(NEW)
    expect(refreshed.at(-1)).toEqual({ added: 1, removed: 2, date: '2026-11-25' })
  })

  const whole = formatInstruments(ALL)
  const broken: readonly (readonly [string, string, RegExp])[] = [
    ['an empty answer', '', /header/],
    ['a header alone', formatInstruments([]), /0 instruments/],
    ['an absurdly small dump', formatInstruments(ALL.slice(0, 10)), /10 instruments/],
    ['half of a dump', formatInstruments([...ALL.slice(0, 64), ...LATER]), /lacks 61 of 123.*NFO/],
    ['a dump cut off in its last row', whole.slice(0, -25), /cut off/],
  ]

  it.each(broken)(
    '%s is refused, the master stays, and the broker is asked again',
    async (_, text, reason) => {
      const instruments = await started()
      refreshed = []
      answer = text
      marketMs = msOfIst('2026-11-25', '08:30')
      instruments.check()
      await vi.waitFor(() => expect(instruments.lastError).toMatch(reason), { timeout: 60_000 })
      expect([instruments.master.size, instruments.date]).toEqual([ALL.length, '2026-11-23'])
      expect([refreshed, fetches]).toEqual([[], 2])
      expect(readFileSync(join(folder, 'dump.csv'), 'utf8')).toMatch(/^2026-11-23/)
      answer = [...ALL, NEW]
      clock.advance(2_000)
      await vi.waitFor(() => expect(instruments.date).toBe('2026-11-25'), { timeout: 60_000 })
      expect([instruments.lastError, refreshed]).toEqual([
        null,
        [{ added: 1, removed: 0, date: '2026-11-25' }],
      ])
    },
  )

  it('half a dump is told from a whole one by the copy of another day too', async () => {
    await kept('2026-11-20', '09:00')
    answer = [...ALL.slice(0, 64), ...LATER]
    const instruments = await started()
    expect([instruments.date, instruments.isFromBroker]).toEqual(['2026-11-20', false])
    expect(instruments.lastError).toMatch(/lacks 61 of 123/)
  })

  it('after the monthly expiry all of its contracts may be gone', async () => {
    const ending = ALL.map((row) =>
      row.kind === 'option' ? { ...row, expiry: '2026-11-23' } : row,
    )
    answer = [...ending, ...LATER]
    const instruments = await started()
    // The 24th is a holiday: the next dump is that of the 25th.
    answer = [...ALL.filter(({ kind }) => kind !== 'option'), ...LATER]
    marketMs = msOfIst('2026-11-25', '08:30')
    instruments.check()
    await vi.waitFor(() => expect(instruments.date).toBe('2026-11-25'), { timeout: 60_000 })
    expect(instruments.lastError).toBeNull()
    expect(refreshed.at(-1)).toEqual({ added: 0, removed: 123, date: '2026-11-25' })
  })
})

describe('versions in the store', () => {
  it('are written in chunks, and again when the store is back', async () => {
    const store = new MemoryInstrumentStore()
    const many = Array.from({ length: 1_200 }, (_, i) => option(100 + 50 * i, 'CE'))
    store.current = [...many.slice(0, 3), option(30_000, 'PE')]
    store.isAway = true
    const versions = new InstrumentVersions({
      store,
      clock,
      log: keptLog(),
      random: () => 0,
      onStored: (news) => refreshed.push({ ...news, rows: store.current.length }),
    })
    const refresh = { added: 1_197, removed: 1, date: '2026-11-23' }
    versions.write({ master: new InstrumentMaster(many), refresh, isChanged: true })
    await turn()
    expect([store.applied, refreshed]).toEqual([[], []])
    store.isAway = false
    clock.advance(1_000)
    await vi.waitFor(() => expect(store.isSameAs(many)).toBe(true), { timeout: 60_000 })
    expect(store.applied.map(({ added, removed }) => [added.length, removed.length])).toEqual([
      [0, 1],
      [500, 0],
      [500, 0],
      [197, 0],
    ])
    expect(new Set(store.applied.map(({ date }) => date))).toEqual(new Set(['2026-11-23']))
    await vi.waitFor(() => expect(refreshed).toEqual([{ ...refresh, rows: 1_200 }]), {
      timeout: 60_000,
    })
    await versions.stop()
  })
})

async function started(): Promise<Instruments> {
  const instruments = new Instruments({
    clock,
    log: keptLog(),
    random: () => 0,
    calendar: exchangeCalendar(),
    marketTimeMs: () => marketMs,
    fetchDump: async () => {
      fetches++
      await gate
      if (answer instanceof Error) throw answer
      return typeof answer === 'string' ? answer : formatInstruments(answer)
    },
    copyPath: join(folder, 'dump.csv'),
    onLoaded: ({ refresh, isChanged }) => {
      if (isChanged) refreshed.push(refresh)
    },
  })
  await instruments.start()
  return instruments
}

async function kept(date: string, time: string): Promise<void> {
  writeFileSync(join(folder, 'dump.csv'), `${date}T${time}:00+05:30\n${formatInstruments(ALL)}`)
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
