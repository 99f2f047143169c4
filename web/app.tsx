/** The Monitor: the live chain of one underlying and expiry, with how old and how whole it is. */
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { PAGE_CLOCK_PERIOD_MS } from '../src/limits.ts'
import { getExpiries, getStatus } from './api-client.ts'
import { ChainTable, centreOnAtm } from './chain-table.tsx'
import type { Choice, StrikeWindow } from './choice.ts'
import { ExpirySwitcher, UnderlyingPicker, WindowSwitcher } from './choice-bar.tsx'
import { ColumnMenu } from './column-menu.tsx'
import { COLUMNS, DEFAULT_COLUMNS } from './columns.ts'
import { ConnectionPill, DataAge, Notices } from './connection.tsx'
import { HeaderMetrics } from './header-metrics.tsx'
import { useChoice, useMedia, useNow, useRefreshed, useView } from './hooks.ts'
import type { LiveChain } from './live-chain.ts'
import type { LiveChainState } from './live-chain-state.ts'
import { formatPrice } from './number-format.ts'
import { Placeholder } from './placeholder.tsx'
import { loadColumns, saveColumns } from './preferences.ts'
import { ThemeButton } from './theme-button.tsx'
import { formatDate, formatDay } from './time-format.ts'
import { describeView, type PageView } from './view-note.ts'

const COLUMN_IDS = COLUMNS.map(({ id }) => id)

export function App({ live }: { live: LiveChain }) {
  const state = useSyncExternalStore(live.subscribe, live.published)
  const [choice, choose] = useChoice()
  const status = useStatus()
  const symbol = choice.symbol ?? status?.default_symbol ?? null
  const canonical = state.chain?.symbol ?? symbol
  const expiries = useExpiries(symbol)
  const view = useView(symbol, choice)
  useChosenChain(live, symbol, choice)
  useTitle(state)

  const feed = state.chain?.feed ?? state.health?.feed ?? status?.feed ?? null
  const underlyings = status?.underlyings.filter(({ expiries: count }) => count > 0) ?? []
  return (
    <>
      <header>
        {feed === 'simulated' ? <SimulatedBand /> : null}
        <div className="top">
          <h1>fostream</h1>
          <UnderlyingPicker
            symbols={underlyings.map((underlying) => underlying.symbol)}
            symbol={canonical}
            onChoose={(next) => choose({ ...choice, symbol: next, expiry: null })}
          />
          <ExpirySwitcher
            expiries={expiries}
            expiry={state.chain?.expiry ?? choice.expiry}
            onChoose={(expiry) => choose({ ...choice, symbol: canonical, expiry })}
          />
          <div className="top-right">
            <DataAge state={state} />
            <ConnectionPill state={state} />
            <ThemeButton />
          </div>
        </div>
      </header>
      <Notices state={state} />
      <Chain
        state={state}
        view={view}
        strikes={choice.strikes}
        onWindow={(strikes) => choose({ ...choice, strikes })}
      />
    </>
  )
}

function SimulatedBand() {
  return (
    <div className="band" data-testid="band">
      <strong>SIMULATED MARKET</strong>{' '}
      <span>Every price here is made up; nothing can be traded.</span>
    </div>
  )
}

interface ChainProps {
  readonly state: LiveChainState
  readonly view: PageView | null
  readonly strikes: StrikeWindow
  readonly onWindow: (strikes: StrikeWindow) => void
}

function Chain({ state, view, strikes, onWindow }: ChainProps) {
  const box = useRef<HTMLElement>(null)
  const [shown, setShown] = useState(() => loadColumns(COLUMN_IDS) ?? DEFAULT_COLUMNS)
  const narrow = useMedia('(max-width: 760px)')
  const columns = useMemo(
    () => COLUMNS.filter(({ id, narrow: key }) => (narrow ? key : shown.includes(id))),
    [shown, narrow],
  )
  const chain = state.chain
  const showColumns = (ids: readonly string[]) => {
    saveColumns(ids)
    setShown(ids)
  }
  return (
    <main>
      {chain === null ? null : <HeaderMetrics chain={chain} />}
      <div className="tools">
        <WindowSwitcher strikes={strikes} onChoose={onWindow} />
        <button type="button" className="button" onClick={() => centreOnAtm(box.current)}>
          Centre on ATM
        </button>
        {narrow ? null : <ColumnMenu shown={shown} onChange={showColumns} />}
        <ViewNote view={view} state={state} />
        <Legend lotSize={chain?.lot_size ?? null} />
      </div>
      {chain !== null && chain.completeness.strikes_present === 0 ? (
        <p className="not-streamed" role="status" data-testid="not-streamed">
          Nothing of {chain.symbol}, {formatDate(chain.expiry)} is streamed yet. The page asks for
          its strikes by itself, and they appear here.
        </p>
      ) : null}
      {chain === null || chain.strikes.length === 0 ? (
        <Placeholder state={state} />
      ) : (
        <ChainTable chain={chain} columns={columns} box={box} />
      )}
    </main>
  )
}

/** Not announced, since it counts down. */
function ViewNote({ view, state }: { view: PageView | null; state: LiveChainState }) {
  const nowMs = useNow(PAGE_CLOCK_PERIOD_MS)
  const note = describeView(view, state.backfill?.backfills ?? [], nowMs)
  if (note === null) return null
  return (
    <p className="view-note" data-testid="view-note">
      {note}
    </p>
  )
}

function Legend({ lotSize }: { lotSize: number | null }) {
  return (
    <p className="legend">
      <i className="swatch itm" /> in the money
      <i className="swatch call" /> call OI
      <i className="swatch put" /> put OI
      <i className="swatch falling" /> OI falling
      <span className="legend-units">
        OI and volume in units{lotSize === null ? '' : `, lot ${lotSize}`}
      </span>
    </p>
  )
}

function useStatus() {
  const answer = useRefreshed(getStatus)
  return answer?.kind === 'ok' ? answer.value : null
}

function useExpiries(symbol: string | null) {
  const ask = useMemo(() => (symbol === null ? null : () => getExpiries(symbol)), [symbol])
  const answer = useRefreshed(ask)
  return answer?.kind === 'ok' ? answer.value.expiries : []
}

function useChosenChain(live: LiveChain, symbol: string | null, { expiry, strikes }: Choice) {
  useEffect(() => {
    if (symbol !== null) live.choose({ symbol, expiry, strikes })
  }, [live, symbol, expiry, strikes])
}

function useTitle({ chain }: LiveChainState) {
  const title =
    chain === null
      ? 'fostream Monitor'
      : `${chain.symbol} ${formatPrice(chain.spot ?? chain.forward)} · ${formatDay(chain.expiry)}`
  useEffect(() => {
    document.title = title
  }, [title])
}
