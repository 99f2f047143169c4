import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import type { Subscription } from '../../../src/contract/api/subscriptions.ts'
import { compareEventIds, type LifecycleEvent } from '../../../src/contract/events.ts'
import { parseOwnCopy } from '../../../src/ticker/subscriptions/own-copy-file.ts'
import { isLive } from '../../../src/ticker/subscriptions/subscription.ts'
import { compiledProgram } from '../../compiled-program.ts'
import { type BrokerServer, startBroker } from '../support/broker-server.ts'
import { option, smallMaster } from '../support/contracts.ts'
import { onRelease, releaseAll, temporaryFolder } from '../support/start-test-ticker.ts'

const COUNT = 500
const OPTIONS = Array.from({ length: COUNT }, (_, i) => option(40_000 + 50 * i, 'CE'))
const TOKENS = OPTIONS.map(({ token }) => token)
/** From sending the call to the kill, ms; the last ones wait for the answer. */
const KILLED_AFTER_MS = [15, 40, 80, undefined, 25, 60, undefined] as const
const WITHIN = { timeout: 60_000, interval: 20 }

afterEach(releaseAll)

it('of 500 in one call a killed process keeps what it answered, each whole, as the broker is told', async () => {
  const program = await compiledProgram('test/ticker/support/ticker-process.ts', temporaryFolder())
  const broker = await startBroker([...smallMaster(), ...OPTIONS])
  onRelease(() => broker.stop())
  const dataDir = temporaryFolder()
  let child = await run(program, dataDir, broker, 1)
  let before = await settled(child.url, broker)
  for (const [round, afterMs] of KILLED_AFTER_MS.entries()) {
    const isRemoving = before.size > 0
    const call = isRemoving ? remove(child.url) : create(child.url)
    if (afterMs !== undefined) await new Promise((resolve) => setTimeout(resolve, afterMs))
    const isAnswered = afterMs === undefined ? await call : await Promise.race([call, false])
    await kill(child.process)
    await call
    if (afterMs === undefined) expect(isAnswered).toBe(true)
    expect(untoldOf(dataDir), `round ${round}`).toEqual([])
    child = await run(program, dataDir, broker, round + 2)
    before = await settled(child.url, broker)
    if (isAnswered) expect(before.size, `round ${round}`).toBe(isRemoving ? 0 : COUNT)
  }
}, 240_000)

interface Running {
  readonly process: ChildProcess
  readonly url: string
}

async function run(
  program: string,
  dataDir: string,
  broker: BrokerServer,
  epoch: number,
): Promise<Running> {
  const port = new URL(broker.restRoot).port
  const child = spawn(process.execPath, [program, dataDir, port, String(epoch)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onRelease(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { process: child, url: line.toString().trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Whether it was answered. */
function create(url: string): Promise<boolean> {
  const instruments = TOKENS.map((token) => ({ instrument_token: token }))
  return isDone(`${url}/subscriptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ instruments }),
  })
}

function remove(url: string): Promise<boolean> {
  const path = `/subscriptions?instrument_token=${TOKENS.join(',')}`
  return isDone(`${url}${path}`, { method: 'DELETE' })
}

async function isDone(url: string, init: RequestInit): Promise<boolean> {
  try {
    const response = await fetch(url, init)
    await response.json()
    return response.ok
  } catch (error) {
    // What a process that is killed answers.
    expect(error).toBeInstanceOf(Error)
    return false
  }
}

/** Those of ours that are streamed, once the list and the broker agree on all of them. */
async function settled(url: string, broker: BrokerServer): Promise<ReadonlySet<number>> {
  return vi.waitFor(async () => {
    const response = await fetch(`${url}/subscriptions`)
    const rows = ((await response.json()) as Subscription[]).filter(
      ({ status }) => status !== 'removed',
    )
    expect(rows.length).toBeGreaterThan(0)
    expect(new Map(rows.map((row) => [row.instrument_token, row.mode]))).toEqual(broker.carried())
    const ours = rows.filter((row) => TOKENS.includes(row.instrument_token))
    for (const row of ours) {
      expect(row).toMatchObject({ status: 'active', account: 'main', requested_by: ['api'] })
    }
    return new Set(ours.map((row) => row.instrument_token))
  }, WITHIN)
}

/** Of ours those whose newest event, in outbox or own copy, does not say what the own copy does. */
function untoldOf(dataDir: string): readonly number[] {
  const { subscriptions, untold } = parseOwnCopy(
    readFileSync(join(dataDir, 'subscriptions.jsonl'), 'utf8'),
  )
  const last = new Map<number | null, string>()
  for (const event of [...outboxOf(dataDir), ...untold].sort(inOrder)) {
    last.set(event.instrument_token, event.event_type)
  }
  return subscriptions
    .filter(({ instrument }) => TOKENS.includes(instrument.token))
    .filter((each) => isLive(each) !== (last.get(each.instrument.token) === 'subscription_created'))
    .map(({ instrument }) => instrument.token)
}

function outboxOf(dataDir: string): readonly LifecycleEvent[] {
  const [, ...lines] = readFileSync(join(dataDir, 'outbox.jsonl'), 'utf8').split('\n')
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line.slice(9)))
}

function inOrder(a: LifecycleEvent, b: LifecycleEvent): number {
  return compareEventIds(a.event_id, b.event_id)
}
