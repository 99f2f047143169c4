import { describe, expect, it } from 'vitest'
import {
  BatchBuilder,
  controlRecords,
  isBatchFault,
  readHeader,
} from '../../src/contract/journal-batch.ts'
import type { ControlRecord, GapOpenRecord } from '../../src/contract/journal-record.ts'
import { KnownState } from '../../src/journal/known-state.ts'
import { instrument, START_MS } from './journal-fixture.ts'

const begin = (token: number, mode: 'full' | 'quote', fromMs = START_MS): ControlRecord => {
  return { kind: 'covered', begin: [{ token, mode, fromMs }], end: [] }
}
const gapOpen = (tokens: number[]): GapOpenRecord => {
  const scope = { account: null, connection: null, fromMs: START_MS + 5 }
  return { kind: 'gap_open', gapId: 'g', reason: 'mute', tokens, ...scope }
}
const gapClose = (token: number, mode: 'full' | null): ControlRecord => {
  return { kind: 'gap_close', gapId: 'g', ends: [{ token, toMs: START_MS + 9, mode }] }
}

function stateAfter(records: readonly ControlRecord[]): KnownState {
  const known = new KnownState()
  for (const record of records) {
    known.apply({ sequence: 1, record, json: Buffer.from(JSON.stringify(record)) })
  }
  return known
}

/** What a reader knows that has read the preamble alone. */
function throughPreamble(known: KnownState): KnownState {
  const builder = new BatchBuilder()
  builder.begin('t1', 0, 1, 1)
  known.writeTo(builder)
  const batch = builder.finish(START_MS)
  const header = readHeader(batch)
  if (isBatchFault(header)) throw new Error(header.fault)
  return stateAfter(controlRecords(header, batch).map(({ record }) => record))
}

function contents({ instruments, covered, openGaps }: KnownState) {
  return { instruments, covered, openGaps }
}

describe('what the log says at one place', () => {
  const cases: [string, readonly ControlRecord[], Partial<ReturnType<typeof contents>>][] = [
    [
      'a token that was given to another contract is the new one',
      [
        { kind: 'instrument', instrument: instrument(1, 'OLD') },
        { kind: 'instrument', instrument: instrument(1, 'NEW') },
      ],
      { instruments: [instrument(1, 'NEW')] },
    ],
    [
      'coverage that is repeated goes on from where it began',
      [begin(1, 'full'), begin(1, 'full', START_MS + 60_000)],
      { covered: [{ token: 1, mode: 'full', fromMs: START_MS }] },
    ],
    [
      'a changed mode begins coverage anew',
      [begin(1, 'quote'), begin(1, 'full', START_MS + 1)],
      { covered: [{ token: 1, mode: 'full', fromMs: START_MS + 1 }] },
    ],
    [
      'what ended is not covered',
      [begin(1, 'full'), { kind: 'covered', begin: [], end: [{ token: 1, toMs: START_MS + 1 }] }],
      { covered: [] },
    ],
    [
      'a gap ends coverage, and each instrument’s first packet lets it go on',
      [begin(1, 'full'), begin(2, 'full'), gapOpen([1, 2]), gapClose(1, 'full')],
      {
        covered: [{ token: 1, mode: 'full', fromMs: START_MS + 9 }],
        openGaps: [gapOpen([2])],
      },
    ],
    [
      'a gap is closed when every instrument has ended, wanted or not',
      [gapOpen([1, 2]), gapClose(1, 'full'), gapClose(2, null)],
      { openGaps: [], covered: [{ token: 1, mode: 'full', fromMs: START_MS + 9 }] },
    ],
    [
      'the end of a gap from before is taken for the coverage that it is',
      [gapClose(1, 'full')],
      { openGaps: [], covered: [{ token: 1, mode: 'full', fromMs: START_MS + 9 }] },
    ],
    [
      'an epoch begins with nothing',
      [
        { kind: 'instrument', instrument: instrument(1) },
        begin(1, 'full'),
        gapOpen([2]),
        {
          kind: 'epoch_start',
          feed: 'simulated',
          previousEpoch: 1,
          previousLastSequence: 1,
          wallTimeMs: START_MS,
        },
      ],
      { instruments: [], covered: [], openGaps: [] },
    ],
  ]

  it.each(cases)('%s', (_sentence, records, expected) => {
    expect(contents(stateAfter(records))).toMatchObject(expected)
  })

  it.each(cases.slice(0, -1).filter(([, records]) => records.length > 0))(
    'is the same for who has read the preamble alone: %s',
    (_sentence, records) => {
      const known = stateAfter([{ kind: 'instrument', instrument: instrument(99) }, ...records])
      expect(contents(throughPreamble(known))).toEqual(contents(known))
    },
  )

  it('knows an epoch that ended in order', () => {
    const end: ControlRecord = { kind: 'epoch_end', wallTimeMs: START_MS }
    expect(stateAfter([]).hasEnded).toBe(false)
    expect(stateAfter([end]).hasEnded).toBe(true)
  })
})
