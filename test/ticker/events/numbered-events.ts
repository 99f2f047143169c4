/** Events of an epoch with the numbers `from` … `to`. */
import type { LifecycleEvent } from '../../../src/contract/events.ts'

export function numbered(epoch: string | number, from: number, to: number): LifecycleEvent[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    event_id: `${epoch}-${from + i}`,
    event_type: 'instruments_refreshed',
    instrument_token: null,
    metadata: { added: 1, removed: 0, date: '2026-11-23' },
    timestamp: 1,
  }))
}
