/**
 * The simulated market's time: the wall clock, or `speed` times as fast. It never goes back, not
 * even over restarts: where it has run ahead of the wall, how far is kept in the state folder, a
 * little in advance, so that a killed process resumes after every instant that it has shown.
 *
 * At speed 1, as long as no lead is stored, it simply is the wall clock.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { EXCHANGE_CLOCK_SAVE_PERIOD_MS } from '../limits.ts'

export interface MarketClockOptions {
  readonly clock: Clock
  /** 1 … 600 */
  readonly speed: number
  readonly stateDir: string
  readonly log: Log
}

const FILE = 'exchange-state.json'

export class MarketClock {
  readonly speed: number
  private readonly clock: Clock
  private readonly log: Log
  private readonly file: string
  private readonly startedElapsedMs: number
  private readonly startedMs: number
  /** How far the market was ahead of the wall at the start. */
  private readonly leadMs: number
  private latestMs: number
  private cancelSaving: () => void = () => {}

  constructor({ clock, speed, stateDir, log }: MarketClockOptions) {
    mkdirSync(stateDir, { recursive: true })
    this.speed = speed
    this.clock = clock
    this.log = log
    this.file = join(stateDir, FILE)
    this.leadMs = Math.max(0, this.stored() - clock.nowMs())
    this.startedElapsedMs = clock.elapsedMs()
    this.startedMs = clock.nowMs() + this.leadMs
    this.latestMs = this.startedMs
  }

  /** Epoch milliseconds of the market. */
  nowMs(): number {
    const nowMs = Math.floor(this.speed === 1 ? this.wallMs() : this.acceleratedMs())
    if (nowMs > this.latestMs) this.latestMs = nowMs
    return this.latestMs
  }

  /** Begins to keep the time; nothing needs keeping where it is the wall's. */
  start(): void {
    if (this.speed === 1 && this.leadMs === 0) return
    this.saveAhead()
    this.cancelSaving = this.clock.every(EXCHANGE_CLOCK_SAVE_PERIOD_MS, () => this.saveAhead())
  }

  stop(): void {
    this.cancelSaving()
    this.save(this.nowMs())
  }

  private wallMs(): number {
    return this.clock.nowMs() + this.leadMs
  }

  private acceleratedMs(): number {
    return this.startedMs + (this.clock.elapsedMs() - this.startedElapsedMs) * this.speed
  }

  /** Two periods ahead, so that a late save does not let a kill turn time back. */
  private saveAhead(): void {
    this.save(this.nowMs() + 2 * EXCHANGE_CLOCK_SAVE_PERIOD_MS * this.speed)
  }

  private save(marketTimeMs: number): void {
    try {
      const text = JSON.stringify({ version: 1, market_time_ms: Math.ceil(marketTimeMs) })
      writeFileSync(`${this.file}.new`, text)
      renameSync(`${this.file}.new`, this.file)
    } catch (err) {
      this.log.warn({ err, file: this.file }, 'Market time could not be saved')
    }
  }

  private stored(): number {
    const text = readIfThere(this.file)
    if (text === undefined) return 0
    const stored = parseState(text)
    if (stored === undefined) this.log.warn({ file: this.file }, 'Market time could not be read')
    return stored ?? 0
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseState(text: string): number | undefined {
  try {
    const { market_time_ms: marketTimeMs } = JSON.parse(text) as { market_time_ms?: unknown }
    return typeof marketTimeMs === 'number' && marketTimeMs > 0 ? marketTimeMs : undefined
  } catch {
    return undefined
  }
}
