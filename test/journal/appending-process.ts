/** Appends as fast as the disk takes it until it is killed; says on its output what was acknowledged. */
import { BatchBuilder } from '../../src/contract/journal-batch.ts'
import { openJournal } from '../../src/journal/open-journal.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { silentLog } from '../silent-log.ts'
import { tick } from './journal-fixture.ts'

const [dir = '', firstToken = '0'] = process.argv.slice(2)
const builder = new BatchBuilder()
const journal = await openJournal({
  dir,
  producer: 't1',
  partitions: 2,
  feed: 'simulated',
  maxAgeMs: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  clock: systemClock,
  log: silentLog,
  limits: { segmentMaxBytes: 200_000, reserveBytes: 1_000 },
})

function batchOf(partition: number, from: number, count: number): Uint8Array {
  builder.begin('t1', partition, 0, 0)
  for (let i = 0; i < count; i++) builder.addTick(tick(from + i))
  return builder.finish(systemClock.nowMs())
}

async function appendForEver(partition: number): Promise<never> {
  let token = Number(firstToken)
  for (;;) {
    const waiting: Promise<unknown>[] = []
    for (let size = 1; size <= 64; size *= 2) {
      waiting.push(journal.append(partition, batchOf(partition, token, size)))
      token += size
    }
    await Promise.all(waiting)
    process.stdout.write(`${partition} ${token - 1}\n`)
  }
}

await Promise.all([appendForEver(0), appendForEver(1)])
