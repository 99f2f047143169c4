import { describe, expect, it } from 'vitest'
import { readCommandLine, UsageError } from '../../src/compose/command-line.ts'
import { readBackfill } from '../../src/compose/run-backfill.ts'
import { readReplay } from '../../src/compose/run-replay.ts'
import { parseApiTime } from '../../src/market/ist.ts'

function refusal(...words: string[]): string {
  try {
    readCommandLine(words)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return 'understood'
}

describe('a command line', () => {
  it('without a word means everything in one process', () => {
    expect(readCommandLine([])).toMatchObject({ command: 'up', operand: undefined, texts: {} })
  })

  it('is read with its word and its options, in either form', () => {
    const line = readCommandLine(['backfill', '--days=5', 'NIFTY', '--expiry', 'nearest'])
    expect(line).toMatchObject({
      command: 'backfill',
      operand: 'NIFTY',
      texts: { days: '5', expiry: 'nearest' },
    })
    const verify = readCommandLine(['verify', '--json', '--env-file', '.env.dev'])
    expect([...verify.switches]).toEqual(['json'])
    expect(verify.texts).toEqual({ 'env-file': '.env.dev' })
  })

  it('may ask for help wherever something is still missing', () => {
    expect(readCommandLine(['backfill', '--help']).switches.has('help')).toBe(true)
    expect(readCommandLine(['-h']).switches.has('help')).toBe(true)
    expect(readCommandLine(['-v']).switches.has('version')).toBe(true)
  })

  it.each<[string[], string]>([
    [['verfy'], 'Unknown command: verfy; did you mean verify?'],
    [
      ['fly'],
      'Unknown command: fly; there are up, exchange, ticker, backend, replay, login, subscribe, backfill, verify',
    ],
    [['backfill', 'NIFTY', '--day', '5'], 'Unknown option --day of backfill; did you mean --days?'],
    [
      ['subscribe', '--everything'],
      'Unknown option --everything of subscribe; there are --plan, --env-file, --help, --version',
    ],
    [['verify', '--days', '5'], '--days is an option of backfill, not of verify'],
    [['ticker', '--against-broker'], '--against-broker is an option of verify, not of ticker'],
    [['backfill', 'NIFTY', '--days'], '--days needs a value behind it: --days 5'],
    [['verify', '--date', '--json'], '--date needs a value behind it: --date 2026-11-20'],
    [['verify', '--json=yes'], '--json takes no value: leave out =yes'],
    [
      ['backfill'],
      'backfill needs the name of an underlying or a contract behind it: fostream backfill NIFTY',
    ],
    [['backfill', 'NIFTY', 'BANKNIFTY'], 'backfill cannot be given "BANKNIFTY"; leave it out'],
    [['verify', '2026-11-20'], 'verify cannot be given "2026-11-20"; leave it out'],
  ])('%j is refused with what would be right', (words, message) => {
    expect(refusal(...words)).toBe(message)
  })

  it('hands a negative number on to whoever knows what is possible', () => {
    expect(readCommandLine(['backfill', 'NIFTY', '--days', '-1']).texts.days).toBe('-1')
  })
})

describe('what is asked of a backfill', () => {
  const read = (given: { expiry?: string; days?: string }) => () =>
    readBackfill({ name: 'NIFTY', expiry: given.expiry, days: given.days })

  it('is today unless said', () => {
    expect(read({})()).toEqual({ name: 'NIFTY', expiry: undefined, days: 1 })
    expect(read({ expiry: '2026-11-24', days: '60' })()).toMatchObject({ days: 60 })
  })

  it.each(['0', '-1', '100', '2.5', 'many', ''])('is refused for --days "%s"', (days) => {
    expect(read({ days })).toThrow(`--days ${days}: give a whole number from 1 to 60`)
  })

  it.each(['2026-02-30', 'next'])('is refused for --expiry %s', (expiry) => {
    const message = `--expiry ${expiry} is no date; give YYYY-MM-DD or nearest`
    expect(read({ expiry })).toThrow(message)
  })
})

describe('what is asked of a replay', () => {
  const read = (given: Parameters<typeof readReplay>[0]) => () => readReplay(given)

  it('is the whole journal at the speed of the market unless said', () => {
    const all = { fromMs: undefined, toMs: undefined, speed: 1, port: undefined, leadS: 20 }
    expect(read({})()).toEqual(all)
    const [from, to] = ['2026-11-20T09:15', '1763630000']
    const given = { from, to: '2026-11-20T15:30', speed: 'max', port: '0', lead: '2.5' }
    const fromMs = 1_000 * 1_795_146_300
    expect(parseApiTime(from)).toMatchObject({ ms: fromMs })
    expect(read(given)()).toMatchObject({ fromMs, speed: 600, port: 0, leadS: 2.5 })
    expect(read({ to })()).toMatchObject({ toMs: 1_763_630_000_000 })
  })

  const instant = 'is no instant; give a date and time as 2026-11-20T09:15 (IST), or epoch seconds'
  it.each<[Parameters<typeof readReplay>[0], string]>([
    [{ from: 'x' }, `--from x ${instant}`],
    [{ from: '2026-02-30T09:15' }, `--from 2026-02-30T09:15 ${instant}`],
    [{ to: 'yesterday' }, `--to yesterday ${instant}`],
    [
      { from: '2026-11-20T09:15', to: '2026-11-20T09:15' },
      '--to 2026-11-20T09:15 is not after --from 2026-11-20T09:15; give a later one',
    ],
    [{ speed: 'fast' }, '--speed fast: give a number from 1 to 600, or max for the highest'],
    [{ speed: '0' }, '--speed 0: give a number from 1 to 600, or max for the highest'],
    [{ port: '80.5' }, '--port 80.5: give a whole number from 0 to 65535'],
    [{ port: '70000' }, '--port 70000: give a whole number from 0 to 65535'],
    [{ lead: '-1' }, '--lead -1: give a number from 0 to 3600'],
  ])('is refused for %j, with what would be right', (given, message) => {
    expect(read(given)).toThrow(new UsageError(message))
  })
})
