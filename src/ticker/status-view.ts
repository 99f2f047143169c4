/** The state of the ticker in the words of its API. */

import type { Static } from 'typebox'
import type { Health, healthLevel } from '../contract/api/health.ts'
import type {
  AccountStatus,
  ConnectionStatus,
  TickerStatus,
} from '../contract/api/ticker-status.ts'
import { comparePositions } from '../contract/journal-record.ts'
import { TICKER_INSTRUMENTS_PER_CONNECTION } from '../limits.ts'
import { formatIst } from '../market/ist.ts'
import type { Account } from './connection/account.ts'
import type { Connection } from './connection/connection.ts'
import type { ConnectionState } from './connection/connection-state.ts'
import { type AccountRoom, roomForFailover, roomForNew } from './connection/rooms.ts'
import type { OpenGap } from './feed/stream.ts'
import type { JournalPartition, JournalState } from './ports.ts'
import type { AccountBudget, BudgetUse } from './requests/account-budget.ts'
import type { Tokens } from './tokens/tokens.ts'

type HealthLevel = Static<typeof healthLevel>
export type HealthCheck = Health['checks'][number]

export function accountStatus(
  account: Account,
  tokens: Tokens,
  budget: AccountBudget,
  room: AccountRoom | undefined,
): AccountStatus {
  const { state } = account
  return {
    name: account.name,
    state,
    fault: tokens.view(account.name)?.is_expired === true ? 'expired' : account.fault,
    reason: tokens.reason(account),
    login_url: state === 'up' ? null : account.access.loginUrl,
    token: tokens.view(account.name),
    since: formatIst(account.sinceMs),
    instruments: account.instruments,
    belonging: room?.homes ?? 0,
    capacity: account.limit,
    broker_limit: account.brokerLimit,
    room_for_new: room === undefined ? 0 : roomForNew(room),
    room_for_failover: room === undefined ? 0 : roomForFailover(room),
    history: budgetView(budget.use('history')),
    quote: budgetView(budget.use('quote')),
  }
}

function budgetView(use: BudgetUse): AccountStatus['history'] {
  return {
    rate_per_second: use.ratePerSecond,
    configured_per_second: use.configuredPerSecond,
    used_share: use.usedShare,
    refused: use.refused,
  }
}

export function connectionStatus(
  connection: Connection,
  ticksPerSecond: number,
  instrumentsMute: number,
): ConnectionStatus {
  const { slot, session, state, history } = connection
  return {
    account: slot.account,
    connection: slot.connection,
    state: connection.isMute ? 'mute' : connectionState(state),
    instruments: connection.size,
    instruments_mute: instrumentsMute,
    capacity: TICKER_INSTRUMENTS_PER_CONNECTION,
    ticks_per_second: ticksPerSecond,
    last_tick_at: maybeIst(history.lastTickAtMs(session)),
    last_heartbeat_at: maybeIst(history.lastHeartbeatAtMs(session)),
    reconnects: connection.reconnects,
    bytes_received: history.bytesReceived,
    opened_at: state.kind === 'open' ? maybeIst(history.openedAtMs) : null,
    next_retry_at: maybeIst(history.nextRetryAtMs),
    last_error: history.lastError,
  }
}

function connectionState({ kind }: ConnectionState): ConnectionStatus['state'] {
  switch (kind) {
    case 'idle':
    case 'stopped':
      return 'closed'
    case 'opening':
      return 'connecting'
    case 'open':
    case 'waiting':
      return kind
  }
}

export function journalStatus(state: JournalState, isRefused: boolean): TickerStatus['journal'] {
  const syncs = state.partitions.flatMap(({ writer }) => writer?.lastSyncAtMs ?? [])
  const refused = isRefused ? 'failed' : 'ok'
  return {
    state: state.isDiskFull ? 'disk_full' : refused,
    bytes: state.bytes,
    segments: state.partitions.reduce((sum, { segments }) => sum + segments, 0),
    last_sync_at: syncs.length === 0 ? null : formatIst(Math.max(...syncs)),
    partitions: state.partitions.map(({ partition, newest, oldest, bytes }) => ({
      partition,
      epoch: newest.epoch,
      sequence: newest.sequence,
      oldest_epoch: oldest.epoch,
      oldest_sequence: oldest.sequence,
      bytes,
    })),
    readers: Object.entries(state.consumers).flatMap(([consumer, positions]) =>
      state.partitions.flatMap((partition) => readerStatus(consumer, positions, partition)),
    ),
  }
}

function readerStatus(
  consumer: string,
  positions: JournalState['consumers'][string],
  { partition, newest }: JournalPartition,
): TickerStatus['journal']['readers'] {
  const position = positions[partition]
  if (position === undefined) return []
  const isSameEpoch = position.epoch === newest.epoch
  const lag = isSameEpoch ? newest.sequence - position.sequence : null
  const isAtEnd = comparePositions(position, newest) >= 0
  return [{ consumer, partition, ...position, lag_records: lag, lag_ms: isAtEnd ? 0 : null }]
}

export function openGapView(gap: OpenGap): TickerStatus['gaps_open'][number] {
  return {
    gap_id: gap.gapId,
    reason: gap.reason,
    account: gap.slot?.account ?? null,
    connection: gap.slot?.connection ?? null,
    instruments: gap.instruments,
    from: formatIst(gap.fromMs),
  }
}

/** The worst of the checks. */
export function healthOf(checks: readonly HealthCheck[]): Health {
  const levels: readonly HealthLevel[] = checks.map(({ status }) => status)
  const worst = (['unavailable', 'degraded'] as const).find((level) => levels.includes(level))
  return { status: worst ?? 'ok', checks: [...checks] }
}

/** `message` where something is wrong. */
export function check(
  name: string,
  message: string | null,
  level: HealthLevel = 'degraded',
): HealthCheck {
  return { name, status: message === null ? 'ok' : level, message }
}

export function maybeIst(ms: number | undefined): string | null {
  return ms === undefined ? null : formatIst(ms)
}
