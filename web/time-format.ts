/** Dates and durations for people. Instants arrive as ISO text in IST, so a slice of it is the time of day. */

const weekday = new Intl.DateTimeFormat('en-IN', { weekday: 'short', timeZone: 'UTC' })
const shortDate = new Intl.DateTimeFormat('en-IN', {
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
})

/** `2026-11-24` → `24 Nov`. */
export function formatDay(date: string): string {
  return shortDate.format(atNoon(date))
}

/** `2026-11-24` → `Tue 24 Nov 2026`. */
export function formatDate(date: string): string {
  return `${weekday.format(atNoon(date))} ${formatDay(date)} ${date.slice(0, 4)}`
}

/** `2026-11-23T10:15:02.120+05:30` → `10:15:02`. */
export function formatTimeOfDay(instant: string): string {
  return instant.slice(11, 19)
}

/** How long something lasts, in one or two units: `14 s`, `2 min 5 s`, `3 h 12 min`, `2 d 3 h`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return two(seconds, 60, 'min', 1, 's')
  if (seconds < 86_400) return two(seconds, 3_600, 'h', 60, 'min')
  return two(seconds, 86_400, 'd', 3_600, 'h')
}

/** The age of data: `under 1 s old`, `14 s old`. */
export function formatAge(ageMs: number): string {
  return ageMs < 1_000 ? 'under 1 s old' : `${formatDuration(ageMs)} old`
}

/** Days to an expiry: `today`, `1 day`, `8 days`. */
export function formatDays(days: number): string {
  if (days <= 0) return 'today'
  return days === 1 ? '1 day' : `${days} days`
}

function two(seconds: number, big: number, bigName: string, small: number, smallName: string) {
  const rest = Math.floor((seconds % big) / small)
  const head = `${Math.floor(seconds / big)} ${bigName}`
  return rest === 0 ? head : `${head} ${rest} ${smallName}`
}

function atNoon(date: string): Date {
  return new Date(`${date}T12:00:00Z`)
}
