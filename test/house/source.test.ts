import { describe, expect, it } from 'vitest'
import { placesOf, type SourceFile, sourceFiles } from './source-files.ts'

const code = sourceFiles(['src', 'web', 'scripts', 'bench'], ['.ts', '.tsx', '.mjs'])
const product = code.filter(({ path }) => /^(src|web)\//.test(path))

const SWALLOWED_CATCH = /catch\s*(\([^)]*\))?\s*\{(\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*\}/g
/** A promise that ends others' waiting is settled with `Promise.allSettled`, not caught and forgotten. */
const SWALLOWED_REJECTION =
  /\.catch\(\s*\(\w*\)\s*=>\s*(\{(\s|\/\/[^\n]*)*\}|undefined|void 0)\s*\)/g
const CONSOLE = /\bconsole\s*[.[]/g
const UNFINISHED = /\b(TODO|FIXME|XXX|HACK)\b/g
/** Kite's calls for orders, trades, positions, holdings, funds; as a path in a text. */
const TRADING_PATH = /['"`][^'"`\n]*\/(orders|trades|portfolio|user\/margins|margins|gtt|mf)\b/g
const TRADING_CALL =
  /\b(place|modify|cancel|exit)_?(order|gtt)\b|\bget_?(orders|trades|positions|holdings|margins)\b/gi
const OWN_TIME_OR_CHANCE = /\bDate\.now\(|\bMath\.random\(/g

function fileOf(text: string): SourceFile[] {
  return [{ path: 'sample.ts', text }]
}

describe('the source', () => {
  it('is found', () => {
    expect(product.length).toBeGreaterThan(50)
  })

  it('swallows no error', () => {
    expect(placesOf(code, SWALLOWED_CATCH)).toEqual([])
    expect(placesOf(code, SWALLOWED_REJECTION)).toEqual([])
  })

  it('writes nothing to the console', () => {
    expect(placesOf(code, CONSOLE)).toEqual([])
  })

  it('is finished', () => {
    expect(placesOf(code, UNFINISHED)).toEqual([])
  })

  it('opens every file with what it is', () => {
    const silent = product.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
    expect(silent.map(({ path }) => path)).toEqual([])
  })

  it('takes time and chance from the clock and the composition root only', () => {
    const handed = product.filter(
      ({ path }) => /^src\//.test(path) && !/^src\/(kit\/clock|main)\.ts$/.test(path),
    )
    expect(placesOf(handed, OWN_TIME_OR_CHANCE)).toEqual([])
  })
})

describe('no order can be placed', () => {
  it('because no such path or call is in the code', () => {
    expect(placesOf(product, TRADING_PATH)).toEqual([])
    expect(placesOf(product, TRADING_CALL)).toEqual([])
  })
})

describe('these tests would see', () => {
  it.each([
    ['an empty catch', SWALLOWED_CATCH, 'try { a() } catch {}'],
    ['a catch with only a comment', SWALLOWED_CATCH, 'try { a() } catch (e) {\n  // fine\n}'],
    ['a swallowed rejection', SWALLOWED_REJECTION, 'void a().catch(() => {})'],
    ['a rejection made undefined', SWALLOWED_REJECTION, 'a().catch((error) => undefined)'],
    ['a console', CONSOLE, "console.error('x')"],
    ['an order path', TRADING_PATH, "post('/orders/regular')"],
    ['an order path in a URL', TRADING_PATH, 'fetch(`https://api.kite.trade/orders`)'],
    ['the funds', TRADING_PATH, "get(root + '/user/margins')"],
    ['the positions', TRADING_PATH, "get('/portfolio/positions')"],
    ['an order call', TRADING_CALL, 'kite.placeOrder(x)'],
    ['a positions call', TRADING_CALL, 'await kite.getPositions()'],
    ['the wall clock', OWN_TIME_OR_CHANCE, 'const now = Date.now()'],
  ])('%s', (_what, pattern, text) => {
    expect(placesOf(fileOf(`first line\n${text}`), pattern)).toEqual(['sample.ts:2'])
  })

  it.each([
    ['a catch that counts', SWALLOWED_CATCH, 'catch { count += 1 }'],
    ['a rejection that is handled', SWALLOWED_REJECTION, 'a().catch((error) => log.warn(error))'],
    ['a position of the log', TRADING_CALL, 'positions(consumer)'],
    ['the history path', TRADING_PATH, "get('/instruments/historical/1/minute')"],
  ])('nothing in %s', (_what, pattern, text) => {
    expect(placesOf(fileOf(text), pattern)).toEqual([])
  })
})
