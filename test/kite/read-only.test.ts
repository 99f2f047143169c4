/** The promise that this program can trade nothing: no call for orders, positions or funds exists. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/kit/clock.ts'
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

it('all its calls together ask the broker for these paths, and for no others', async () => {
  const asked = new Set<string>()
  const server = createServer((request, response) => {
    asked.add(`${request.method} ${new URL(request.url ?? '', 'http://broker').pathname}`)
    response.writeHead(403).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const rest = new KiteRest({ root, apiKey: 'key', accessToken: () => 't', clock: systemClock })
  const day = { token: 1, interval: 'day', fromMs: 0, toMs: 1 } as const
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    instrumentsCsv: () => rest.instrumentsCsv('NFO'),
    history: () => rest.history(day),
    quotes: () => rest.quotes(['a']),
    ohlc: () => rest.ohlc(['a']),
    ltp: () => rest.ltp(['a']),
    profile: () => rest.profile(),
    createSession: () => rest.createSession('r', 's'),
    invalidateSession: () => rest.invalidateSession(),
  }
  const own = Object.getOwnPropertyNames(KiteRest.prototype)
  const called = own.filter((name) => name !== 'constructor' && name !== 'byKeys')
  expect(Object.keys(calls).sort()).toEqual(called.sort())
  await Promise.allSettled(Object.values(calls).map((call) => call()))
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect([...asked].sort()).toEqual([
    'DELETE /session/token',
    'GET /instruments/NFO',
    'GET /instruments/historical/1/day',
    'GET /quote',
    'GET /quote/ltp',
    'GET /quote/ohlc',
    'GET /user/profile',
    'POST /session/token',
  ])
})
