/** The connections' figures as metrics: the same truth as in `/status`, by `account/connection`. */
import type { ConnectionStatus } from '../contract/api/ticker-status.ts'
import type { Metrics } from '../kit/metrics.ts'

type Figure = (connection: ConnectionStatus) => number | undefined

const FIGURES: readonly (readonly [name: string, help: string, Figure])[] = [
  ['open', 'Open sockets.', ({ opened_at }) => Number(opened_at !== null)],
  ['mute', 'Sockets that are mute.', ({ state }) => Number(state === 'mute')],
  ['instruments', 'Instruments on a socket.', ({ instruments }) => instruments],
  [
    'instruments_mute',
    'Instruments that ought to tick and do not.',
    ({ instruments_mute }) => instruments_mute,
  ],
  ['ticks_per_second', 'Over the last seconds.', ({ ticks_per_second }) => ticks_per_second],
  ['reconnects_total', 'Times opened anew.', ({ reconnects }) => reconnects],
  ['received_bytes_total', 'Payload of all messages.', ({ bytes_received }) => bytes_received],
  [
    'last_tick_timestamp_seconds',
    'When it last ticked.',
    ({ last_tick_at }) => epochSeconds(last_tick_at),
  ],
  [
    'last_heartbeat_timestamp_seconds',
    'Its last heartbeat.',
    ({ last_heartbeat_at }) => epochSeconds(last_heartbeat_at),
  ],
]

export function describeConnections(
  metrics: Metrics,
  connections: () => readonly ConnectionStatus[],
): void {
  for (const [name, help, figure] of FIGURES) {
    metrics.gauges(`fostream_connection_${name}`, help, 'connection', () =>
      connections().flatMap((each) => {
        const value = figure(each)
        const label = `${each.account}/${each.connection}`
        return value === undefined ? [] : [[label, value] as const]
      }),
    )
  }
}

function epochSeconds(ist: string | null): number | undefined {
  return ist === null ? undefined : Date.parse(ist) / 1000
}
