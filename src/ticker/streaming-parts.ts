/**
 * The way of a tick as the ticker puts it together: connections, the feed into the journal, and the
 * watch over instruments that fall silent.
 */
import type { Metrics } from '../kit/metrics.ts'
import { TICKER_MUTE_AFTER_MS } from '../limits.ts'
import { Account, type AccountDeps } from './connection/account.ts'
import type { ConnectionDeps } from './connection/connection.ts'
import { Pool, type PoolDeps } from './connection/pool.ts'
import { SilenceWatch } from './connection/silence-watch.ts'
import { Feed, type FeedDeps } from './feed/feed.ts'
import type { SessionRules } from './session-rules.ts'
import type { TickerDeps } from './ticker-deps.ts'
import type { Tokens } from './tokens/tokens.ts'

type FeedNews = Pick<
  FeedDeps,
  | 'marketTime'
  | 'silences'
  | 'onPause'
  | 'onFirstTick'
  | 'onGapOpened'
  | 'onGapClosed'
  | 'onJournalled'
  | 'onTakenOver'
>

export function newFeed(deps: TickerDeps, metrics: Metrics, news: FeedNews): Feed {
  const { journal, config, clock, log } = deps
  const hops = metrics.histograms('fostream_hop_seconds', 'Each hop of a tick.', 'hop')
  return new Feed({
    ...news,
    journal,
    partitions: config.partitions,
    clock,
    log,
    journalLatency: hops('journal'),
    batchPauseMs: deps.batchPauseMs ?? 0,
    rejections: metrics.counters(
      'fostream_rejected_packets_total',
      'Packets that were not journaled, by reason.',
      'reason',
    ),
  })
}

export interface PoolNews extends Pick<ConnectionDeps, 'openSession' | 'onGap' | 'onSubscribed'> {
  readonly onChange: AccountDeps['onChange']
  readonly onHandoverDue: PoolDeps['onHandoverDue']
}

/** Its accounts begin with the tokens that are known now. */
export function newPool(deps: TickerDeps, tokens: Tokens, news: PoolNews): Pool {
  const { config, clock, log, broker, random } = deps
  const { onChange, onHandoverDue, ...connection } = news
  const accountDeps: AccountDeps = {
    broker,
    clock,
    log,
    instrumentsPerAccount: config.instrumentsPerAccount,
    connection: { ...connection, random, muteAfterMs: muteAfterMs(deps) },
    onChange,
  }
  const accounts = config.accounts.map((settings) => {
    const accessToken = tokens.accessToken(settings.name)
    return new Account({ ...settings, accessToken }, accountDeps)
  })
  return new Pool(accounts, { clock, onHandoverDue })
}

export function newSilenceWatch(
  deps: TickerDeps,
  feed: Feed,
  pool: Pool,
  rules: SessionRules,
): SilenceWatch {
  const { clock, log } = deps
  return new SilenceWatch({
    clock,
    log,
    connections: pool.connections,
    streams: feed.coverage.streams,
    isInSession: (instrument) => rules.isInSession(instrument),
    muteAfterMs: muteAfterMs(deps),
    onMute: (streams) => feed.openMuteGap(streams),
  })
}

export function muteAfterMs({ config }: TickerDeps): number {
  return config.muteAfterMs ?? TICKER_MUTE_AFTER_MS
}
