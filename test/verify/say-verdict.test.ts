import { describe, expect, it } from 'vitest'
import type { InstrumentCoverage } from '../../src/verify/coverage-report.ts'
import {
  sayBroker,
  sayBrokerProgress,
  sayProgress,
  sayVerdict,
} from '../../src/verify/say-verdict.ts'
import type { Verdict } from '../../src/verify/verify.ts'

const EXPIRY = '2026-11-24'

function covered(tradingsymbol: string, expiry: string | null, changed = {}): InstrumentCoverage {
  const names = { exchange: 'NFO', tradingsymbol, symbol: 'NIFTY50', expiry }
  return { ...names, session: 375, covered: 370, rows: 370, complete: 360, missing: 5, ...changed }
}

const FINE: Verdict = {
  ...{ date: '2026-11-20', feed: 'simulated', deadLetters: [], notSettled: [], instruments: [] },
  books: [
    {
      ...{ producer: 't1', partition: 0, epoch: 7, received: 12, rejected: 1, dropped: 1 },
      ...{ journaled: 10, folded: 10, not_folded: {}, lost: 0, in_flight: 0 },
    },
  ],
  ...{ bookFaults: [], missing: [], differences: [], differenceCounts: {} },
  gaps: [
    {
      ...{ id: '1', producer: 't1', partition: 0, reason: 'restart', status: 'repaired' },
      ...{ from: 1_795_150_000_000, to: 1_795_150_060_000, instruments: 3 },
    },
  ],
  coverage: [
    covered('NIFTY26NOV24100CE', EXPIRY),
    covered('NIFTY26NOV24000CE', EXPIRY, { covered: 0, rows: 0, complete: 0, missing: 375 }),
    covered('NIFTY 50', null),
  ],
  ...{ rowsCompared: 900, rowsGiven: 3, rowsDue: 0, recordsFolded: 1_000 },
}

/** The line with `text` in it. */
function lineOf(said: string, text: string): number {
  const index = said.split('\n').findIndex((line) => line.includes(text))
  if (index < 0) throw new Error(`"${text}" is not said:\n${said}`)
  return index
}

describe('a verdict', () => {
  it('is said first, then books, gaps, coverage by series and by instrument, and once more', () => {
    const said = sayVerdict(FINE)
    const lines = said.trimEnd().split('\n')
    expect(lines[0]).toBe('Verified 2026-11-20 (simulated): Nothing is lost or unexplained.')
    expect(lines.at(-1)).toBe('2026-11-20: Nothing is lost or unexplained.')
    const order = [
      'Folded 1000 records',
      'Books',
      'restart',
      'NIFTY50 underlying',
      'NIFTY26NOV24000CE',
    ]
    const found = order.map((text) => lineOf(said, text))
    expect(found).toEqual(found.toSorted((a, b) => a - b))
  })

  it('names what is wrong before anything else', () => {
    const said = sayVerdict({
      ...FINE,
      bookFaults: [{ where: 't1, partition 0', what: '3 records are lost' }],
      missing: [
        {
          ...{ producer: 't1', partition: 0, records: 3 },
          ...{ after: { epoch: 7, sequence: 5 }, before: { epoch: 7, sequence: 9 } },
        },
      ],
      differences: [
        { table: 'minute_bars', key: 'NSE', column: 'high', stored: '2', expected: '1' },
      ],
      differenceCounts: { 'minute_bars.high': 12 },
    })
    const wrong =
      'NOT AS IT MUST BE: 1 fault of the books, 1 hole in the journal, 12 differences of rows.'
    expect(said.split('\n')[0]).toContain(wrong)
    expect(said.trimEnd().split('\n').at(-1)).toContain(wrong)
    for (const text of ['3 records are lost', '3 records lost between', 'minute_bars.high: 12']) {
      expect(lineOf(said, text)).toBeLessThan(lineOf(said, 'Books ('))
    }
    expect(said).toContain('  … and 11 more')
  })

  it('sums coverage up by series: instruments, and minutes complete, partial and none', () => {
    const lines = sayVerdict(FINE).split('\n')
    const figures = (name: string) =>
      lines
        .find((line) => line.includes(name))
        ?.trim()
        .split(/\s{2,}/)
    expect(figures('NIFTY50 underlying')).toEqual(['NIFTY50 underlying', '1', '360', '10', '5'])
    expect(figures(`NIFTY50 ${EXPIRY}`)).toEqual([`NIFTY50 ${EXPIRY}`, '2', '360', '10', '380'])
  })

  it('does not pass for one where nothing was there to look at', () => {
    const said = sayVerdict({ ...FINE, books: [], gaps: [], coverage: [], rowsCompared: 0 })
    expect(said.split('\n')[0]).toContain('Nothing was received or stored on that date.')
    expect(sayVerdict(FINE)).not.toContain('Nothing was received')
  })

  it('against the broker counts all that is unexplained, beyond those that are named', () => {
    const one = { tradingsymbol: 'NIFTY 50', minute: '10:00', column: 'high' } as const
    const unexplained = [{ ...one, class: 'unexplained', stored: 2, broker: 1 }] as const
    const said = sayBroker({ instruments: 1, bars: 9, counts: { unexplained: 40 }, unexplained })
    expect(said).toContain('NOT AS IT MUST BE: unexplained: 40')
    expect(said).toContain('  … and 39 more')
  })
})

describe('the progress of a verification', () => {
  it('tells bytes of the journal, of how many where that is known', () => {
    const half = { doing: 'fold', bytes: 1_500_000, ofBytes: 3_000_000 } as const
    expect(sayProgress(half)).toBe('Verifying: folding the journal, 1.5 of 3.0 MB')
    const unknown = { doing: 'fold', bytes: 1_500_000, ofBytes: undefined } as const
    expect(sayProgress(unknown)).toBe('Verifying: folding the journal, 1.5 MB')
  })

  it('never tells more than there is, while the journal grows', () => {
    const more = { doing: 'fold', bytes: 4_000_000, ofBytes: 3_000_000 } as const
    expect(sayProgress(more)).toBe('Verifying: folding the journal, 4.0 of 4.0 MB')
  })

  it('tells instruments against the broker, and behind which one it can be taken up again', () => {
    const counts = { done: 2, of: 390, bars: 700, differences: 3 }
    expect(sayBrokerProgress({ tradingsymbol: 'NIFTY 50', ...counts })).toBe(
      'Against the broker: 2 of 390 instruments, 700 bars, 3 differences; last NIFTY 50',
    )
  })

  it('tells minutes of rows', () => {
    const compare = { doing: 'compare', minutes: 20, ofMinutes: 376 } as const
    expect(sayProgress(compare)).toBe('Verifying: comparing rows, 20 of 376 minutes')
  })
})
