/** What `fostream backfill` asks of a backend, and what it says of its answers. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { type AskedBackfill, runBackfill } from '../../src/compose/run-backfill.ts'
import { loadConfig } from '../../src/config.ts'
import type { Backfill, BackfillQueue } from '../../src/contract/api/backfills.ts'
import { errorBody } from '../../src/contract/api/error.ts'
import type { Clock } from '../../src/kit/clock.ts'

const SERIES: AskedBackfill = { name: 'NIFTY', expiry: 'nearest', days: 5 }
const UNDERLYINGS = ['NIFTY50', 'BANKNIFTY']
const NOW_MS = Date.parse('2026-11-20T14:30:00+05:30')

const JOB: Backfill = {
  ...{ id: 'job-1', kind: 'on_demand', scope: 'series', tradingsymbol: null },
  ...{ instrument_token: null, symbol: 'NIFTY50', expiry: '2026-11-24', reason: null },
  ...{ from: '2026-11-16T00:00:00.000+05:30', to: '2026-11-20T14:30:00.000+05:30' },
  ...{ status: 'queued', requested_by: 'api', instruments: 84, instruments_done: 0 },
  ...{ instruments_failed: 0, rows: 0, eta_ms: 28_000, error: null },
  ...{ created_at: '2026-11-20T14:30:00.000+05:30', started_at: null, finished_at: null },
}
const QUEUE: BackfillQueue = {
  ...{ waiting: 0, running: 0, later: 0, requests_per_second: 3, eta_ms: null, waits_for: null },
}

/** What each look at the jobs is answered with, and what is due at each look after them. */
interface Script {
  readonly looks?: readonly (Partial<Backfill> & { readonly waits_for?: string })[]
  /** The first minute whose final values are owed; `not told` where that is refused. */
  readonly due?: readonly (string | undefined)[]
}

let server: Server | undefined
afterEach(() => server?.close())

/** A backend that answers one look after the other. */
async function backend({ looks = [], due = [] }: Script): Promise<number> {
  const left = { looks: [...looks], due: [...due] }
  const answerTo = (path: string, method: string | undefined, body: string) => {
    if (path.startsWith('/fo/expiries?symbol=NIFTY')) {
      return { symbol: 'NIFTY50', expiries: [{ expiry: '2026-11-24' }] }
    }
    if (path.startsWith('/fo/expiries?symbol=INDIA')) return { symbol: 'INDIAVIX', expiries: [] }
    if (path.startsWith('/backfills') && method === 'POST') {
      const { tradingsymbol, symbol } = JSON.parse(body) as Record<string, string>
      if (symbol === 'NIFTY50') return JOB
      const one = { tradingsymbol, expiry: null, instruments: 1 }
      return tradingsymbol === 'INDIA VIX' ? { ...JOB, ...one } : undefined
    }
    if (path.startsWith('/backfills')) {
      const { waits_for = null, ...changed } = left.looks.shift() ?? {}
      return { backfills: [{ ...JOB, ...changed }], queue: { ...QUEUE, waits_for } }
    }
    if (path === '/verify/positions') {
      const minute = left.due.shift()
      if (minute === 'not told') return undefined
      const owed = minute === undefined ? [] : [['NIFTY50', Date.parse(minute)]]
      return { feed: 'simulated', positions: [], marketTime: NOW_MS, due: owed }
    }
    return undefined
  }
  server = createServer(async (request, response) => {
    const { url = '', method } = request
    const answer = answerTo(url, method, await text(request))
    const refused =
      method === 'GET'
        ? errorBody('unknown_symbol', 'No underlying is called "FOO".', { known: UNDERLYINGS })
        : errorBody('unknown_instrument', 'FOO is not listed.')
    response.statusCode = answer === undefined ? 404 : 200
    response.end(JSON.stringify(answer ?? refused))
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Time passes as soon as somebody waits for it. */
function hurriedClock(): Clock {
  let elapsedMs = 0
  return {
    nowMs: () => NOW_MS + elapsedMs,
    elapsedMs: () => elapsedMs,
    after: (delayMs, task) => {
      elapsedMs += delayMs
      const immediate = setImmediate(task)
      return () => clearImmediate(immediate)
    },
    every: () => () => undefined,
  }
}

async function run(script: Script, asked = SERIES, signal = new AbortController().signal) {
  const port = await backend(script)
  const { config } = loadConfig([], { BACKEND_PORT: String(port) }, () => undefined)
  const said = { stdout: '', stderr: '' }
  const to = (name: keyof typeof said) => ({
    write: (words: string) => {
      said[name] += words
    },
  })
  const code = await runBackfill(config, asked, {
    ...{ stdout: to('stdout'), stderr: to('stderr'), clock: hurriedClock(), signal },
  })
  return { code, url: `http://127.0.0.1:${port}`, ...said }
}

const RUNNING = { status: 'running' } as const
const ALL_DONE = { status: 'done', instruments_done: 84, rows: 32_250, eta_ms: null } as const

describe('fostream backfill', () => {
  it('says what it fetches, what was written, what is computed of it and where it is', async () => {
    const { code, stdout, url } = await run({ looks: [RUNNING, ALL_DONE] })
    expect(stdout.split('\n')).toEqual([
      `NIFTY50 2026-11-24: 84 instruments from ${JOB.from} to ${JOB.to}, about 28 s to go`,
      `Done: 32250 minutes written, NIFTY50 2026-11-24, 84 instruments from ${JOB.from} to ${JOB.to}.`,
      'IV, Greeks and metrics that rest on them are computed.',
      `Look: curl '${url}/fo/expiry-metrics?symbol=NIFTY50&expiry=2026-11-24&timeframe=15m&from=2026-11-16', or the page ${url}/`,
      '',
    ])
    expect(code).toBe(0)
  })

  it('says how far it is every ten seconds, and at once when it has to wait', async () => {
    const looks = Array.from({ length: 25 }, (_, n) => ({ ...RUNNING, instruments_done: n }))
    const waits = { ...RUNNING, instruments_done: 25, waits_for: 'the broker is away' }
    const { stderr } = await run({ looks: [...looks, waits, waits, ALL_DONE] })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.map((line) => /(\d+) of 84/.exec(line)?.[1])).toEqual(['1', '11', '21', '25'])
    expect(lines.at(-1)).toContain('waits: the broker is away')
  })

  it('waits until what rests on the minutes is computed, and says from which minute it is not', async () => {
    const due = ['2026-11-18T10:00:00+05:30', '2026-11-20T11:00:00+05:30', undefined]
    const { code, stdout, stderr } = await run({ looks: [RUNNING, ALL_DONE], due })
    expect(stderr).toContain('of minutes from 2026-11-18T10:00:00+05:30 on are being computed')
    expect(stdout).toContain('metrics that rest on them are computed.')
    expect(code).toBe(0)
  })

  it('does not wait for the minutes that the feed closes meanwhile', async () => {
    const due = Array.from({ length: 100 }, () => '2026-11-20T14:31:00+05:30')
    const { stdout, stderr } = await run({ looks: [RUNNING, ALL_DONE], due })
    expect(stderr).not.toContain('being computed')
    expect(stdout).toContain('metrics that rest on them are computed.')
  })

  it('waits a minute for it and no longer', async () => {
    const due = Array.from({ length: 100 }, () => '2026-11-18T10:00:00+05:30')
    const { code, stdout } = await run({ looks: [RUNNING, ALL_DONE], due })
    expect(stdout).toContain(
      'from 2026-11-18T10:00:00+05:30 on are being computed; that goes on by',
    )
    expect(code).toBe(0)
  })

  it('is done also where nobody tells what is computed', async () => {
    const { code, stdout } = await run({ looks: [ALL_DONE], due: ['not told'] })
    expect(stdout).toContain('Done: 32250 minutes written')
    expect(stdout).toMatch(/how far they are is not told: .* status 404/)
    expect(code).toBe(0)
  })

  it('says so where nothing was missing, and what could not be had', async () => {
    const none = await run({ looks: [{ ...ALL_DONE, rows: 0 }] })
    expect(none.stdout).toContain('Done: 0 minutes written, since none was missing, NIFTY50')
    const lacking = await run({ looks: [{ ...ALL_DONE, instruments_failed: 2 }] })
    expect(lacking.stdout).toContain('; 2 could not be had.')
  })

  it('leaves the job to the backend when it is stopped, and names it', async () => {
    const { code, stderr } = await run({}, SERIES, AbortSignal.abort())
    expect(code).toBe(130)
    expect(stderr).toContain('the job job-1 goes on')
  })

  it('ends with 1 and the reason where the job failed', async () => {
    const { code, stderr } = await run({ looks: [{ status: 'failed', error: 'no history plan' }] })
    expect(code).toBe(1)
    expect(stderr).toContain('failed: no history plan')
  })

  it('ends with 2 and names what there is where the underlying is not known', async () => {
    for (const expiry of ['nearest', undefined]) {
      const { code, stderr } = await run({}, { ...SERIES, name: 'FOO', expiry })
      expect(code).toBe(2)
      expect(stderr).toBe('No underlying is called "FOO". There are NIFTY50, BANKNIFTY.\n')
    }
  })

  it('asks for the index itself where an underlying has no series', async () => {
    const asked = { ...SERIES, name: 'INDIA VIX', expiry: undefined }
    const { code, stdout } = await run({ looks: [ALL_DONE] }, asked)
    expect(stdout).toContain('INDIA VIX: 1 instrument from')
    expect(code).toBe(0)
  })

  it('ends with 3 where no backend answers', async () => {
    const { config } = loadConfig([], { BACKEND_PORT: '9' }, () => undefined)
    let stderr = ''
    const write = (words: string) => {
      stderr += words
    }
    const { signal } = new AbortController()
    const terminal = { stdout: { write }, stderr: { write }, clock: hurriedClock(), signal }
    expect(await runBackfill(config, SERIES, terminal)).toBe(3)
    expect(stderr).toContain('No backend answers at http://127.0.0.1:9; start fostream first.')
  })
})
