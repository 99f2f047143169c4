/** The link's state, the data's time and its age, and everything that a user must not overlook. */
import type { ReactNode } from 'react'
import { type ConnectionText, describeConnection } from './connection-text.ts'
import { useNow } from './hooks.ts'
import { freshness, type LiveChainState } from './live-chain-state.ts'
import { formatAge, formatDate, formatDuration, formatTimeOfDay } from './time-format.ts'

const AGE_PERIOD_MS = 500

function useConnection(state: LiveChainState) {
  const nowMs = useNow(AGE_PERIOD_MS)
  // A message may have come after the last beat.
  const fresh = freshness(state, Math.max(nowMs, state.age?.atMs ?? 0))
  return { fresh, text: describeConnection(state, fresh) }
}

export function ConnectionPill({ state }: { state: LiveChainState }) {
  const { text } = useConnection(state)
  return (
    <output
      className="pill"
      data-tone={text.tone}
      data-testid="connection"
      title={text.detail ?? ''}
    >
      {text.label}
    </output>
  )
}

/** Not announced: a clock that speaks twice a second is no help. */
export function DataAge({ state }: { state: LiveChainState }) {
  const { fresh } = useConnection(state)
  const { chain } = state
  const at = chain?.as_of ?? null
  return (
    <span className="data-age" data-stale={fresh.stale || undefined}>
      {at === null ? 'No data yet' : `Data of ${formatTimeOfDay(at)} IST`}
      {fresh.ageMs === null ? null : (
        <span data-testid="age" data-age-ms={Math.round(fresh.ageMs)}>
          {formatAge(fresh.ageMs)}
        </span>
      )}
    </span>
  )
}

export function Notices({ state }: { state: LiveChainState }) {
  const { fresh, text } = useConnection(state)
  const { health } = state
  return (
    <section className="notices" aria-label="Notices">
      <LinkNotice text={text} staleMs={fresh.stale ? fresh.ageMs : null} />
      {health !== null && health.status !== 'ok' && health.message !== null ? (
        <Notice tone="warn">{health.message}</Notice>
      ) : null}
      {health !== null && health.gaps_open > 0 ? (
        <Notice tone="warn">
          {health.gaps_open === 1
            ? 'A gap in the feed is'
            : `${health.gaps_open} gaps in the feed are`}{' '}
          open; missing minutes are repaired from the broker’s history.
        </Notice>
      ) : null}
      {health?.calendar.assumed ? (
        <Notice tone="info">
          Holidays and hours are known up to {formatDate(health.calendar.covered_through)} only;
          today’s are assumed.
        </Notice>
      ) : null}
    </section>
  )
}

/** The age stands outside of what is announced. */
function LinkNotice({ text, staleMs }: { text: ConnectionText; staleMs: number | null }) {
  if (staleMs === null && (text.detail === null || text.tone === 'good')) return null
  return (
    <div
      className="notice"
      data-tone={text.tone === 'bad' ? 'bad' : 'warn'}
      data-testid="link-notice"
    >
      {staleMs === null ? null : (
        <strong data-testid="stale">These figures are {formatDuration(staleMs)} old.</strong>
      )}
      <span>{text.detail}</span>
    </div>
  )
}

function Notice({ tone, children }: { tone: 'info' | 'warn' | 'bad'; children: ReactNode }) {
  return (
    <div className="notice" data-tone={tone}>
      {children}
    </div>
  )
}
