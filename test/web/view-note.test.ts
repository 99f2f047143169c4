import { describe, expect, it } from 'vitest'
import type { Backfill } from '../../src/contract/api/backfills.ts'
import type { MonitorView } from '../../src/contract/api/monitor-view.ts'
import { describeView, type PageView } from '../../web/view-note.ts'

const ADDED = ['NIFTY26N2324500CE', 'NIFTY26N2324500PE']
const HISTORY = { pending: 2, done: 0, eta_ms: 14_000, waits_for: null }

function answered(over: Partial<MonitorView> = {}): PageView {
  const value = { added: ADDED, unplaced: [], problem: null, backfill: HISTORY, ...over }
  return { added: value.added, answer: { kind: 'ok', value: value as never }, atMs: 1_000 }
}

function job(tradingsymbol: string, status: Backfill['status'], eta_ms: number | null): Backfill {
  return { kind: 'immediate', tradingsymbol, status, eta_ms } as Backfill
}

function failed(answer: PageView['answer']): PageView {
  return { added: [], answer, atMs: 0 }
}

const say = (view: PageView | null, jobs: readonly Backfill[] = [], nowMs = 1_000) =>
  describeView(view, jobs, nowMs)

describe('what the page says of what it had streamed', () => {
  it('is nothing before the answer, and where nothing was added and nothing is to come', () => {
    expect(say(null)).toBeNull()
    const backfill = { ...HISTORY, pending: 0, eta_ms: 0 }
    expect(say(answered({ added: [], backfill }))).toBeNull()
  })

  it('is what is still to come where the view was opened before', () => {
    const again = answered({ added: [] })
    expect(say(again)).toBe('History of 2 contracts in 14 s')
    expect(say(again, [], 6_000)).toBe('History of 2 contracts in 9 s')
    expect(say(again, [], 15_000)).toBeNull()
    const one = { ...HISTORY, pending: 1, eta_ms: null }
    expect(say(answered({ added: [], backfill: one }))).toBe('History of 1 contract to come')
    const waits = { ...one, waits_for: 'the ticker is away' }
    expect(say(answered({ added: [], backfill: waits }))).toBe(
      'History of 1 contract to come: the ticker is away',
    )
  })

  it('counts down from the answer until the stream tells of the jobs', () => {
    expect(say(answered())).toBe('2 contracts added; history in 14 s')
    expect(say(answered(), [], 6_000)).toBe('2 contracts added; history in 9 s')
    expect(say(answered(), [], 15_000)).toBeNull()
    expect(say(answered({ backfill: { ...HISTORY, pending: 0, eta_ms: 0 } }))).toBeNull()
  })

  it('follows the jobs of what was added, to the last one', () => {
    const [first, second] = ADDED as [string, string]
    const others = [
      job('OTHER', 'running', 90_000),
      { ...job(first, 'running', 1), kind: 'repair' },
    ]
    const told = [
      job(first, 'running', 3_000),
      job(second, 'queued', 7_000),
      ...others,
    ] as Backfill[]
    expect(say(answered(), told, 60_000)).toBe('2 contracts added; history in 7 s')
    const half = [job(first, 'done', null), job(second, 'running', 400)]
    expect(say(answered(), half, 60_000)).toBe('2 contracts added; history in 1 s')
    expect(say(answered(), [job(first, 'done', null), job(second, 'failed', null)])).toBeNull()
  })

  it('names no time that is not known', () => {
    const unknown = answered({ added: ADDED.slice(1), backfill: { ...HISTORY, eta_ms: null } })
    expect(say(unknown)).toBe('1 contract added; history to come')
    expect(say(answered(), [job(ADDED[0] ?? '', 'queued', null)])).toContain('history to come')
  })

  it('says what has no room and what is not known', () => {
    const backfill = { ...HISTORY, pending: 0, eta_ms: 0 }
    const problem = 'The price is not known yet.'
    const full = answered({ added: [], unplaced: ADDED, problem, backfill })
    expect(say(full)).toBe('No room to stream 2 contracts · The price is not known yet.')
  })

  it('takes a refusal calmly, and leaves an unknown series to the placeholder', () => {
    const error = { code: 'forbidden', message: 'The key only reads.', details: null } as const
    expect(say(failed({ kind: 'refused', status: 403, error }))).toBe(
      'No strikes are added: The key only reads.',
    )
    expect(say(failed({ kind: 'refused', status: 404, error }))).toBeNull()
    expect(say(failed({ kind: 'unreachable', reason: 'HTTP 503' }))).toContain('tried again')
  })
})
