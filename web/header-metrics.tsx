/** The figures of the whole chain. Those that need every strike say so when strikes are missing. */
import type { ReactNode } from 'react'
import type { Completeness, StreamChain } from '../src/contract/api/strike-distribution.ts'
import { Figure, type FlashKind } from './figure.tsx'
import {
  formatChange,
  formatFixed,
  formatPercent,
  formatPrice,
  formatRatio,
  formatStrike,
  formatUnits,
  formatWhole,
  UNKNOWN,
} from './number-format.ts'
import { formatDays } from './time-format.ts'

const FORWARD_SOURCES: Readonly<Record<string, string>> = {
  parity: 'put–call parity',
  future: 'the future',
  carry: 'interpolated carry',
  spot: 'spot and rate',
}

export function HeaderMetrics({ chain }: { chain: StreamChain }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways on a narrow screen
    <section className="metrics" aria-label="Figures of the chain" tabIndex={0}>
      <Prices chain={chain} />
      <Volatility chain={chain} />
      <OpenInterest chain={chain} />
      <Series chain={chain} />
    </section>
  )
}

function Prices({ chain }: { chain: StreamChain }) {
  const { spot, future, forward, forward_source: source } = chain
  const basis = spot === null || future === null || chain.spot_stale ? null : future - spot
  const parity = source === null ? 'No forward yet' : `From ${FORWARD_SOURCES[source] ?? source}`
  return (
    <Group title="Price">
      <Metric
        id="spot"
        kind="price"
        label="Spot"
        value={spot}
        text={formatPrice(spot)}
        {...(chain.spot_stale ? { note: 'not live now' } : {})}
        title={
          chain.spot_stale ? 'The index is not a live price now; the forward is' : 'Index level, ₹'
        }
      />
      <Metric
        id="future"
        kind="price"
        label="Future"
        value={future}
        text={formatPrice(future)}
        title="Future of this expiry, else the next one, ₹"
      />
      <Metric
        id="forward"
        kind="price"
        label="Forward"
        value={forward}
        text={formatPrice(forward)}
        note={source ?? ''}
        title={parity}
      />
      <Metric
        id="basis"
        label="Basis"
        value={basis}
        text={formatChange(basis)}
        title={basis === null ? 'Needs a live spot and a future' : 'Future − spot, ₹'}
      />
    </Group>
  )
}

function Volatility({ chain }: { chain: StreamChain }) {
  const { atm_iv: atmIv, straddle, expected_move: move, india_vix: vix } = chain
  const percent = (text: string) => (text === UNKNOWN ? text : `${text} %`)
  return (
    <Group title="Volatility">
      <Metric
        id="atm-iv"
        label="ATM IV"
        value={atmIv}
        text={percent(formatPercent(atmIv, 2))}
        title="Implied volatility at the forward, a year"
      />
      <Metric
        id="straddle"
        label="Straddle"
        value={straddle}
        text={formatPrice(straddle)}
        title="Call + put at the forward, ₹"
      />
      <Metric
        id="expected-move"
        label="Exp. move"
        value={move}
        text={move === null ? UNKNOWN : `±${formatPrice(move)}`}
        title="Forward × ATM IV × √time: one standard deviation to expiry, ₹"
      />
      <Metric
        id="vix"
        label="India VIX"
        value={vix}
        text={formatFixed(vix, 2)}
        title="India VIX, percent a year"
      />
    </Group>
  )
}

/** Few strikes make other figures than the chain: they are not shown without saying of how many. */
function partOf({ completeness }: StreamChain, value: number | null): string | null {
  const { complete, strikes_present: present, strikes_listed: listed } = completeness
  return complete || value === null
    ? null
    : `of ${formatWhole(present)} of ${formatWhole(listed)} strikes`
}

function OpenInterest({ chain }: { chain: StreamChain }) {
  const { pcr_oi: pcrOi, pcr_volume: pcrVolume, max_pain: pain, max_pain_high: painHigh } = chain
  const { total_call_oi: callOi, total_put_oi: putOi } = chain
  const tie = pain !== null && painHigh !== null && painHigh !== pain
  const painNotes = [tie ? `to ${formatStrike(painHigh)}` : null, partOf(chain, pain)]
  const totals = `Put OI ${formatUnits(putOi)} / call OI ${formatUnits(callOi)}`
  const volumes = `Put volume ${formatUnits(chain.total_put_volume)} / call volume ${formatUnits(chain.total_call_volume)}`
  return (
    <Group title="Open interest" aside={<Strikes completeness={chain.completeness} />}>
      <Metric
        id="pcr"
        label="PCR OI"
        value={pcrOi}
        text={formatRatio(pcrOi)}
        note={partOf(chain, pcrOi)}
        title={totals}
      />
      <Metric
        id="pcr-volume"
        label="PCR volume"
        value={pcrVolume}
        text={formatRatio(pcrVolume)}
        note={partOf(chain, pcrVolume)}
        title={volumes}
      />
      <Metric
        id="call-oi"
        label="Call OI"
        value={callOi}
        text={formatUnits(callOi)}
        note={partOf(chain, callOi)}
        title={`${formatWhole(callOi)} units`}
      />
      <Metric
        id="put-oi"
        label="Put OI"
        value={putOi}
        text={formatUnits(putOi)}
        note={partOf(chain, putOi)}
        title={`${formatWhole(putOi)} units`}
      />
      <Metric
        id="max-pain"
        label="Max pain"
        value={pain}
        text={formatStrike(pain)}
        note={painNotes.filter((note) => note !== null).join(', ')}
        title="Settlement at which all options together pay least, ₹"
      />
    </Group>
  )
}

function Series({ chain }: { chain: StreamChain }) {
  const { days_to_expiry: days, minutes_to_expiry: minutes } = chain
  return (
    <Group title="Expiry">
      <Metric
        id="to-expiry"
        label="To expiry"
        value={days}
        text={minutes <= 0 ? 'expired' : formatDays(days)}
        note={minutes <= 0 ? 'settled' : `${formatWhole(minutes)} min`}
        title="Calendar days, and minutes to the close on the expiry date"
      />
    </Group>
  )
}

/** How much of the chain the figures beside it are made of. */
function Strikes({ completeness }: { completeness: Completeness }) {
  const {
    strikes_listed: listed,
    strikes_present: present,
    strikes_streamed: streamed,
  } = completeness
  const title = `${formatWhole(listed)} strikes listed, ${formatWhole(present)} present, ${formatWhole(streamed)} streamed; the others are read once a minute`
  return (
    <span
      className="completeness"
      data-testid="completeness"
      data-complete={completeness.complete}
      title={title}
    >
      {completeness.complete ? 'all ' : 'only '}
      {formatWhole(present)} of {formatWhole(listed)} strikes
    </span>
  )
}

interface GroupProps {
  readonly title: string
  readonly aside?: ReactNode
  readonly children: ReactNode
}

function Group({ title, aside, children }: GroupProps) {
  return (
    <div className="group">
      <h2>
        <span>{title}</span> {aside}
      </h2>
      <dl>{children}</dl>
    </div>
  )
}

interface MetricProps {
  readonly id: string
  readonly label: string
  readonly value: number | null
  readonly text: string
  readonly note?: string | null
  readonly kind?: FlashKind
  readonly title: string
}

function Metric({ id, label, value, text, note, kind = 'plain', title }: MetricProps) {
  return (
    <div className="metric" data-id={id} title={title}>
      <dt>{label}</dt>
      <dd>
        <Figure value={value} kind={kind} text={text} testId={`header-${id}`} />
        {note ? <small>{note}</small> : null}
      </dd>
    </div>
  )
}
