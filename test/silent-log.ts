/** A log that says nothing. */
import type { Log } from '../src/kit/log.ts'

const write = () => undefined

export const silentLog: Log = {
  trace: write,
  debug: write,
  info: write,
  warn: write,
  error: write,
  fatal: write,
  child: () => silentLog,
}
