/** A log that passes on only what should not happen during a measurement. */
import type { Log } from '../../src/kit/log.ts'

const quiet = () => undefined

function complain(fields: object | string, message?: string): void {
  const text = typeof fields === 'string' ? fields : (message ?? '')
  const { err } = typeof fields === 'string' ? {} : (fields as { err?: unknown })
  process.stderr.write(`${text}${err === undefined ? '' : `: ${String(err)}`}\n`)
}

export const complaints: Log = {
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: complain,
  error: complain,
  fatal: complain,
  child: () => complaints,
}
