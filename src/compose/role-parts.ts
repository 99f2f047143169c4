/** Small things that every role needs at its start. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config.ts'
import { systemClock } from '../kit/clock.ts'
import { createLog, type RoleLog } from '../kit/log.ts'
import { partitionOf } from '../market/underlying.ts'
import { StartError } from './start-error.ts'

export type Role = 'ticker' | 'backend' | 'exchange' | 'verify'

/** Told of a fault after the start that ends the program. */
export type Fail = (error: Error) => void

export function roleLog(config: Config, role: Role): RoleLog {
  return createLog({
    role,
    folder: config.folders.logs,
    level: config.logLevel,
    terminal: process.stdout.isTTY ? process.stdout : undefined,
    nowMs: systemClock.nowMs,
  })
}

/** The partitions that this process writes. */
export function ownPartitions({ backend, journal }: Config): number[] {
  if (backend.partitions !== 'all') return [...backend.partitions]
  return Array.from({ length: journal.partitions }, (_, partition) => partition)
}

/** Whether this process writes the bars of an underlying and its contracts. */
export function isOwnSymbol(symbol: string, config: Config): boolean {
  return ownPartitions(config).includes(partitionOf(symbol, config.journal.partitions))
}

export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** A taken port is the user's to mend; the setting is named. */
export async function namingThePort<T>(
  host: string,
  port: number,
  setting: 'TICKER_PORT' | 'EXCHANGE_PORT' | 'EMBEDDED_DB_PORT',
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    throw new StartError(
      `Port ${port} of ${host} is in use by another program; choose another with ${setting}.`,
    )
  }
}

/** Lines that fit under the program's name and version. */
export function announce(lines: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...lines.map(([name]) => name.length)) + 2
  const shown = lines.map(([name, value]) => `  ${name.padEnd(width)}${value}\n`)
  process.stdout.write(
    `fostream ${version()}\n${shown.join('')}Ctrl-C stops it; the next start goes on where it ended.\n`,
  )
}
