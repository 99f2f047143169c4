/**
 * Implied volatility of a maturity that no series has: total variance (σ²T) is linear in time between
 * the two series around it. Without it a nearest-expiry line would jump with every roll.
 */
export interface MaturityPoint {
  /** Time to expiry in years, above 0. */
  readonly years: number
  /** Decimal per year. */
  readonly iv: number
}

/** Null where the maturity does not lie between two of the points, or on one. */
export function constantMaturityIv(points: readonly MaturityPoint[], years: number): number | null {
  const ordered = points.filter((point) => point.years > 0).sort((a, b) => a.years - b.years)
  const after = ordered.find((point) => point.years >= years)
  const before = ordered.findLast((point) => point.years <= years)
  if (after === undefined || before === undefined) return null
  if (after.years === before.years) return after.iv
  const share = (years - before.years) / (after.years - before.years)
  const variance = (1 - share) * totalVariance(before) + share * totalVariance(after)
  return Math.sqrt(variance / years)
}

function totalVariance({ iv, years }: MaturityPoint): number {
  return iv * iv * years
}
