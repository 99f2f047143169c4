import { expect, it } from 'vitest'
import type { StoredJob } from '../../src/backend/backfill/ports.ts'
import { DAY_MS, startOfDateMs } from '../../src/market/ist.ts'
import { createBackfillStore } from '../../src/postgres/backfill-store.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { sayVerdict } from '../../src/verify/say-verdict.ts'
import { askState, sqlOf } from '../../src/verify/store-answers.ts'
import { describeStores } from '../postgres/stores.ts'

const DAY = startOfDateMs('2026-11-23')
const REASON = '84 of 84 instruments were not listed any more and could not be settled'
const GONE: StoredJob = {
  ...{ id: 'settle-1', kind: 'settle', scope: 'series', status: 'failed', error: REASON },
  ...{ exchange: null, tradingsymbol: null, instrumentToken: null, instruments: [] },
  ...{ symbol: 'NIFTY50', expiry: '2026-11-23', reason: '2026-11-23', requestedBy: null },
  ...{ fromMs: DAY + 33_300_000, toMs: DAY + 56_400_000, rows: 0 },
  progress: { instruments: 84, done: 0, failed: 84 },
  ...{ createdAtMs: DAY + DAY_MS, startedAtMs: null, finishedAtMs: DAY + DAY_MS },
}

await describeStores('what a verification says of a day', (store) => {
  it('names the series that the broker could not settle, and why', async () => {
    const client = await store().connect()
    await migrate(client)
    const others: StoredJob[] = [
      { ...GONE, id: 'underlying', expiry: null, status: 'done', error: 'one of 3' },
      { ...GONE, id: 'of another day', fromMs: GONE.fromMs - DAY_MS },
      { ...GONE, id: 'waits', status: 'running', error: 'the ticker is away' },
      { ...GONE, id: 'settled', status: 'done', error: null },
      { ...GONE, id: 'of another kind', kind: 'repair' },
    ]
    await createBackfillStore(client).saveJobs([GONE, ...others])
    const state = await askState(
      async (question) =>
        (await client.query<{ answer: string }>(sqlOf(question))).rows[0]?.answer ?? '',
      { fromMs: DAY, toMs: DAY + DAY_MS },
    )
    await client.end()
    expect(state.notSettled).toEqual([
      { symbol: 'NIFTY50', expiry: '2026-11-23', reason: REASON },
      { symbol: 'NIFTY50', expiry: null, reason: 'one of 3' },
    ])
    const said = sayVerdict({
      ...{
        date: '2026-11-23',
        feed: 'simulated',
        books: [],
        bookFaults: [],
        missing: [],
        gaps: [],
      },
      ...{ deadLetters: [], notSettled: state.notSettled, coverage: [], instruments: [] },
      ...{ differences: [], differenceCounts: {}, recordsFolded: 0 },
      ...{ rowsCompared: 0, rowsGiven: 0, rowsDue: 0 },
    })
    expect(said).toContain(`Not settled by the broker: 2\n  NIFTY50 2026-11-23: ${REASON}\n`)
    expect(said).toContain('  NIFTY50 underlying: one of 3\n')
    expect(said).toContain('Nothing is lost or unexplained.')
  })
})
