/** The calendar that the settings ask for, with the user's own rows laid over the shipped ones. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Log } from '../kit/log.ts'
import {
  alwaysOpenCalendar,
  exchangeCalendar,
  type MarketCalendar,
  SHIPPED_CALENDAR,
} from '../market/calendar.ts'
import { layOver, parseCalendar } from '../market/calendar-rows.ts'

export function configuredCalendar({ sessionCalendar, folders }: Config, log: Log): MarketCalendar {
  const rows = layOver(SHIPPED_CALENDAR, overlay(join(folders.data, 'calendar.csv'), log))
  return sessionCalendar === 'always' ? alwaysOpenCalendar(rows) : exchangeCalendar(rows)
}

function overlay(path: string, log: Log): ReturnType<typeof parseCalendar>['rows'] {
  if (!existsSync(path)) return []
  const { rows, faults } = parseCalendar(readFileSync(path, 'utf8'))
  for (const { line, message } of faults) log.error({ path, line, message }, 'Calendar row ignored')
  log.info({ path, rows: rows.length }, 'Calendar laid over the shipped one')
  return rows
}
