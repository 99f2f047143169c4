/** Who leaves when, with whom, and who is refused: in the test's own time, under the exchange's limits. */
import { describe, expect, it } from 'vitest'
import type { RequestPriority } from '../../../src/contract/api/history.ts'
import { HISTORY_QUEUE_MAX, REQUESTS_REJECTED_RETRY_MS } from '../../../src/limits.ts'
import { MINUTE_MS } from '../../../src/market/ist.ts'
import type { HistoryAnswer } from '../../../src/ticker/requests/history.ts'
import { START_MS } from '../support/test-clock.ts'
import { type BrokerInTime, brokerInTime } from './broker-in-time.ts'

const PATIENT_MS = 3_600_000
const HOUR_AGO_MS = START_MS - 60 * MINUTE_MS

interface Asking {
  readonly priority?: RequestPriority
  readonly order?: number
  readonly timeoutMs?: number
  /** Minutes of the hour that ended just now: the first and the last. */
  readonly minutes?: readonly [number, number]
  readonly group?: string
}

/** A rejection is looked at by whoever awaits it, later perhaps. */
function ask({ history }: BrokerInTime, token: number, asking: Asking = {}) {
  const { minutes: [first, last] = [0, 1], timeoutMs = PATIENT_MS, ...others } = asking
  const answer = history.candles({
    token,
    interval: 'minute',
    fromMs: HOUR_AGO_MS + first * MINUTE_MS,
    toMs: HOUR_AGO_MS + last * MINUTE_MS,
    timeoutMs,
    ...others,
  })
  answer.catch(() => undefined)
  return answer
}

function askMany(broker: BrokerInTime, count: number): Promise<HistoryAnswer>[] {
  return Array.from({ length: count }, (_, i) => ask(broker, i + 1))
}

/** Nobody looks at the answers. */
function fill(broker: BrokerInTime, count: number): void {
  for (let token = 1; token <= count; token++) void ask(broker, token, { group: 'many' })
}

function minutesGiven({ candles }: HistoryAnswer): number[] {
  return candles.map(({ timeMs }) => (timeMs - HOUR_AGO_MS) / MINUTE_MS)
}

function elapsedMs({ clock }: BrokerInTime): number {
  return clock.elapsedMs()
}

describe('waiting requests leave', () => {
  it('by class, then by the order that the caller gave, then first come, first served', async () => {
    const broker = brokerInTime(['a'])
    void ask(broker, 1)
    void ask(broker, 2, { priority: 'on_demand' })
    void ask(broker, 3, { priority: 'routine', order: 5 })
    void ask(broker, 4, { priority: 'routine', order: 1 })
    void ask(broker, 5, { priority: 'routine', order: 1 })
    void ask(broker, 6, { priority: 'gap', order: 9 })
    void ask(broker, 7, { priority: 'new_subscription', order: 3 })
    void ask(broker, 8, { priority: 'new_subscription', order: 2 })
    await broker.pass(3_000)
    expect(broker.departures.map(({ token }) => token)).toEqual([1, 8, 7, 6, 4, 5, 3, 2])
  })

  it('at the allowed rate of every account together, and are never refused', async () => {
    for (const accounts of [['a'], ['a', 'b', 'c']]) {
      const broker = brokerInTime(accounts)
      const count = 100 * accounts.length
      const answers = askMany(broker, count)
      await broker.pass(36_000)
      expect(await Promise.all(answers)).toHaveLength(count)
      expect([broker.departures.length, broker.refused]).toEqual([count, []])
      for (const account of accounts) {
        const times = broker.departures.filter((d) => d.account === account).map((d) => d.atMs)
        const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000
        expect((times.length - 1) / seconds).toBeGreaterThan(0.95 * 3)
      }
    }
  })

  it('when they were expected to, within a fifth', async () => {
    for (const accounts of [['a'], ['a', 'b', 'c']]) {
      const broker = brokerInTime(accounts)
      const expectedMs = Array.from({ length: 150 }, (_, i) => {
        void ask(broker, i + 1)
        return broker.history.dispatcher.status().eta_ms ?? Number.NaN
      })
      await broker.pass(10_000)
      const later = { atMs: elapsedMs(broker), etaMs: broker.history.dispatcher.status().eta_ms }
      await broker.pass(45_000)
      for (const place of [30, 60, 150]) {
        const leftMs = broker.departures[place - 1]?.atMs ?? Number.NaN
        expect((expectedMs[place - 1] ?? 0) / leftMs).toBeGreaterThan(0.8)
        expect((expectedMs[place - 1] ?? 0) / leftMs).toBeLessThan(1.2)
      }
      const restMs = (broker.departures.at(-1)?.atMs ?? Number.NaN) - later.atMs
      expect((later.etaMs ?? 0) / restMs).toBeGreaterThan(0.8)
      expect((later.etaMs ?? 0) / restMs).toBeLessThan(1.2)
    }
  })
})

describe('one request to the broker', () => {
  it('is widened while it waits, and everybody gets the span of their own', async () => {
    const broker = brokerInTime(['a'])
    void ask(broker, 1)
    const [early, late] = [
      ask(broker, 2, { minutes: [10, 20] }),
      ask(broker, 2, { minutes: [15, 30] }),
    ]
    const apart = ask(broker, 2, { minutes: [40, 41] })
    await broker.pass(2_000)
    const spans = broker.departures
      .slice(1)
      .map(({ fromMs, toMs }) => [fromMs, toMs].map((ms) => (ms - HOUR_AGO_MS) / MINUTE_MS))
    expect(spans).toEqual([
      [10, 30],
      [40, 41],
    ])
    expect(minutesGiven(await early)).toEqual(Array.from({ length: 11 }, (_, i) => 10 + i))
    expect(minutesGiven(await late)).toEqual(Array.from({ length: 16 }, (_, i) => 15 + i))
    expect(minutesGiven(await apart)).toEqual([40, 41])
  })

  it('moves forward with whoever is in more of a hurry', async () => {
    const broker = brokerInTime(['a'])
    void ask(broker, 1)
    void ask(broker, 2, { priority: 'gap' })
    void ask(broker, 3, { priority: 'routine', minutes: [0, 9] })
    void ask(broker, 3, { priority: 'new_subscription', minutes: [5, 15] })
    await broker.pass(2_000)
    expect(broker.departures.map(({ token }) => token)).toEqual([1, 3, 2])
  })

  it('is given up when the last one who waits for it goes, and not before', async () => {
    const broker = brokerInTime(['a'])
    void ask(broker, 1)
    void ask(broker, 2, { group: 'view' })
    const other = ask(broker, 2, { group: 'other' })
    void ask(broker, 3, { group: 'view' })
    broker.history.dispatcher.cancelGroup('view')
    await broker.pass(2_000)
    expect(broker.departures.map(({ token }) => token)).toEqual([1, 2])
    expect(minutesGiven(await other)).toEqual([0, 1])
  })
})

describe('a request is refused', () => {
  it('where the queue is full, with the time after which there is room', async () => {
    const broker = brokerInTime(['a'])
    fill(broker, HISTORY_QUEUE_MAX + 1)
    expect(broker.history.dispatcher.status().queued.on_demand).toBe(HISTORY_QUEUE_MAX)
    await expect(ask(broker, 999_999)).rejects.toMatchObject({
      code: 'queue_full',
      retryable: true,
      retryAfterMs: expect.any(Number),
    })
    broker.history.dispatcher.cancelGroup('many')
    expect(broker.history.dispatcher.status().queued.on_demand).toBe(0)
    expect(broker.history.dispatcher.highWater).toBe(HISTORY_QUEUE_MAX)
    const answer = ask(broker, 999_999)
    await broker.pass(1_000)
    expect(minutesGiven(await answer)).toEqual([0, 1])
  })

  it('where its turn comes too late, with by how much', async () => {
    const broker = brokerInTime(['a'])
    fill(broker, 61)
    const error = await ask(broker, 999, { timeoutMs: 5_000 }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'too_slow' })
    const { retryAfterMs } = error as { retryAfterMs: number }
    expect(retryAfterMs).toBeGreaterThan(14_000)
    expect(retryAfterMs).toBeLessThan(16_000)
  })

  it('at once where no account may ask, with the reason of each', async () => {
    const broker = brokerInTime(['a', 'b'])
    const waiting = askMany(broker, 20)
    broker.down.set('a', 'down: the access token has ended')
    broker.down.set('b', 'no_token: nobody has logged in yet')
    const refusal = {
      code: 'no_account',
      message: expect.stringMatching(/a \(down: the access.*b \(no_token: nobody/),
      retryAfterMs: REQUESTS_REJECTED_RETRY_MS,
      accounts: [
        { account: 'a', reason: 'down: the access token has ended' },
        { account: 'b', reason: 'no_token: nobody has logged in yet' },
      ],
    }
    await expect(ask(broker, 999)).rejects.toMatchObject(refusal)
    await broker.pass(1_500)
    await expect(Promise.all(waiting.slice(6))).rejects.toMatchObject(refusal)
    expect(broker.history.dispatcher.status().queued.on_demand).toBe(0)
  })
})

describe('a login that the broker refuses for history', () => {
  it('is not tried again for a while, while other accounts go on', async () => {
    const broker = brokerInTime(['a', 'b'])
    broker.deadLogins.add('a first')
    const answers = askMany(broker, 30)
    await broker.pass(12_000)
    expect(await Promise.all(answers)).toHaveLength(30)
    const ofA = broker.departures.filter(({ account }) => account === 'a')
    expect(ofA.length).toBeLessThan(3)
    await broker.pass(REQUESTS_REJECTED_RETRY_MS)
    broker.deadLogins.clear()
    fill(broker, 4)
    expect(broker.departures.filter(({ account }) => account === 'a').length).toBe(ofA.length + 1)
  })

  it('is followed by a new one at once', async () => {
    const broker = brokerInTime(['a'])
    broker.deadLogins.add('a first')
    const first = ask(broker, 1)
    await broker.pass(1_000)
    const reason = /a \(the broker does not accept its access token/
    await expect(first).rejects.toMatchObject({ code: 'no_account', message: reason })
    await expect(ask(broker, 1)).rejects.toMatchObject({ code: 'no_account' })
    expect(broker.departures).toHaveLength(1)
    broker.logins.set('a', 'second')
    const again = ask(broker, 1)
    await broker.pass(100)
    expect(minutesGiven(await again)).toEqual([0, 1])
  })

  it('does not count against one that came while it was being refused', async () => {
    const broker = brokerInTime(['a'])
    broker.deadLogins.add('a first')
    const answer = ask(broker, 1)
    broker.logins.set('a', 'second')
    await broker.pass(1_000)
    expect(minutesGiven(await answer)).toEqual([0, 1])
    expect(broker.departures).toHaveLength(2)
  })
})
