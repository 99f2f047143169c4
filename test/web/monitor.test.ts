import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PAGE_STALE_AFTER_MS } from '../../src/limits.ts'
import { formatPrice, formatRatio } from '../../web/number-format.ts'
import { ARTIFACTS, buildPage, hasBrowser, launchBrowser } from './browser.ts'
import { FakeBackend } from './fake-backend.ts'

const WAIT_MS = 15_000
const WIDE = { width: 1280, height: 800 }
const NARROW = { width: 390, height: 844 }

describe.skipIf(!hasBrowser())('the Monitor in a browser', () => {
  let browser: Browser
  let webRoot: string
  let backend: FakeBackend
  let page: Page
  let faults: string[] = []

  beforeAll(async () => {
    ;[webRoot, browser] = await Promise.all([buildPage(), launchBrowser()])
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(webRoot, { recursive: true, force: true })
  })
  beforeEach(async () => {
    backend = new FakeBackend(webRoot)
    await backend.start()
  })
  afterEach(async () => {
    await page.context().close()
    await backend.kill()
    expect(backend.breaches, 'messages that are not of the protocol').toEqual([])
    expect(faults, 'faults of the page').toEqual([])
  })

  /** Opens the page; a script fault or a breach of the content policy fails the test. */
  async function open(query = '', options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', ...options })
    page = await context.newPage()
    faults = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text())
    })
    await page.goto(backend.url + query)
  }

  async function openLive(query = '', options: BrowserContextOptions = {}): Promise<void> {
    await open(query, options)
    await shown('chain').waitFor({ timeout: WAIT_MS })
    await until(connection).toBe('Live')
  }

  const shown = (id: string) => page.getByTestId(id)
  const connection = () => shown('connection').innerText()
  const until = (read: () => Promise<unknown>) => expect.poll(read, { timeout: WAIT_MS })
  const picture = (name: string) => page.screenshot({ path: join(ARTIFACTS, `${name}.png`) })
  const search = () => new URL(page.url()).search
  const zoneOf = (strike: number) => shown(`row-${strike}`).getAttribute('data-zone')
  const background = (id: string) =>
    shown(id).evaluate((element) => {
      const cell = element.closest('td')
      return cell.ownerDocument.defaultView.getComputedStyle(cell).backgroundColor
    })
  const seriousFaults = async () => {
    const { violations } = await new AxeBuilder({ page }).analyze()
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)
  }

  it('shows values that move with the market', async () => {
    await openLive()
    const before = await shown('header-spot').innerText()
    const ltp = await shown('call-ltp-26050').innerText()
    await until(() => shown('header-spot').innerText()).not.toBe(before)
    await until(() => shown('call-ltp-26050').innerText()).not.toBe(ltp)
    backend.frozen = true
    const chain = backend.current('NIFTY50', '2026-11-23')
    await until(() => shown('header-spot').innerText()).toBe(formatPrice(chain.spot))
    const leg = chain.strikes.find((row) => row.strike === 26_050)?.call
    await until(() => shown('call-ltp-26050').innerText()).toBe(formatPrice(leg?.ltp))
  })

  it('opens centred on the marked ATM row, with in-the-money legs shaded', async () => {
    await openLive('?strikes=20')
    backend.frozen = true
    const atm = backend.current('NIFTY50', '2026-11-23').atm_strike as number
    const row = shown(`row-${atm}`)
    await until(() => row.getAttribute('aria-current')).toBe('true')
    const place = await row.boundingBox()
    expect(place?.y).toBeGreaterThan(350)
    expect(place?.y).toBeLessThan(650)
    expect(await zoneOf(atm - 100)).toBe('below')
    expect(await zoneOf(atm + 100)).toBe('above')
    const itm = await background(`call-ltp-${atm - 100}`)
    expect(await background(`put-ltp-${atm + 100}`)).toBe(itm)
    expect(await background(`put-ltp-${atm - 100}`)).not.toBe(itm)
  })

  it('says in a fixed band that the market is simulated', async () => {
    await openLive()
    await page.mouse.move(640, 500)
    await page.mouse.wheel(0, 4_000)
    expect(await shown('band').innerText()).toContain('SIMULATED MARKET')
    expect((await shown('band').boundingBox())?.y).toBe(0)
  })

  it('computes nothing of the whole chain from the window alone', async () => {
    await openLive('?strikes=10')
    backend.frozen = true
    const { pcr_oi } = backend.current('NIFTY50', '2026-11-23')
    await until(() => shown('header-pcr').innerText()).toBe(formatRatio(pcr_oi))
    expect(await shown('completeness').innerText()).toBe('all 97 of 97 strikes')
    expect(await page.locator('tbody tr').count()).toBe(21)
  })

  it('says beside PCR and max pain when strikes are missing', async () => {
    await openLive('?expiry=2026-12-29')
    expect(await shown('completeness').innerText()).toBe('only 91 of 97 strikes')
  })

  it('shows what is not known as a dash with the reason', async () => {
    await openLive('?strikes=all')
    expect(await page.locator('tbody tr').count()).toBe(97)
    const far = shown('call-iv-23600')
    expect(await far.innerText()).toBe('–')
    expect(await far.locator('..').getAttribute('title')).toContain('has not traded')
    expect(await shown('put-ltp-26350').innerText()).toBe('–')
  })

  it('shows lost connections, keeps the last chain, grows stale and comes back by itself', async () => {
    await openLive()
    // The data is nearly too old already, so that the test need not wait for it.
    backend.extraAgeMs = PAGE_STALE_AFTER_MS - 4_000
    await until(() => shown('age').innerText()).toMatch(/^[6-9] s old$/)
    await backend.kill()
    await until(connection).toMatch(/Reconnecting|Backend gone/)
    await until(connection).toBe('Backend gone')
    await picture('monitor-gone')
    expect(await shown('chain').isVisible()).toBe(true)
    await shown('stale').waitFor({ timeout: WAIT_MS })
    expect(await shown('stale').innerText()).toMatch(/^These figures are \d+ s old\.$/)
    await picture('monitor-stale')
    backend.extraAgeMs = 0
    await backend.start()
    await until(connection).toBe('Live')
    await until(() => shown('stale').count()).toBe(0)
    const spot = await shown('header-spot').innerText()
    await until(() => shown('header-spot').innerText()).not.toBe(spot)
  })

  it('calls data stale that stopped coming while the connection is up', async () => {
    await openLive()
    backend.extraAgeMs = PAGE_STALE_AFTER_MS
    await until(connection).toBe('Stale')
    backend.extraAgeMs = 0
    await until(connection).toBe('Live')
  })

  it('lets the age of the data tick without new data', async () => {
    await openLive()
    backend.frozen = true
    const age = async () => Number(await shown('age').getAttribute('data-age-ms'))
    const before = await age()
    await until(async () => (await age()) >= before + 1_000).toBe(true)
    expect(await shown('age').innerText()).toMatch(/^\d+ s old$/)
  })

  it('says that the market is closed instead of calling its last data stale', async () => {
    backend.session = 'closed'
    backend.extraAgeMs = 2 * 3_600_000
    backend.frozen = true
    await open()
    await until(connection).toBe('Market closed')
    expect(await shown('age').innerText()).toBe('2 h old')
    expect(await shown('stale').count()).toBe(0)
  })

  it('refreshes over REST while the stream cannot be had', async () => {
    backend.refuseStreams = true
    await open()
    await until(connection).toBe('Refreshing')
    expect(await shown('chain').isVisible()).toBe(true)
    backend.refuseStreams = false
    await until(connection).toBe('Live')
  })

  it('asks for a new snapshot after a jump in the sequence', async () => {
    await openLive()
    backend.skipOne = true
    await until(async () => backend.received.map(({ op }) => op)).toContain('resnapshot')
    const spot = await shown('header-spot').innerText()
    await until(() => shown('header-spot').innerText()).not.toBe(spot)
    expect(await connection()).toBe('Live')
  })

  it('says why a chain cannot be shown', async () => {
    await open('?symbol=NOSUCH')
    await until(() => shown('placeholder').innerText()).toContain('No underlying is called NOSUCH')
    await picture('monitor-refused')
  })

  it('keeps the choice in the address, and goes back with the browser', async () => {
    await openLive('?symbol=NIFTY50&expiry=2026-12-01&strikes=20')
    expect(await page.locator('tbody tr').count()).toBe(41)
    await shown('underlying').selectOption('SENSEX')
    await shown('row-85200').waitFor({ timeout: WAIT_MS })
    expect(search()).toBe('?symbol=SENSEX&strikes=20')
    await page.goBack()
    await shown('row-26000').waitFor({ timeout: WAIT_MS })
    const chosen = shown('expiries').locator('input:checked')
    await until(() => chosen.getAttribute('value')).toBe('2026-12-01')
  })

  it('is worked by keyboard alone', async () => {
    await openLive()
    await page.keyboard.press('Tab')
    expect(await shown('underlying').evaluate((element) => element.matches(':focus'))).toBe(true)
    await page.keyboard.press('Tab')
    await page.keyboard.press('ArrowRight')
    await until(async () => search()).toBe('?symbol=NIFTY50&expiry=2026-12-01')
    await shown('chain').waitFor({ timeout: WAIT_MS })
    await page.getByRole('radio', { name: '±10' }).focus()
    await page.keyboard.press('ArrowRight')
    await until(async () => search()).toContain('strikes=20')
    await until(() => page.locator('tbody tr').count()).toBe(41)
    await page.getByText('Columns', { exact: true }).focus()
    await page.keyboard.press('Enter')
    await page.getByLabel('Theta').focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('Escape')
    expect(await shown('call-theta-26000').innerText()).toMatch(/^−\d/)
    const box = page.locator('.chain-box')
    await box.focus()
    const before = await box.evaluate((element) => element.scrollTop)
    await page.keyboard.press('PageDown')
    await until(() => box.evaluate((element) => element.scrollTop)).not.toBe(before)
  })

  it('has no fault that axe can find, light, dark and narrow', async () => {
    await openLive('?strikes=20', { reducedMotion: 'reduce' })
    backend.frozen = true
    expect(await seriousFaults()).toEqual([])
    await picture('monitor-1280-light')
    await page.getByText('Columns', { exact: true }).click()
    await picture('monitor-columns')
    await shown('theme').click()
    await shown('theme').click()
    expect(await shown('theme').innerText()).toContain('Dark')
    expect(await seriousFaults()).toEqual([])
    await picture('monitor-1280-dark')
    await page.setViewportSize(NARROW)
    await shown('call-volume-26000').waitFor({ state: 'detached' })
    expect(await seriousFaults()).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(NARROW.width)
    await picture('monitor-390')
  })

  it('moves nothing for who asked for less motion', async () => {
    await openLive('', { reducedMotion: 'reduce' })
    const spot = await shown('header-spot').innerText()
    await until(() => shown('header-spot').innerText()).not.toBe(spot)
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
  })
})
