/** Publishes one message and ends: which authorities are trusted is read when a process starts. */
import { systemClock } from '../../src/kit/clock.ts'
import { openRedisBus } from '../../src/redis/redis-bus.ts'
import { silentLog } from '../silent-log.ts'

const ANSWER_WITHIN_MS = 10_000

const [url = ''] = process.argv.slice(2)
const bus = openRedisBus({ url, clock: systemClock, log: silentLog, random: () => 0.5 })
const giveUp = systemClock.after(ANSWER_WITHIN_MS, () => end(String(bus.error)))
bus.onUp(() => {
  bus.publish([{ channel: 'c', text: 'by TLS' }]).then(
    () => end('published'),
    (error: unknown) => end(String(error)),
  )
})

function end(text: string): void {
  giveUp()
  process.stdout.write(`${text}\n`)
  bus.close()
}
