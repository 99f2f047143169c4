/** The promise that this program can trade nothing: no call for orders, positions or funds exists. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { KiteRest } from '../../src/kite/rest.ts'

const src = fileURLToPath(new URL('../../src', import.meta.url))

it('the REST client has calls for market data and the session, and no others', () => {
  const calls = Object.getOwnPropertyNames(KiteRest.prototype).filter((name) => name !== 'byKeys')
  expect(calls.sort()).toEqual([
    'constructor',
    'createSession',
    'history',
    'instrumentsCsv',
    'invalidateSession',
    'ltp',
    'ohlc',
    'profile',
    'quotes',
  ])
})

it('no source file names a path of the broker for orders, positions, funds or alerts', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  const sources = files.filter((file) => file.endsWith('.ts'))
  const forbidden = /['"`]\/(orders?|trades|portfolio|positions|holdings|gtt|alerts|mf|margins)\b/
  const margins = /\/user\/margins/
  const offending = sources.filter((file) => {
    const text = readFileSync(join(src, file), 'utf8')
    return forbidden.test(text) || margins.test(text)
  })
  expect(sources.length).toBeGreaterThan(10)
  expect(offending).toEqual([])
})
