import { describe, expect, it } from 'vitest'
import { busStatusOf, openEventSource } from '../../src/compose/event-source.ts'
import { loadConfig } from '../../src/config.ts'
import type { LifecycleEvent } from '../../src/contract/events.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { Releasers } from '../../src/kit/releasers.ts'
import { silentLog } from '../silent-log.ts'

const EVENT: LifecycleEvent = {
  event_id: '1-1',
  event_type: 'instruments_refreshed',
  instrument_token: null,
  metadata: { added: 1, removed: 0, date: '2026-11-23' },
  timestamp: 1_795_405_200,
}

function open(settings: Readonly<Record<string, string>>, isTogether: boolean) {
  const listeners = new Set<(event: LifecycleEvent) => void>()
  const onEvent = (listener: (event: LifecycleEvent) => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  const { config } = loadConfig([], settings, () => undefined)
  const inProcess = isTogether ? onEvent : undefined
  const releasers = new Releasers()
  const source = openEventSource(config, inProcess, systemClock, silentLog, releasers)
  const tell = () => {
    for (const listener of listeners) listener(EVENT)
  }
  return { source, releasers, tell }
}

describe('without Redis', () => {
  it('events come from the ticker in this process, in the form that they have on the bus', () => {
    const { source, tell } = open({ REDIS_CHANNEL_PREFIX: 'desk' }, true)
    const heard: string[] = []
    let ups = 0
    const stop = source?.listen({
      onMessage: (text) => heard.push(text),
      onUp: () => {
        ups++
      },
      onDown: () => undefined,
    })
    tell()
    stop?.()
    tell()
    expect(source).toMatchObject({ kind: 'in_process', channel: 'desk:events', error: null })
    expect([heard, ups]).toEqual([[JSON.stringify(EVENT)], 1])
    expect(busStatusOf(source)).toEqual({ kind: 'none', status: 'up', error: null })
  })

  it('none come where the ticker is another process', () => {
    const { source } = open({}, false)
    expect(source).toBeUndefined()
    expect(busStatusOf(source)).toMatchObject({ kind: 'none' })
  })
})

it('with Redis they come from there, also where the ticker is in this process', async () => {
  // Nobody answers there.
  const { source, releasers } = open({ REDIS_URL: 'redis://127.0.0.1:9' }, true)
  expect(source).toMatchObject({ kind: 'redis', channel: 'ticker:nifty:events' })
  expect(busStatusOf(source)).toMatchObject({ kind: 'redis', status: 'down' })
  await releasers.release()
})
