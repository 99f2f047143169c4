/**
 * Flags over the environment and `system_config`, which is read every two seconds. While the store is
 * away what was read last holds.
 */
import {
  FLAG_NAMES,
  type FlagName,
  type FlagState,
  type FlagsAnswer,
  type IgnoredSetting,
} from '../../contract/api/flags.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { FLAGS_FIRST_READ_MS, FLAGS_READ_PERIOD_MS } from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import { type EnvironmentFlags, flagStates, ignoredSettings } from './flag-values.ts'
import type { Flags } from './flags.ts'
import type { SystemConfigStore } from './system-config.ts'

export interface LiveFlagsDeps {
  readonly environment: EnvironmentFlags
  readonly store: SystemConfigStore
  readonly clock: Clock
  readonly log: Log
}

export class LiveFlags implements Flags {
  readonly #deps: LiveFlagsDeps
  readonly #listeners = new Set<(name: FlagName, on: boolean) => void>()
  #states: readonly FlagState[]
  #ignored: readonly IgnoredSetting[] = []
  #readAtMs: number | null = null
  #error: string | null = null
  #reading: Promise<void> | undefined
  #endReading: (() => void) | undefined

  constructor(deps: LiveFlagsDeps) {
    this.#deps = deps
    this.#states = flagStates(deps.environment, [])
  }

  /** Resolves when `system_config` was read once, or does not answer for now. */
  async start(): Promise<void> {
    const { clock } = this.#deps
    this.#endReading = clock.every(FLAGS_READ_PERIOD_MS, () => void this.#read())
    await new Promise<void>((resolve) => {
      const cancel = clock.after(FLAGS_FIRST_READ_MS, resolve)
      void this.#read().then(() => {
        cancel()
        resolve()
      })
    })
  }

  /** Stopping twice is fine. */
  stop(): void {
    this.#endReading?.()
  }

  isOn(name: FlagName): boolean {
    return this.#states.some((state) => state.name === name && state.value)
  }

  onChange(listener: (name: FlagName, on: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  list(): readonly FlagState[] {
    return this.#states
  }

  answer(): FlagsAnswer {
    const readAtMs = this.#readAtMs
    return {
      flags: [...this.#states],
      ignored: [...this.#ignored],
      read_at: readAtMs === null ? null : formatIst(readAtMs),
      error: this.#error,
    }
  }

  /**
   * Writes values into `system_config`, null = follow the environment; they hold when it resolves.
   * Rejects with what the store says where it does not take them.
   */
  async change(values: ReadonlyMap<FlagName, boolean | null>): Promise<void> {
    const texts = [...values].map(([name, on]) => [name, on === null ? null : String(on)] as const)
    await this.#deps.store.write(new Map(texts))
    // A reading that is under way may have begun before.
    await this.#reading
    await this.#read()
  }

  /** Never rejects; one at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readOnce(): Promise<void> {
    const { store, environment, clock, log } = this.#deps
    try {
      const rows = await store.read()
      this.#readAtMs = clock.nowMs()
      if (this.#error !== null) log.info('Flags can be read again')
      this.#error = null
      this.#take(flagStates(environment, rows))
      this.#takeIgnored(ignoredSettings(rows))
    } catch (err) {
      if (this.#error === null) log.warn({ err }, 'Flags cannot be read; what was read last holds')
      this.#error = err instanceof Error ? err.message : String(err)
    }
  }

  #take(states: readonly FlagState[]): void {
    const before = new Map(this.#states.map((state) => [state.name, state]))
    this.#states = states
    for (const state of states) {
      const { name, value, stored } = state
      const last = before.get(name)
      if (state.origin === 'invalid' && stored !== last?.stored) this.#sayInvalid(state)
      if (value === last?.value) continue
      this.#deps.log.info({ flag: name, value, origin: state.origin }, 'Flag switched')
      for (const listener of this.#listeners) listener(name, value)
    }
  }

  /** Each value is said once. */
  #takeIgnored(ignored: readonly IgnoredSetting[]): void {
    const before = new Map(this.#ignored.map(({ key, stored }) => [key, stored]))
    this.#ignored = ignored
    for (const { key, stored, nearest } of ignored) {
      if (before.get(key) === stored) continue
      const value = stored.slice(0, TEXT_SHOWN)
      this.#deps.log.warn(
        { key, value, nearest, flags: FLAG_NAMES },
        'A value in system_config has no effect, since it is of no flag',
      )
    }
  }

  #sayInvalid({ name, stored, value }: FlagState): void {
    this.#deps.log.warn(
      { flag: name, stored: stored?.slice(0, TEXT_SHOWN), value },
      'Flag in system_config is neither true nor false and is ignored: write one of these, or NULL to follow the environment',
    )
  }
}

/** Of a text that somebody has put there. */
const TEXT_SHOWN = 64
