/** The page open in a browser over a backend of its own, with the few questions that tests ask. */
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { ExpectStatic } from 'vitest'
import { ARTIFACTS } from './browser.ts'
import { FakeBackend } from './fake-backend.ts'

// A machine that runs everything at once is slow to paint; nothing passes later than it is true.
const WAIT_MS = 45_000
const WIDE = { width: 1280, height: 800 }

export class MonitorOnScreen {
  readonly backend: FakeBackend
  readonly page: Page
  readonly #expect: ExpectStatic
  readonly #faults: string[] = []

  constructor(backend: FakeBackend, page: Page, expect: ExpectStatic) {
    this.#expect = expect
    this.backend = backend
    this.page = page
    page.setDefaultTimeout(WAIT_MS)
    page.on('pageerror', (error) => this.#faults.push(error.message))
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) this.#faults.push(message.text())
    })
  }

  async open(query = ''): Promise<void> {
    await this.page.goto(this.backend.url + query)
  }

  async openLive(query = ''): Promise<void> {
    await this.open(query)
    await this.shown('chain').waitFor()
    await this.until(() => this.connection()).toBe('Live')
  }

  /** Asks again and again until the answer is as expected. */
  until(read: () => Promise<unknown>) {
    return this.#expect.poll(read, { timeout: WAIT_MS })
  }

  /** Script faults, breaches of the content policy and messages that are not of the protocol. */
  faults(): string[] {
    return [...this.#faults, ...this.backend.breaches]
  }

  shown(id: string) {
    return this.page.getByTestId(id)
  }

  text(id: string): Promise<string> {
    return this.shown(id).innerText()
  }

  connection(): Promise<string> {
    return this.text('connection')
  }

  rows(): Promise<number> {
    return this.page.locator('tbody tr').count()
  }

  /** The part of the address that holds the choice. */
  search(): string {
    return new URL(this.page.url()).search
  }

  /** Colour of the cell behind a figure. */
  background(id: string): Promise<string> {
    return this.shown(id).evaluate((element) => {
      const cell = element.closest('td')
      return cell.ownerDocument.defaultView.getComputedStyle(cell).backgroundColor
    })
  }

  async accessibilityFaults(): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze()
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)
  }

  picture(name: string): Promise<unknown> {
    return this.page.screenshot({ path: join(ARTIFACTS, `${name}.png`) })
  }
}

/**
 * Runs `test` with a page and a backend of its own, and ends both. `expect` is that of the running
 * test, since several run at once.
 */
export async function withMonitor(
  browser: Browser,
  webRoot: string,
  expect: ExpectStatic,
  test: (monitor: MonitorOnScreen) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const backend = new FakeBackend(webRoot)
  await backend.start()
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', ...options })
  const monitor = new MonitorOnScreen(backend, await context.newPage(), expect)
  try {
    await test(monitor)
    expect(monitor.faults()).toEqual([])
  } finally {
    await context.close()
    await backend.kill()
  }
}
