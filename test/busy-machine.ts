/**
 * Bounds of the contract on a machine that has other things to do: stretched by how many processes
 * share a core, so that they hold as they are written where nobody disturbs.
 */
import { availableParallelism, loadavg } from 'node:os'

/** For what even a quiet test machine adds. */
const ROOM_MS = 2_000

/** The bound `ms` as it can be held now. */
export function asBusy(ms: number): number {
  const [waiting = 0] = loadavg()
  return ms * Math.max(1, waiting / availableParallelism()) + ROOM_MS
}
