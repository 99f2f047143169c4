import { describe, expect, it } from 'vitest'
import { ConnectionHistory } from '../../src/ticker/connection/connection-history.ts'
import type { ConnectionState } from '../../src/ticker/connection/connection-state.ts'
import { Silence } from '../../src/ticker/feed/silence.ts'
import { type NoTickFacts, whyNoTick } from '../../src/ticker/no-tick.ts'
import { NIFTY, option } from './support/contracts.ts'
import { START_MS } from './support/test-clock.ts'

const common = { generation: 1, attempt: 0, mutes: 0 }
const OPEN: ConnectionState = { ...common, kind: 'open', openedAtMs: 0, hasData: true }
const WAITING: ConnectionState = { ...common, kind: 'waiting', cause: 'drop' }
const NOW_MS = START_MS + 60_000

describe('an instrument that does not tick', () => {
  it.each<[string, string, Partial<NoTickFacts>]>([
    ['expired', 'the contract ended on 2026-12-01', { hasEnded: true }],
    ['not_placed', 'no room', { subscription: sub({ slot: undefined, lastError: 'no room' }) }],
    ['not_placed', 'no account carries it', { account: undefined }],
    ['not_entitled', 'account main: no data', { account: account('no_market_data', 'no data') }],
    ['account_down', 'account main is down: 403', { account: account('down', '403') }],
    [
      'account_down',
      'account main is no_token: log in',
      { account: account('no_token', 'log in') },
    ],
    [
      'mute',
      'its socket brought no ticks and is opened anew',
      { connection: socket({ isMute: true }) },
    ],
    ['socket_not_open', 'its socket is not open: closed (1006)', { connection: dropped() }],
    ['market_closed', 'NFO-OPT is closed', { isInSession: false }],
    ['mute', 'it ticked and has stopped, while others on its socket go on', { stream: struck() }],
    ['awaited', 'the broker has sent none yet', { nowMs: START_MS + 4_999 }],
    ['awaited', 'the broker has sent none yet', { connection: socket({ session: undefined }) }],
    ['awaited', 'the broker has sent none yet', { subscription: sub({ instrument: NIFTY }) }],
    [
      'illiquid',
      'the broker sends others on its socket and none of it: it has hardly traded today',
      {},
    ],
  ])('%s: %s', (reason, message, facts) => {
    expect(whyNoTick(factsWith(facts))).toEqual({ reason, message })
  })

  it('has no reason where it ticks, or is not to', () => {
    const ticking = { firstTickAtMs: START_MS, gap: undefined, silence: new Silence() }
    expect(whyNoTick(factsWith({ stream: ticking }))).toBeNull()
    expect(whyNoTick(factsWith({ subscription: sub({ status: 'removed' }) }))).toBeNull()
  })

  it('has one again while it waits in a gap for its first packet', () => {
    const gap = {
      gapId: 'g',
      reason: 'mute',
      slot: undefined,
      fromMs: 0,
      instruments: 1,
      waiting: 1,
      toMs: 0,
    } as const
    const stream = { firstTickAtMs: START_MS, gap, silence: new Silence() }
    expect(whyNoTick(factsWith({ stream, connection: dropped() }))?.reason).toBe('socket_not_open')
  })
})

function factsWith(facts: Partial<NoTickFacts>): NoTickFacts {
  return {
    subscription: sub({}),
    account: account('up', null),
    connection: socket({}),
    stream: { firstTickAtMs: undefined, gap: undefined, silence: new Silence() },
    hasEnded: false,
    isInSession: true,
    nowMs: NOW_MS,
    ...facts,
  }
}

function sub(more: Partial<NoTickFacts['subscription']>): NoTickFacts['subscription'] {
  return {
    instrument: option(26_000, 'CE'),
    status: 'active',
    slot: { account: 'main', connection: 1 },
    lastError: null,
    activatedAtMs: START_MS,
    ...more,
  }
}

function account(state: 'up' | 'down' | 'no_token' | 'no_market_data', reason: string | null) {
  return { name: 'main', state, reason }
}

type Socket = NonNullable<NoTickFacts['connection']>

function socket(more: Partial<Socket>): Socket {
  const history = new ConnectionHistory()
  history.openedAtMs = START_MS
  const session = { lastTickAtMs: NOW_MS } as Socket['session']
  return { state: OPEN, isMute: false, history, session, ...more }
}

function dropped(): Socket {
  const history = new ConnectionHistory()
  history.lastError = 'closed (1006)'
  return socket({ state: WAITING, history })
}

function struck() {
  const silence = new Silence()
  silence.strike(0)
  return { firstTickAtMs: START_MS, gap: undefined, silence }
}
