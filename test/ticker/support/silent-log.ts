/** A log that keeps what it is told. */
import type { Log } from '../../../src/kit/log.ts'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface KeptLog extends Log {
  readonly lines: LogLine[]
}

export function keptLog(lines: LogLine[] = []): KeptLog {
  const write = (level: string) => (first: unknown, second?: string) => {
    const fields = typeof first === 'string' ? {} : (first as Record<string, unknown>)
    lines.push({ level, message: typeof first === 'string' ? first : (second ?? ''), fields })
  }
  return {
    lines,
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: () => keptLog(lines),
  }
}
