/**
 * The strike that a window of strikes is laid around. It follows the forward late on purpose: a market
 * that hovers between two strikes must not move the window to and fro.
 *
 *   |─────────o─────────|─────────o─────────|
 *             A    mid-way  └ here A becomes B: a quarter of a step beyond
 */
import { AUTO_ANCHOR_FAST_RANKS, AUTO_ANCHOR_REST_MS } from '../../limits.ts'
import { nearestIndex } from '../../market/options/moneyness.ts'

export interface Anchor {
  /** Rupees. */
  readonly strike: number
  /** Market time of the last move, epoch ms. */
  readonly movedAtMs: number
}

/**
 * How much nearer the new strike must be than the old one, in steps; mid-way both are as near, and a
 * quarter of a step further the difference is a half.
 */
const NEARER_STEPS = 0.5

/**
 * @param strikes ascending, without repeats
 * @param last what was chosen before; undefined at the first time
 */
export function chooseAnchor(
  strikes: readonly number[],
  forward: number,
  last: Anchor | undefined,
  nowMs: number,
): Anchor | undefined {
  const at = nearestIndex(strikes, forward)
  const nearest = strikes[at]
  if (nearest === undefined || nearest === last?.strike) return last
  const moved = { strike: nearest, movedAtMs: nowMs }
  const before = last === undefined ? -1 : strikes.indexOf(last.strike)
  if (last === undefined || before < 0) return moved
  const step = Math.abs(nearest - (strikes[at + Math.sign(before - at)] ?? last.strike))
  const nearer = Math.abs(forward - last.strike) - Math.abs(forward - nearest)
  if (nearer < NEARER_STEPS * step) return last
  const restedMs = nowMs - last.movedAtMs
  const rests = restedMs >= 0 && restedMs < AUTO_ANCHOR_REST_MS
  return rests && Math.abs(at - before) < AUTO_ANCHOR_FAST_RANKS ? last : moved
}
