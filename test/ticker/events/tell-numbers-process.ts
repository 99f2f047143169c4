/**
 * A process that tells events 1, 2, 3, … of its epoch until it is killed, and writes down each one that
 * its outbox has taken; with `drain` it tells what is left and ends.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../src/kit/clock.ts'
import { openRedisBus } from '../../../src/redis/redis-bus.ts'
import { BusEvents } from '../../../src/ticker/events/bus-events.ts'
import { silentLog } from '../../silent-log.ts'
import { until } from '../../until.ts'
import { numbered } from './numbered-events.ts'

const AT_ONCE = 5

const [url = '', folder = '', channel = '', epoch = '', task] = process.argv.slice(2)
const shared = { clock: systemClock, log: silentLog, random: () => 0.5 }
const bus = openRedisBus({ url, ...shared })
const events = new BusEvents({ bus, channel, folder, ...shared })
await events.start([])
if (task === 'drain') {
  await until(() => events.waiting === 0)
  await events.stop()
  bus.close()
} else {
  await tellForEver()
}

async function tellForEver(): Promise<never> {
  for (let first = 1; ; first += AT_ONCE) {
    const group = numbered(epoch, first, first + AT_ONCE - 1)
    await events.append(group)
    const ids = group.map(({ event_id: id }) => `${id}\n`)
    appendFileSync(join(folder, 'kept.txt'), ids.join(''))
    process.stdout.write('.')
  }
}
