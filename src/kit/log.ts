/**
 * What a role tells people. Every message is an event with fields: a JSON line in the role's file,
 * with its time as UTC text, and, where there is a terminal, a readable line with its time in India.
 *
 *   log.info({ token: 256265 }, 'Subscription created')
 *
 * Secrets are taken out of both.
 */
import { join } from 'node:path'
import pino from 'pino'
import { LOG_FILE_MAX_BYTES, LOG_FILES_KEPT } from '../limits.ts'
import { redact } from './redact.ts'
import { RotatingFile } from './rotating-file.ts'

/** From most to least; `silent` writes nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

type Fields = Readonly<Record<string, unknown>>

interface Write {
  (fields: Fields, message: string): void
  (message: string): void
}

/** The part of a logger that the code uses. An error goes into the field `err`. */
export interface Log {
  readonly trace: Write
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
  readonly fatal: Write
  /** A log that adds `fields` to every line. */
  child(fields: Fields): Log
}

export interface RoleLog extends Log {
  /** Closes the file. */
  close(): void
}

export interface LogOptions {
  /** Names the file: `backend` → `backend.log`. */
  readonly role: string
  readonly folder: string
  readonly level: LogLevel
  /** Takes readable lines; undefined where nobody looks. */
  readonly terminal: { write(text: string): unknown } | undefined
  readonly nowMs: () => number
  /** For tests; `limits.ts` otherwise. */
  readonly maxBytes?: number
  readonly filesKept?: number
}

const ALIASES: Readonly<Record<string, LogLevel>> = { warning: 'warn', critical: 'fatal' }
const LEVELS: readonly string[] = [...Object.keys(pino.levels.values), 'silent']
const RESERVED = ['time', 'level', 'role', 'msg']
const IST_OFFSET_MS = 330 * 60_000

/** The level that `text` names, in any case, with `warning` and `critical` as synonyms. */
export function parseLogLevel(text: string): LogLevel | undefined {
  const name = text.trim().toLowerCase()
  const level = ALIASES[name] ?? name
  return LEVELS.includes(level) ? (level as LogLevel) : undefined
}

/** Opens the role's log. Throws when its file cannot be made. */
export function createLog(options: LogOptions): RoleLog {
  const file = new RotatingFile({
    path: join(options.folder, `${options.role}.log`),
    maxBytes: options.maxBytes ?? LOG_FILE_MAX_BYTES,
    filesKept: options.filesKept ?? LOG_FILES_KEPT,
    lossLine: (lostLines) =>
      `${JSON.stringify({ time: utcText(options.nowMs()), level: 'error', role: options.role, msg: 'Log lines lost', lost_lines: lostLines })}\n`,
  })
  const write = (text: string) => {
    const line = redact(text)
    file.write(messageFirst(line))
    options.terminal?.write(readable(line))
  }
  const logger: Log = pino(settings(options), { write })
  return Object.assign(logger, { close: () => file.close() })
}

/** `2026-11-21 10:15:02.123Z`: a space instead of the T, so that `grep "$(date -u '+%Y-%m-%d %H')"` counts. */
function utcText(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('T', ' ')
}

function settings({ role, level, nowMs }: LogOptions): pino.LoggerOptions {
  return {
    level,
    base: { role },
    timestamp: () => `,"time":"${utcText(nowMs())}"`,
    formatters: { level: (label) => ({ level: label }), log: withoutReserved },
  }
}

/** A field must not take the place of the line's own time, level, role or text. */
function withoutReserved(fields: Record<string, unknown>): Record<string, unknown> {
  if (!RESERVED.some((name) => name in fields)) return fields
  const renamed = Object.entries(fields).map(([name, value]) => [
    RESERVED.includes(name) ? `${name}_` : name,
    value,
  ])
  return Object.fromEntries(renamed)
}

/** The text stands before the fields, so that a line can be read from its beginning. */
function messageFirst(line: string): string {
  const { time, level, role, msg, ...fields } = parsed(line)
  return `${JSON.stringify({ time, level, role, msg, ...fields })}\n`
}

function readable(line: string): string {
  const { time, level, role, msg, err, ...fields } = parsed(line)
  const shown = Object.entries(fields).map(([name, value]) => ` ${name}=${fieldText(value)}`)
  const text = `${istText(String(time))} ${String(level).toUpperCase().padEnd(5)} ${String(role)}: `
  return `${text}${String(msg ?? '')}${shown.join('')}${errorText(err)}\n`
}

function parsed(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>
}

function istText(utc: string): string {
  return utcText(Date.parse(utc.replace(' ', 'T')) + IST_OFFSET_MS).slice(0, -1)
}

function fieldText(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)
}

function errorText(err: unknown): string {
  if (typeof err !== 'object' || err === null) return ''
  return `\n    ${'stack' in err ? String(err.stack) : JSON.stringify(err)}`
}
