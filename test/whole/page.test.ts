import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../until.ts'
import { ARTIFACTS, hasBrowser, launchBrowser } from '../web/browser.ts'
import { isLive, liveChain } from './live-chain.ts'
import { type Platform, platform } from './platform.ts'

describe.skipIf(!hasBrowser())('the Monitor on a running platform', () => {
  let running: Platform
  let browser: Browser

  beforeAll(async () => {
    running = await platform()
    await running.start()
    await until(() => isLive(running), 90_000)
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await running?.dispose()
  })

  async function heldByViews(): Promise<number> {
    const answer = await fetch(`${running.tickerUrl}/subscriptions?status=active`)
    const rows = (await answer.json()) as { requested_by: string[] }[]
    return rows.filter(({ requested_by }) => requested_by.includes('view')).length
  }

  it('shows the live chain, its values change, and it comes back by itself after a kill', {
    timeout: 240_000,
  }, async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    await page.goto(`${running.backendUrl}/`)
    const text = (id: string) => page.getByTestId(id).first().innerText()
    await until(async () => /Live/.test(await text('connection')), 90_000)

    expect(await text('band')).toMatch(/simulated market/i)
    const atm = (await liveChain(running))?.atm_strike ?? 0
    await page.getByTestId(`row-${atm}`).waitFor()
    const spot = await text('header-spot')
    const ltp = await text(`call-ltp-${atm}`)
    expect(Number(spot.replaceAll(/[^0-9.]/g, ''))).toBeGreaterThan(1000)
    await until(async () => (await text('header-spot')) !== spot, 90_000)
    await until(async () => (await text(`call-ltp-${atm}`)) !== ltp, 90_000)
    expect(await text('header-pcr')).toMatch(/\d/)
    expect(await text('header-max-pain')).toMatch(/\d/)
    expect(await text('header-forward')).toMatch(/\d/)
    await page.screenshot({ path: `${ARTIFACTS}/platform-1280.png` })
    // Index, future and 21 strikes of what it shows are held for it, at the least.
    await until(async () => (await heldByViews()) >= 44, 90_000)

    await running.kill()
    await until(async () => !/Live/.test(await text('connection')), 90_000)
    await running.start()
    await until(async () => /Live/.test(await text('connection')), 90_000)
    const after = await text('header-spot')
    await until(async () => (await text('header-spot')) !== after, 90_000)
    expect(faults).toEqual([])
  })
})
