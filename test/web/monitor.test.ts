import { rmSync } from 'node:fs'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backfill } from '../../src/contract/api/backfills.ts'
import { PAGE_STALE_AFTER_MS } from '../../src/limits.ts'
import { formatPrice, formatRatio } from '../../web/number-format.ts'
import { buildPage, hasBrowser, launchBrowser } from './browser.ts'
import { type MonitorOnScreen, withMonitor } from './monitor-on-screen.ts'

const NARROW = { width: 390, height: 844 }
const CALM: BrowserContextOptions = { reducedMotion: 'reduce' }

// At once, since most of them wait for the page's own timers.
describe.skipIf(!hasBrowser())(
  'the Monitor in a browser',
  { concurrent: true, timeout: 180_000 },
  () => {
    let browser: Browser
    let webRoot: string

    beforeAll(async () => {
      ;[webRoot, browser] = await Promise.all([buildPage(), launchBrowser()])
    })
    afterAll(async () => {
      await browser?.close()
      rmSync(webRoot, { recursive: true, force: true })
    })

    const monitorIt = (
      name: string,
      test: (monitor: MonitorOnScreen) => Promise<void>,
      options: BrowserContextOptions = {},
    ) => it(name, ({ expect }) => withMonitor(browser, webRoot, expect, test, options))

    monitorIt('shows values that move with the market', async (monitor) => {
      const { backend } = monitor
      await monitor.openLive()
      const before = await monitor.text('header-spot')
      const ltp = await monitor.text('call-ltp-26050')
      await monitor.until(() => monitor.text('header-spot')).not.toBe(before)
      await monitor.until(() => monitor.text('call-ltp-26050')).not.toBe(ltp)
      backend.frozen = true
      const chain = backend.current('NIFTY50', '2026-11-23')
      await monitor.until(() => monitor.text('header-spot')).toBe(formatPrice(chain.spot))
      const leg = chain.strikes.find((row) => row.strike === 26_050)?.call
      await monitor.until(() => monitor.text('call-ltp-26050')).toBe(formatPrice(leg?.ltp))
    })

    monitorIt(
      'opens centred on the marked ATM row, with in-the-money legs shaded',
      async (monitor) => {
        const { backend } = monitor
        await monitor.openLive('?strikes=20')
        backend.frozen = true
        const atm = backend.current('NIFTY50', '2026-11-23').atm_strike as number
        const row = monitor.shown(`row-${atm}`)
        await monitor.until(() => row.getAttribute('aria-current')).toBe('true')
        const place = await row.boundingBox()
        expect(place?.y).toBeGreaterThan(350)
        expect(place?.y).toBeLessThan(650)
        expect(await monitor.shown(`row-${atm - 100}`).getAttribute('data-zone')).toBe('below')
        expect(await monitor.shown(`row-${atm + 100}`).getAttribute('data-zone')).toBe('above')
        const itm = await monitor.background(`call-ltp-${atm - 100}`)
        expect(await monitor.background(`put-ltp-${atm + 100}`)).toBe(itm)
        expect(await monitor.background(`put-ltp-${atm - 100}`)).not.toBe(itm)
      },
    )

    monitorIt('says in a fixed band that the market is simulated', async (monitor) => {
      const { page } = monitor
      await monitor.openLive()
      await page.mouse.move(640, 500)
      await page.mouse.wheel(0, 4_000)
      expect(await monitor.text('band')).toContain('SIMULATED MARKET')
      expect((await monitor.shown('band').boundingBox())?.y).toBe(0)
    })

    monitorIt('computes nothing of the whole chain from the window alone', async (monitor) => {
      const { backend } = monitor
      await monitor.openLive('?strikes=10')
      backend.frozen = true
      const { pcr_oi } = backend.current('NIFTY50', '2026-11-23')
      await monitor.until(() => monitor.text('header-pcr')).toBe(formatRatio(pcr_oi))
      expect(await monitor.text('completeness')).toBe('all 97 of 97 strikes')
      expect(await monitor.rows()).toBe(21)
    })

    monitorIt('says beside PCR and max pain when strikes are missing', async (monitor) => {
      await monitor.openLive('?expiry=2026-12-29')
      expect(await monitor.text('completeness')).toBe('only 91 of 97 strikes')
      const note = (id: string) => monitor.page.locator(`[data-id="${id}"] small`)
      for (const id of ['pcr', 'pcr-volume', 'call-oi', 'put-oi', 'max-pain']) {
        expect(await note(id).innerText()).toBe('of 91 of 97 strikes')
      }
      await monitor.openLive('?expiry=2026-11-23')
      expect(await note('pcr').or(note('max-pain')).count()).toBe(0)
    })

    monitorIt('offers the underlyings that have a chain', async (monitor) => {
      await monitor.openLive()
      const offered = monitor.shown('underlying').locator('option')
      await monitor.until(() => offered.allInnerTexts()).toEqual(['NIFTY50', 'SENSEX'])
    })

    monitorIt('shows what is not known as a dash with the reason', async (monitor) => {
      await monitor.openLive('?strikes=all')
      expect(await monitor.rows()).toBe(97)
      const far = monitor.shown('call-iv-23600')
      expect(await far.innerText()).toBe('–')
      expect(await far.locator('..').getAttribute('title')).toContain('has not traded')
      expect(await monitor.text('put-ltp-26350')).toBe('–')
    })

    monitorIt(
      'shows lost connections, keeps the last chain, grows stale and comes back by itself',
      async (monitor) => {
        const { backend } = monitor
        await monitor.openLive()
        // The data is nearly too old already, so that the test need not wait for it.
        backend.extraAgeMs = PAGE_STALE_AFTER_MS - 4_000
        await monitor.until(() => monitor.text('age')).toMatch(/^[6-9] s old$/)
        await backend.kill()
        await monitor.until(() => monitor.connection()).toMatch(/Reconnecting|Backend gone/)
        await monitor.until(() => monitor.connection()).toBe('Backend gone')
        await monitor.picture('monitor-gone')
        expect(await monitor.shown('chain').isVisible()).toBe(true)
        await monitor.shown('stale').waitFor()
        expect(await monitor.text('stale')).toMatch(/^These figures are \d+ s old\.$/)
        await monitor.picture('monitor-stale')
        backend.extraAgeMs = 0
        await backend.start()
        await monitor.until(() => monitor.connection()).toBe('Live')
        await monitor.until(() => monitor.shown('stale').count()).toBe(0)
        const spot = await monitor.text('header-spot')
        await monitor.until(() => monitor.text('header-spot')).not.toBe(spot)
      },
    )

    monitorIt(
      'calls data stale that stopped coming while the connection is up',
      async (monitor) => {
        const { backend } = monitor
        await monitor.openLive()
        backend.extraAgeMs = PAGE_STALE_AFTER_MS
        await monitor.until(() => monitor.connection()).toBe('Stale')
        backend.extraAgeMs = 0
        await monitor.until(() => monitor.connection()).toBe('Live')
      },
    )

    monitorIt('lets the age of the data tick without new data', async (monitor) => {
      const { backend } = monitor
      await monitor.openLive()
      backend.frozen = true
      const age = async () => Number(await monitor.shown('age').getAttribute('data-age-ms'))
      const before = await age()
      await monitor.until(async () => (await age()) >= before + 1_000).toBe(true)
      expect(await monitor.text('age')).toMatch(/^\d+ s old$/)
    })

    monitorIt(
      'says that the market is closed instead of calling its last data stale',
      async (monitor) => {
        const { backend } = monitor
        backend.session = 'closed'
        backend.extraAgeMs = 2 * 3_600_000
        backend.frozen = true
        await monitor.open()
        await monitor.until(() => monitor.connection()).toBe('Market closed')
        expect(await monitor.text('age')).toBe('2 h old')
        expect(await monitor.shown('stale').count()).toBe(0)
      },
    )

    monitorIt('refreshes over REST while the stream cannot be had', async (monitor) => {
      const { backend } = monitor
      backend.refuseStreams = true
      await monitor.open()
      await monitor.until(() => monitor.connection()).toBe('Refreshing')
      expect(await monitor.shown('chain').isVisible()).toBe(true)
      backend.refuseStreams = false
      await monitor.until(() => monitor.connection()).toBe('Live')
    })

    monitorIt('asks for a new snapshot after a jump in the sequence', async (monitor) => {
      const { backend } = monitor
      await monitor.openLive()
      backend.skipOne = true
      await monitor.until(async () => backend.received.map(({ op }) => op)).toContain('resnapshot')
      const spot = await monitor.text('header-spot')
      await monitor.until(() => monitor.text('header-spot')).not.toBe(spot)
      expect(await monitor.connection()).toBe('Live')
    })

    monitorIt('has what it shows streamed, and says when history is there', async (monitor) => {
      const { backend } = monitor
      const history = { pending: 2, done: 0, eta_ms: 600_000, waits_for: null }
      backend.view = { added: ['NIFTY26050CE', 'NIFTY26050PE'], backfill: history }
      await monitor.openLive()
      await monitor
        .until(() => monitor.text('view-note'))
        .toMatch(/^2 contracts added; history in (10|9) min/)
      await monitor.picture('monitor-view-note')
      expect(backend.views).toEqual([{ symbol: 'NIFTY50', expiry: null, strikes_each_side: 10 }])
      expect(await monitor.accessibilityFaults()).toEqual([])
      await monitor.page.setViewportSize(NARROW)
      expect(await monitor.page.evaluate('document.documentElement.scrollWidth')).toBe(390)
      await monitor.picture('monitor-view-note-390')
      backend.sayBackfills([job('NIFTY26050CE', 'done'), job('NIFTY26050PE', 'done')])
      await monitor.shown('view-note').waitFor({ state: 'detached' })
      await monitor.shown('underlying').selectOption('SENSEX')
      await monitor.until(async () => backend.views.length).toBe(2)
      expect(backend.views[1]).toMatchObject({ symbol: 'SENSEX', expiry: null })
    })

    monitorIt('takes it calmly that nothing can be added', async (monitor) => {
      monitor.backend.view = undefined
      await monitor.openLive()
      await monitor.until(() => monitor.text('view-note')).toContain('cannot be added now')
      expect(await monitor.page.locator('.notice').count()).toBe(0)
    })

    monitorIt('says why a chain cannot be shown', async (monitor) => {
      await monitor.open('?symbol=NOSUCH')
      await monitor
        .until(() => monitor.text('placeholder'))
        .toContain('No underlying is called NOSUCH')
      await monitor.picture('monitor-refused')
    })

    monitorIt(
      'keeps the choice in the address, and goes back with the browser',
      async (monitor) => {
        const { page } = monitor
        await monitor.openLive('?symbol=NIFTY50&expiry=2026-12-01&strikes=20')
        expect(await monitor.rows()).toBe(41)
        await monitor.shown('underlying').selectOption('SENSEX')
        await monitor.shown('row-85200').waitFor()
        expect(monitor.search()).toBe('?symbol=SENSEX&strikes=20')
        await page.goBack()
        await monitor.shown('row-26000').waitFor()
        const chosen = monitor.shown('expiries').locator('input:checked')
        await monitor.until(() => chosen.getAttribute('value')).toBe('2026-12-01')
      },
    )

    monitorIt('is worked by keyboard alone', async (monitor) => {
      const { page } = monitor
      await monitor.openLive()
      await page.keyboard.press('Tab')
      expect(
        await monitor.shown('underlying').evaluate((element) => element.matches(':focus')),
      ).toBe(true)
      await page.keyboard.press('Tab')
      await page.keyboard.press('ArrowRight')
      await monitor.until(async () => monitor.search()).toBe('?symbol=NIFTY50&expiry=2026-12-01')
      await monitor.shown('chain').waitFor()
      await page.getByRole('radio', { name: '±10' }).focus()
      await page.keyboard.press('ArrowRight')
      await monitor.until(async () => monitor.search()).toContain('strikes=20')
      await monitor.until(() => monitor.rows()).toBe(41)
      await page.getByText('Columns', { exact: true }).focus()
      await page.keyboard.press('Enter')
      await page.getByLabel('Theta').focus()
      await page.keyboard.press('Space')
      await page.keyboard.press('Escape')
      expect(await monitor.text('call-theta-26000')).toMatch(/^−\d/)
      const box = page.locator('.chain-box')
      await box.focus()
      const before = await box.evaluate((element) => element.scrollTop)
      await page.keyboard.press('PageDown')
      await monitor.until(() => box.evaluate((element) => element.scrollTop)).not.toBe(before)
    })

    monitorIt(
      'has no fault that axe can find, light, dark and narrow',
      async (monitor) => {
        const { backend, page } = monitor
        await monitor.openLive()
        backend.frozen = true
        expect(await monitor.accessibilityFaults()).toEqual([])
        await monitor.picture('monitor-1280-light')
        await page.getByText('Columns', { exact: true }).click()
        await monitor.picture('monitor-columns')
        await monitor.shown('theme').click()
        await monitor.shown('theme').click()
        expect(await monitor.text('theme')).toContain('Dark')
        expect(await monitor.accessibilityFaults()).toEqual([])
        await monitor.picture('monitor-1280-dark')
        await page.setViewportSize(NARROW)
        await monitor.shown('call-volume-26000').waitFor({ state: 'detached' })
        expect(await monitor.accessibilityFaults()).toEqual([])
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(NARROW.width)
        await monitor.picture('monitor-390')
      },
      CALM,
    )

    monitorIt(
      'moves nothing for who asked for less motion',
      async (monitor) => {
        const { page } = monitor
        await monitor.openLive()
        const spot = await monitor.text('header-spot')
        await monitor.until(() => monitor.text('header-spot')).not.toBe(spot)
        expect(await page.evaluate('document.getAnimations().length')).toBe(0)
      },
      CALM,
    )
  },
)

function job(tradingsymbol: string, status: Backfill['status']): Backfill {
  const at = '2026-11-23T10:15:02.000+05:30'
  return {
    id: tradingsymbol,
    kind: 'immediate',
    scope: 'instrument',
    tradingsymbol,
    instrument_token: 1,
    symbol: 'NIFTY50',
    expiry: '2026-11-23',
    from: at,
    to: at,
    status,
    reason: 'subscribed',
    requested_by: null,
    instruments: 1,
    instruments_done: 1,
    instruments_failed: 0,
    rows: 120,
    eta_ms: null,
    error: null,
    created_at: at,
    started_at: at,
    finished_at: at,
  }
}
