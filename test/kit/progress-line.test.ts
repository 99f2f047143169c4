import { describe, expect, it } from 'vitest'
import { ProgressLine } from '../../src/kit/progress-line.ts'
import { PROGRESS_FIRST_MS, PROGRESS_REDRAW_MS } from '../../src/limits.ts'
import { TestClock } from '../ticker/support/test-clock.ts'

const LINES_MS = 10_000
const CLEARED = '\r\x1b[K'

function begun(isTTY: boolean, columns?: number) {
  const clock = new TestClock()
  const written: string[] = []
  const write = (text: string) => written.push(text)
  const target = { isTTY, write, ...(columns === undefined ? {} : { columns }) }
  return { clock, written, line: new ProgressLine(target, clock, LINES_MS) }
}

describe.each([
  ['on a terminal', true],
  ['elsewhere', false],
])('a line of progress %s', (_where, isTTY) => {
  it('is not shown of what is over soon', () => {
    const { clock, written, line } = begun(isTTY)
    line.say('one of two')
    clock.advance(PROGRESS_FIRST_MS - 1)
    line.say('two of two')
    line.end()
    clock.advance(LINES_MS)
    expect(written).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('shows what was said last, also while nothing more is said', () => {
    const { clock, written, line } = begun(isTTY)
    line.say('one of two')
    line.say('two of two')
    clock.advance(PROGRESS_FIRST_MS + PROGRESS_REDRAW_MS)
    expect(written.join('')).toContain('two of two')
    expect(written.join('')).not.toContain('one of two')
    line.end()
  })
})

describe('on a terminal a line of progress', () => {
  it('is rewritten in place, a few times a second, and taken away in the end', () => {
    const { clock, written, line } = begun(true)
    clock.advance(PROGRESS_FIRST_MS)
    line.say('1 of 3')
    line.say('2 of 3')
    expect(written).toEqual(['\r1 of 3\x1b[K'])
    clock.advance(2 * PROGRESS_REDRAW_MS)
    expect(written).toEqual(['\r1 of 3\x1b[K', '\r2 of 3\x1b[K'])
    line.end()
    line.end()
    expect(written.slice(2)).toEqual([CLEARED])
  })

  it('makes room for something else and comes back', () => {
    const { clock, written, line } = begun(true)
    clock.advance(PROGRESS_FIRST_MS)
    line.say('1 of 2')
    line.clear()
    clock.advance(PROGRESS_REDRAW_MS)
    expect(written).toEqual(['\r1 of 2\x1b[K', CLEARED])
    line.say('1 of 2')
    expect(written.at(-1)).toBe('\r1 of 2\x1b[K')
    line.end()
  })

  it('stays within it, since what wraps cannot be rewritten', () => {
    const { clock, written, line } = begun(true, 8)
    clock.advance(PROGRESS_FIRST_MS)
    line.say('0123456789')
    expect(written).toEqual(['\r0123456\x1b[K'])
    line.end()
  })
})

it('on a terminal that does not know its width is shown whole', () => {
  const { clock, written, line } = begun(true, 0)
  clock.advance(PROGRESS_FIRST_MS)
  line.say('1 of 3')
  expect(written).toEqual(['\r1 of 3\x1b[K'])
  line.end()
})

describe('elsewhere a line of progress', () => {
  it('is a line of its own now and then, and none is said twice', () => {
    const { clock, written, line } = begun(false)
    clock.advance(PROGRESS_FIRST_MS)
    line.say('1 of 9')
    for (let n = 2; n <= 8; n++) line.say(`${n} of 9`)
    clock.advance(LINES_MS + PROGRESS_REDRAW_MS)
    expect(written).toEqual(['1 of 9\n', '8 of 9\n'])
    clock.advance(3 * LINES_MS)
    line.end()
    expect(written).toHaveLength(2)
  })

  it('comes at once when what is going on changes, but not before the first one', () => {
    const { clock, written, line } = begun(false)
    line.say('1 of 9', 'queued')
    line.say('2 of 9', 'running')
    expect(written).toEqual([])
    clock.advance(PROGRESS_FIRST_MS)
    line.say('3 of 9', 'running')
    line.say('3 of 9, the broker is away', 'waits')
    line.say('4 of 9', 'waits')
    expect(written).toEqual(['3 of 9\n', '3 of 9, the broker is away\n'])
    line.end()
  })
})
