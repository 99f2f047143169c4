import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KnownSubscriptions } from '../../../src/backend/lifecycle/known-subscriptions.ts'
import { LIFECYCLE_KNOWN_MAX } from '../../../src/limits.ts'
import { row } from './subscription-rows.ts'

function listed(known: KnownSubscriptions, rows: ReturnType<typeof row>[]) {
  known.beginList()
  const difference = known.compare(rows)
  known.take(rows, difference.gone)
  known.endList()
  return {
    created: difference.created.map(({ instrument_token: token }) => token),
    gone: difference.gone.map(({ token }) => token),
  }
}

describe('a list of the ticker', () => {
  it('tells at first all that it holds, and nothing the second time', () => {
    const known = new KnownSubscriptions()
    expect(listed(known, [row(1), row(2)])).toEqual({ created: [1, 2], gone: [] })
    expect(listed(known, [row(1), row(2)])).toEqual({ created: [], gone: [] })
  })

  it('tells what no event has told: begun, ended, and ended and begun again', () => {
    const known = new KnownSubscriptions()
    listed(known, [row(1), row(2), row(3)])
    const again = row(3, { requested_at: '2026-11-23T11:00:00+05:30' })
    expect(listed(known, [row(1), again, row(4)])).toEqual({ created: [3, 4], gone: [2] })
  })

  it('says nothing new of what an event has told', () => {
    const known = new KnownSubscriptions()
    listed(known, [row(2)])
    known.begin(1, 'NFO', row(1).tradingsymbol)
    known.end(2)
    expect(listed(known, [row(1)])).toEqual({ created: [], gone: [] })
  })

  it('knows a token that was given to another contract', () => {
    const known = new KnownSubscriptions()
    listed(known, [row(1)])
    const other = row(1, { tradingsymbol: 'NIFTY26DEC26000CE' })
    expect(listed(known, [other])).toEqual({ created: [1], gone: [] })
  })

  it('is older than what an event tells while it is on its way', () => {
    const known = new KnownSubscriptions()
    listed(known, [row(1)])
    known.beginList()
    known.end(1)
    known.begin(2, 'NFO', row(2).tradingsymbol)
    expect(known.compare([row(1)])).toEqual({ created: [], gone: [] })
    known.take([row(1)], [])
    known.endList()
    // The next one is newer.
    expect(listed(known, [row(2)])).toEqual({ created: [], gone: [] })
    expect(listed(known, [row(1), row(2)])).toEqual({ created: [1], gone: [] })
  })

  it('makes the memory equal to itself after any events', () => {
    const step = fc.record({ token: fc.integer({ min: 1, max: 8 }), begins: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(step),
        fc.uniqueArray(fc.integer({ min: 1, max: 8 })),
        (steps, tokens) => {
          const known = new KnownSubscriptions()
          for (const { token, begins } of steps) {
            if (begins) known.begin(token, null, null)
            else known.end(token)
          }
          const rows = tokens.map((token) => row(token))
          listed(known, rows)
          expect(known.size).toBe(rows.length)
          expect(listed(known, rows)).toEqual({ created: [], gone: [] })
        },
      ),
    )
  })
})

it('remembers no more than its cap of what events tell', () => {
  const known = new KnownSubscriptions()
  for (let token = 1; token <= LIFECYCLE_KNOWN_MAX + 10; token++) known.begin(token, null, null)
  expect(known.size).toBe(LIFECYCLE_KNOWN_MAX)
})
