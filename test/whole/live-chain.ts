/** Asks a running platform for its live chain, as a program of a user would. */
import type { StrikeDistribution } from '../../src/contract/api/strike-distribution.ts'
import type { Platform } from './platform.ts'

export async function liveChain({ backendUrl }: Platform): Promise<StrikeDistribution | undefined> {
  const answer = await fetch(`${backendUrl}/fo/strike-distribution?symbol=NIFTY`)
  return answer.ok ? ((await answer.json()) as StrikeDistribution) : undefined
}

/** Whether the strikes around the money are there. */
export async function isLive(running: Platform): Promise<boolean> {
  return ((await liveChain(running))?.completeness.strikes_present ?? 0) > 10
}
