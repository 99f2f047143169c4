import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OWN_COPY_COMPACT_BYTES } from '../../../src/limits.ts'
import { OwnCopyFile, parseOwnCopy } from '../../../src/ticker/subscriptions/own-copy-file.ts'
import {
  newSubscription,
  type Subscription,
} from '../../../src/ticker/subscriptions/subscription.ts'
import { numbered } from '../events/numbered-events.ts'
import { option } from '../support/contracts.ts'

const A = wanted(24_500, 'api')
const B = wanted(24_550, 'api')
const A_LATER: Subscription = { ...A, mode: 'ltp', holders: ['desk'] }

let folder: string
let path: string
let file: OwnCopyFile

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fostream-copy-'))
  path = join(folder, 'subscriptions.jsonl')
  file = new OwnCopyFile(path)
})

afterEach(async () => {
  await file.close()
  rmSync(folder, { recursive: true })
})

describe('the file of the own copy', () => {
  it('is not there before the first write', async () => {
    expect(await file.load()).toBeUndefined()
    expect(file.mustReplace).toBe(true)
  })

  it('holds of each subscription what was saved last, and the events in their order', async () => {
    await file.replace({ subscriptions: [A, B], untold: numbered(1, 1, 1) })
    await file.append({ subscriptions: [A_LATER], untold: numbered(1, 2, 3) })
    expect(await file.load()).toEqual({
      subscriptions: [A_LATER, B],
      untold: numbered(1, 1, 3),
      damagedGroups: 0,
    })
  })

  it('cut anywhere holds a group as a whole or not at all', async () => {
    await file.replace({ subscriptions: [A], untold: [] })
    const whole = readFileSync(path, 'utf8')
    await file.append({ subscriptions: [A_LATER, B], untold: numbered(1, 1, 1) })
    const longer = readFileSync(path, 'utf8')
    for (let end = whole.length; end < longer.length - 1; end += 7) {
      const { subscriptions, untold } = parseOwnCopy(longer.slice(0, end))
      expect([subscriptions, untold], `cut at ${end}`).toEqual([[A], []])
    }
    expect(parseOwnCopy(longer).subscriptions).toEqual([A_LATER, B])
  })

  it('that ends torn is written anew by the next process, and loses nothing of it', async () => {
    await file.replace({ subscriptions: [A], untold: [] })
    appendFileSync(path, `${JSON.stringify(B)}\n{"ins`)
    const next = new OwnCopyFile(path)
    expect(await next.load()).toEqual({ subscriptions: [A], untold: [], damagedGroups: 1 })
    expect(next.mustReplace).toBe(true)
    await next.replace({ subscriptions: [A], untold: [] })
    await next.append({ subscriptions: [B], untold: [] })
    await next.close()
    expect(await file.load()).toEqual({ subscriptions: [A, B], untold: [], damagedGroups: 0 })
  })

  it('leaves out a later group that was damaged, and cannot be read where the first one was', async () => {
    await file.replace({ subscriptions: [A], untold: [] })
    await file.append({ subscriptions: [A_LATER], untold: [] })
    await file.append({ subscriptions: [B], untold: [] })
    const text = readFileSync(path, 'utf8')
    const later = parseOwnCopy(text.replace('"mode":"ltp"', '"mode":"lTp"'))
    expect(later).toEqual({ subscriptions: [A, B], untold: [], damagedGroups: 1 })
    expect(() => parseOwnCopy(text.replace('"mode":"full"', '"mode":"fUll"'))).toThrow('damaged')
  })

  it('is to be written anew when it has grown long', async () => {
    await file.replace({ subscriptions: [A], untold: [] })
    expect(file.mustReplace).toBe(false)
    const lastError = 'x'.repeat(OWN_COPY_COMPACT_BYTES + 10_000)
    await file.append({ subscriptions: [{ ...A, lastError }], untold: [] })
    expect(file.mustReplace).toBe(true)
    await file.replace({ subscriptions: [A], untold: [] })
    expect(file.mustReplace).toBe(false)
  })

  it.each(['fostream subscriptions 1', 'fostream subscriptions 2'])('reads %s', async (format) => {
    const [event] = numbered(1, 1, 1)
    const lines = [format, JSON.stringify({ untold: event }), JSON.stringify(A), '']
    writeFileSync(path, lines.join('\n'))
    expect(await file.load()).toEqual({ subscriptions: [A], untold: [event], damagedGroups: 0 })
  })
})

function wanted(strike: number, holder: string): Subscription {
  const { slot, home, ...saved } = newSubscription(
    option(strike, 'CE'),
    { mode: 'full', priority: 'normal', holder },
    1,
  )
  expect([slot, home]).toEqual([undefined, undefined])
  return saved as Subscription
}
