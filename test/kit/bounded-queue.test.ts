import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoundedQueue } from '../../src/kit/bounded-queue.ts'

function queueOf(capacity: number, pauseAt: number, resumeAt: number) {
  const heard: string[] = []
  const queue = new BoundedQueue<number>({
    capacity,
    pauseAt,
    resumeAt,
    onPause: () => heard.push('pause'),
    onResume: () => heard.push('resume'),
  })
  return { queue, heard }
}

function offerAll(queue: BoundedQueue<number>, ...items: number[]): boolean[] {
  return items.map((item) => queue.offer(item))
}

describe('a bounded queue', () => {
  it('gives items in the order they came, in batches', () => {
    const { queue } = queueOf(10, 10, 0)
    offerAll(queue, 1, 2, 3, 4, 5)
    expect([queue.take(2), queue.take(10), queue.take(1)]).toEqual([[1, 2], [3, 4, 5], []])
  })

  it('pauses its source before it is full and refuses only when it is', () => {
    const { queue, heard } = queueOf(4, 3, 1)
    expect(offerAll(queue, 1, 2, 3, 4, 5)).toEqual([true, true, true, true, false])
    expect(heard).toEqual(['pause'])
    expect(queue.take(10)).toEqual([1, 2, 3, 4])
  })

  it('resumes its source once, when it has drained to the low mark', () => {
    const { queue, heard } = queueOf(4, 3, 1)
    offerAll(queue, 1, 2, 3)
    queue.take(1)
    expect(heard).toEqual(['pause'])
    queue.take(1)
    queue.take(1)
    expect(heard).toEqual(['pause', 'resume'])
  })

  it('remembers the most it ever held', () => {
    const { queue } = queueOf(10, 10, 0)
    offerAll(queue, 1, 2, 3)
    queue.take(3)
    offerAll(queue, 4)
    expect([queue.length, queue.highWater]).toEqual([1, 3])
  })

  it('wakes a waiting taker with the first item', async () => {
    const { queue } = queueOf(10, 10, 0)
    const taken = queue.takeWhenAvailable(5)
    queue.offer(7)
    expect(await taken).toEqual([7])
  })

  it('is drained after closing, then says so with an empty batch', async () => {
    const { queue } = queueOf(10, 10, 0)
    queue.offer(1)
    queue.close()
    expect(queue.offer(2)).toBe(false)
    expect(await queue.takeWhenAvailable(5)).toEqual([1])
    expect(await queue.takeWhenAvailable(5)).toEqual([])
  })

  it('wakes a waiting taker when it is closed', async () => {
    const { queue } = queueOf(10, 10, 0)
    const taken = queue.takeWhenAvailable(5)
    queue.close()
    expect(await taken).toEqual([])
  })

  it('loses and reorders nothing under any mixture of offers and takes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -8, max: 4 }), { maxLength: 200 }), (steps) => {
        const { queue, heard } = queueOf(12, 8, 3)
        const accepted: number[] = []
        const taken: number[] = []
        let next = 0
        for (const step of steps) {
          if (step > 0) taken.push(...queue.take(step))
          for (let i = step; i < 0; i += 1) {
            next += 1
            if (queue.offer(next)) accepted.push(next)
          }
          expect(queue.length).toBeLessThanOrEqual(12)
        }
        taken.push(...queue.take(12))
        expect(taken).toEqual(accepted)
        expect(queue.isPaused).toBe(false)
        expect(heard.filter((word) => word === 'pause')).toHaveLength(heard.length / 2)
      }),
    )
  })
})
