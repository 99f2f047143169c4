/** Why a contract has no implied volatility, in words for a title. */

const REASONS: Readonly<Record<string, string>> = {
  no_price: 'the contract has no price yet',
  zero_price: 'the price is zero',
  stale: 'the contract has not traded for a while',
  below_intrinsic: 'the price is below the intrinsic value',
  at_intrinsic: 'the price is the intrinsic value alone',
  above_max: 'the price is above the highest possible one',
  expired: 'the contract has expired',
  no_forward: 'no forward is known for this expiry',
  settled: 'the contract is settled',
}

export function explainIv(reason: string | null): string {
  if (reason === null) return 'Not known'
  return `No IV: ${REASONS[reason] ?? reason.replaceAll('_', ' ')}`
}
