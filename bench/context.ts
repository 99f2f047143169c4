/** What every bench is given. */
export interface BenchContext {
  /** How long to measure: what was asked for, or a part of it in a short run. */
  seconds(whole: number): number
  /** The built program, `dist/main.js`. */
  readonly main: string
  /** For every Node.js process that is measured (a profiler's). */
  readonly nodeArgs: readonly string[]
  /** Tells a person what is going on. */
  say(text: string): void
}
