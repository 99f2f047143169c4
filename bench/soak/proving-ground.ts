/**
 * A ticker with three accounts against the simulated exchange, each a process of its own, and the
 * rounds of disturbance and agreement that it goes through.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { TickerStatus } from '../../src/contract/api/ticker-status.ts'
import type { TickMode } from '../../src/market/tick.ts'
import { getJson, postJson, putJson } from '../load/http.ts'
import { watchList } from '../load/market-load.ts'
import { Program } from '../load/program.ts'
import { Random } from '../load/random.ts'
import { TickerChild } from '../load/ticker-child.ts'
import { JOURNAL_FOLDER, type TickerOrder } from '../load/ticker-order.ts'
import { compareBooks } from './compare-books.ts'
import { Journalled } from './journalled.ts'
import { type LoginAccount, logIn } from './log-in.ts'
import { SubscriptionModel } from './model.ts'
import { SentBooks } from './sent-books.ts'
import { disagreements } from './settled.ts'
import { describeStep, type Step, Steps, spread } from './steps.ts'

const UNIVERSE = 3_000
const AT_FIRST = 1_500
const TICKS_PER_SECOND = 3_000
const MUTE_AFTER_MS = 2_000
/** The longest reconnect wait is 30 s, a fault lasts up to 5 s. */
const SETTLE_WITHIN_MS = 45_000
const LOOK_MS = 200
/** Makes seeds that are near each other begin far apart. */
const GOLDEN_RATIO = 0x9e3779b1

export interface SoakOptions {
  /** Of this run alone; the caller removes it. */
  readonly folder: string
  /** Undefined: the ticker runs without a store. */
  readonly databaseUrl: string | undefined
  /** The built program, for the exchange. */
  readonly main: string
  readonly seed: number
  readonly seconds: number
  /** Tells a person what is going on. */
  readonly say: (text: string) => void
}

interface ControlAccount extends LoginAccount {
  readonly name: string
  readonly access_token: string
}

interface Parts {
  readonly options: SoakOptions
  readonly accounts: readonly ControlAccount[]
  readonly exchange: Program
  readonly exchangeUrl: string
  readonly order: TickerOrder
  readonly ticker: TickerChild
  readonly store: pg.Client | undefined
}

export class ProvingGround {
  readonly #parts: Parts
  readonly #model = new SubscriptionModel()
  readonly #steps: Steps
  readonly #universe: readonly number[]
  readonly #sent: SentBooks
  #ticker: TickerChild

  static async open(options: SoakOptions): Promise<ProvingGround> {
    const { folder, databaseUrl, main, seed } = options
    const exchangeFolder = join(folder, 'exchange')
    const tickerFolder = join(folder, 'ticker')
    await Promise.all([mkdir(exchangeFolder), mkdir(tickerFolder)])
    const exchange = await Program.start({
      main,
      command: 'exchange',
      folder: exchangeFolder,
      env: { EXCHANGE_SEED: String(seed), EXCHANGE_TICKS_PER_SECOND: String(TICKS_PER_SECOND) },
    })
    const exchangeUrl = await exchange.address('exchange at')
    const accounts = await getJson<ControlAccount[]>(`${exchangeUrl}/control/accounts`)
    const order: TickerOrder = {
      folder: tickerFolder,
      brokerUrl: exchangeUrl,
      accounts: accounts.map((each) => ({
        name: each.name,
        apiKey: each.api_key,
        accessToken: each.access_token,
      })),
      databaseUrl,
      instrumentsPerAccount: 1_500,
      muteAfterMs: MUTE_AFTER_MS,
      marketTimeMs: (await marketTime(exchangeUrl)).marketMs,
    }
    const ticker = await TickerChild.start(order)
    const store = databaseUrl === undefined ? undefined : new pg.Client(databaseUrl)
    await store?.connect()
    return new ProvingGround({ options, accounts, exchange, exchangeUrl, order, ticker, store })
  }

  private constructor(parts: Parts) {
    const { seed } = parts.options
    this.#parts = parts
    this.#ticker = parts.ticker
    this.#sent = new SentBooks(parts.exchangeUrl)
    this.#universe = watchList(seed, UNIVERSE, Date.now()).map(({ token }) => token)
    const accounts = parts.order.accounts.map(({ name }) => name)
    this.#steps = new Steps(new Random(Math.imul(seed, GOLDEN_RATIO)), this.#universe, accounts)
  }

  /** What does not hold; empty where all does. */
  async run(): Promise<readonly string[]> {
    const { seed, seconds, say } = this.#parts.options
    say(
      `seed ${seed}, ${seconds} s, ${this.#parts.store === undefined ? 'no store' : 'PostgreSQL'}`,
    )
    await this.#subscribe(this.#universe.slice(0, AT_FIRST), 'full', 'alpha')
    const untilMs = performance.now() + seconds * 1000
    for (let round = 0; ; round++) {
      const violations = await this.#settle(round)
      if (violations.length > 0) return violations
      if (performance.now() > untilMs) break
      const steps = this.#steps.round()
      say(`${String(round + 1).padStart(4)}  ${steps.map(describeStep).join(' · ')}`)
      for (const step of steps) await this.#do(step)
    }
    return this.#finish()
  }

  async close(): Promise<void> {
    await this.#parts.store?.end()
    await Promise.all([this.#ticker.stop(), this.#parts.exchange.stop()])
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'subscribe':
        return this.#subscribe(step.tokens, step.mode, step.holder)
      case 'mode':
        return this.#subscribe(this.#some(step), step.mode, step.holder)
      case 'unsubscribe':
        return this.#unsubscribe(this.#some(step), step.holder)
      case 'fault':
        return this.#fault(step)
      case 'kill':
        await this.#ticker.kill()
        return this.#startTicker()
      case 'restart':
        await this.#ticker.stop()
        return this.#startTicker()
    }
  }

  #some({ share, holder }: { readonly share: number; readonly holder: string }): number[] {
    const held = this.#model.heldBy(holder).toSorted((a, b) => a - b)
    return spread(held, share)
  }

  async #subscribe(tokens: readonly number[], mode: TickMode, holder: string): Promise<void> {
    if (tokens.length === 0) return
    const instruments = tokens.map((token) => ({ instrument_token: token, mode }))
    const headers = { 'x-requested-by': holder }
    const { errors } = await postJson<{ errors: unknown[] }>(
      `${this.#ticker.url}/subscriptions`,
      { instruments },
      headers,
    )
    if (errors.length > 0) throw new Error(`not subscribed: ${JSON.stringify(errors.slice(0, 3))}`)
    this.#model.subscribe(tokens, mode, holder)
  }

  async #unsubscribe(tokens: readonly number[], holder: string): Promise<void> {
    if (tokens.length === 0) return
    const url = `${this.#ticker.url}/subscriptions?instrument_token=${tokens.join(',')}`
    const response = await fetch(url, {
      method: 'DELETE',
      headers: { 'x-requested-by': holder },
    })
    if (!response.ok) throw new Error(`not unsubscribed: ${await response.text()}`)
    this.#model.unsubscribe(tokens, holder)
  }

  async #fault({ fault, account, durationMs }: Step & { kind: 'fault' }): Promise<void> {
    await this.#sent.read()
    await postJson(`${this.#parts.exchangeUrl}/control/faults`, {
      fault,
      ...(account === undefined ? {} : { account }),
      duration_ms: durationMs,
    })
  }

  async #startTicker(): Promise<void> {
    const { order, exchangeUrl } = this.#parts
    const { marketMs } = await marketTime(exchangeUrl)
    this.#ticker = await TickerChild.start({ ...order, marketTimeMs: marketMs })
  }

  /** What the user does where an account is down. */
  async #logInAgain(): Promise<void> {
    const { exchangeUrl } = this.#parts
    const { faults } = await getJson<{ faults: unknown[] }>(`${exchangeUrl}/control/faults`)
    if (faults.length > 0) return
    const { accounts } = await getJson<TickerStatus>(`${this.#ticker.url}/status`)
    for (const { name, state } of accounts) {
      const account = this.#parts.accounts.find((each) => each.name === name)
      if (state === 'up' || account === undefined) continue
      await putJson(`${this.#ticker.url}/accounts/${name}/access_token`, {
        access_token: await logIn(exchangeUrl, account),
      })
    }
  }

  /** Waits until everybody agrees; answers with what they disagree on when the time is over. */
  async #settle(round: number): Promise<readonly string[]> {
    const { exchangeUrl, order, store } = this.#parts
    const { say } = this.#parts.options
    const startMs = performance.now()
    const sinceMs = Date.now()
    const copyPath = join(order.folder, 'subscriptions.jsonl')
    for (;;) {
      if (!this.#ticker.isRunning) return [`the ticker ended: ${this.#ticker.said.slice(-2000)}`]
      const tickerUrl = this.#ticker.url
      const found = await disagreements(
        { exchangeUrl, tickerUrl, copyPath, store, model: this.#model },
        sinceMs,
      )
      await this.#logInAgain()
      await this.#sent.read()
      const tookMs = performance.now() - startMs
      if (found.length === 0) {
        const { size } = this.#model.held
        say(
          `${String(round).padStart(4)}  settled in ${(tookMs / 1000).toFixed(1)} s, ${size} instruments`,
        )
        return []
      }
      if (tookMs > SETTLE_WITHIN_MS) {
        say(await lastLines(join(order.folder, 'ticker.log')))
        return found.map((each) => `not so within ${SETTLE_WITHIN_MS} ms: ${each}`)
      }
      await pause(LOOK_MS)
    }
  }

  /** Silence, an orderly end, and the books. */
  async #finish(): Promise<readonly string[]> {
    const { exchangeUrl, order } = this.#parts
    await postJson(`${exchangeUrl}/control/rate`, { ticks_per_second: 0 })
    await pause(1_000)
    await this.#sent.read()
    await this.#ticker.stop()
    await this.#sent.read()
    const { marketMs, wallMs } = await marketTime(exchangeUrl)
    const journalled = await Journalled.read(join(order.folder, JOURNAL_FOLDER))
    const books = compareBooks(this.#sent, journalled, marketMs - wallMs)
    this.#parts.options.say(
      `${this.#sent.connections.size} connections were sent ${books.sent} packets: ` +
        `${books.journalled} journalled, ${books.rejected} rejected, ${books.missing} missing`,
    )
    return books.faults
  }
}

async function marketTime(exchangeUrl: string): Promise<{ marketMs: number; wallMs: number }> {
  const clock = await getJson<{ market_time_ms: number; wall_time_ms: number }>(
    `${exchangeUrl}/control/clock`,
  )
  return { marketMs: clock.market_time_ms, wallMs: clock.wall_time_ms }
}

async function lastLines(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).split('\n').slice(-40).join('\n')
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
