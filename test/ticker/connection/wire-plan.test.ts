import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TickMode } from '../../../src/market/tick.ts'
import {
  planWire,
  type Wanted,
  type WireMessage,
} from '../../../src/ticker/connection/wire-plan.ts'

const normal = (mode: TickMode): Wanted => ({ mode, priority: 'normal' })

describe('the messages', () => {
  it('for new tokens subscribe them and set the modes that differ from the broker’s own', () => {
    const wanted = new Map([
      [1, normal('full')],
      [2, normal('quote')],
      [3, normal('ltp')],
    ])
    expect(planWire([1, 2, 3], wanted, new Map())).toEqual([
      { kind: 'subscribe', tokens: [1] },
      { kind: 'mode', mode: 'full', tokens: [1] },
      { kind: 'subscribe', tokens: [2] },
      { kind: 'subscribe', tokens: [3] },
      { kind: 'mode', mode: 'ltp', tokens: [3] },
    ])
  })

  it('set the mode right behind each chunk of new tokens, not behind the last of them', () => {
    const tokens = Array.from({ length: 1_200 }, (_, i) => i + 1)
    const wanted = new Map(tokens.map((token) => [token, normal('full')] as const))
    const messages = planWire(tokens, wanted, new Map())
    expect(messages.map(({ kind, tokens }) => `${kind} ${tokens[0]}+${tokens.length}`)).toEqual([
      'subscribe 1+500',
      'mode 1+500',
      'subscribe 501+500',
      'mode 501+500',
      'subscribe 1001+200',
      'mode 1001+200',
    ])
  })

  it('name what changed and nothing else', () => {
    const wanted = new Map([
      [1, normal('full')],
      [2, normal('quote')],
    ])
    const told = new Map<number, TickMode>([
      [1, 'full'],
      [2, 'full'],
      [3, 'full'],
    ])
    expect(planWire([2, 3, 4], wanted, told)).toEqual([
      { kind: 'unsubscribe', tokens: [3] },
      { kind: 'mode', mode: 'quote', tokens: [2] },
    ])
    expect(planWire([1], wanted, told)).toEqual([])
  })

  it('let the urgent go before the rest, with its mode', () => {
    const wanted = new Map<number, Wanted>([
      [1, normal('full')],
      [2, { mode: 'full', priority: 'high' }],
    ])
    expect(planWire([1, 2], wanted, new Map())).toEqual([
      { kind: 'subscribe', tokens: [2] },
      { kind: 'mode', mode: 'full', tokens: [2] },
      { kind: 'subscribe', tokens: [1] },
      { kind: 'mode', mode: 'full', tokens: [1] },
    ])
  })

  it('bring the broker exactly to what is wanted, whatever it was told before', () => {
    const anyMode = fc.constantFrom<TickMode>('ltp', 'quote', 'full')
    const anyToken = fc.integer({ min: 1, max: 12 })
    const anyWanted = fc.record({
      mode: anyMode,
      priority: fc.constantFrom('high' as const, 'normal' as const),
    })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyToken, anyWanted)),
        fc.array(fc.tuple(anyToken, anyMode)),
        (wantedEntries, toldEntries) => {
          const wanted = new Map(wantedEntries)
          const broker = new Map(toldEntries)
          const changed = new Set([...wanted.keys(), ...broker.keys()])
          for (const message of planWire(changed, wanted, new Map(broker))) obey(broker, message)
          expect(broker).toEqual(new Map([...wanted].map(([token, { mode }]) => [token, mode])))
        },
      ),
    )
  })
})

function obey(broker: Map<number, TickMode>, message: WireMessage): void {
  for (const token of message.tokens) {
    if (message.kind === 'unsubscribe') broker.delete(token)
    else broker.set(token, message.kind === 'mode' ? message.mode : 'quote')
  }
}
