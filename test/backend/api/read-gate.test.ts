import { describe, expect, it } from 'vitest'
import { ReadGate } from '../../../src/backend/api/read-gate.ts'
import { API_READ_TIMEOUT_MS, API_READS_AT_ONCE, API_READS_WAITING } from '../../../src/limits.ts'
import { silentLog } from '../../silent-log.ts'
import { OPEN_MS } from '../scenario.ts'
import { SteppedClock } from './stepped-clock.ts'

/** A read that ends when it is told to. */
function held() {
  let end = (): void => undefined
  const query = () =>
    new Promise<string>((resolve) => {
      end = () => resolve('done')
    })
  return { query, end: () => end() }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('the gate before the store', () => {
  it('lets a few reads in at once, the next one when one ends, and refuses a crowd', async () => {
    const gate = new ReadGate(new SteppedClock(OPEN_MS), silentLog)
    const reads = Array.from({ length: API_READS_AT_ONCE + API_READS_WAITING }, held)
    let begun = 0
    const answers = reads.map(({ query }) =>
      gate.read(() => {
        begun++
        return query()
      }),
    )
    await settled()
    expect(begun).toBe(API_READS_AT_ONCE)
    await expect(gate.read(async () => 'one more')).rejects.toMatchObject({
      statusCode: 503,
      code: 'unavailable',
    })
    reads[0]?.end()
    expect(await answers[0]).toBe('done')
    await settled()
    expect(begun).toBe(API_READS_AT_ONCE + 1)
    for (const { end } of reads) {
      end()
      await settled()
    }
    expect(await Promise.all(answers)).toHaveLength(reads.length)
    expect(begun).toBe(reads.length)
    expect(await gate.read(async () => 'free again')).toBe('free again')
    expect(gate.highWater).toBe(API_READS_WAITING)
  })

  it('does not wait without end, and a late read keeps its place until it ends', async () => {
    const clock = new SteppedClock(OPEN_MS)
    const gate = new ReadGate(clock, silentLog)
    const reads = Array.from({ length: API_READS_AT_ONCE }, held)
    const answers = reads.map(({ query }) => gate.read(query).catch((error: unknown) => error))
    await settled()
    clock.advance(API_READ_TIMEOUT_MS)
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject({ statusCode: 504, code: 'timeout' })
    }
    let isBegun = false
    const next = gate.read(async () => {
      isBegun = true
      return 'next'
    })
    await settled()
    expect(isBegun).toBe(false)
    reads[0]?.end()
    expect(await next).toBe('next')
  })
})
