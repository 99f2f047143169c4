/**
 * Implied volatility and five Greeks a second on one core, and how far they are from the truth; the
 * same for a whole chain of 112 strikes. Prices are rounded to the tick, strikes and expiries mixed,
 * so that the solver meets what it meets in a session.
 */
import { pathToFileURL } from 'node:url'
import { type ChainInput, computeChain } from '../src/market/options/chain.ts'
import {
  DEFAULT_TICK_SIZE,
  type IvAndGreeks,
  isSolved,
  solveIvAndGreeks,
  unknownIvAndGreeks,
} from '../src/market/options/implied-volatility.ts'
import { exactValues } from '../test/market/options/exact-black.ts'
import { ladder, pricedChain } from '../test/market/options/fixtures.ts'
import { type SampleOption, tickRoundedOptions } from '../test/market/options/sample-options.ts'

export interface GreeksFigures {
  /** Options a second: IV, delta, gamma, theta, vega and rho of each. */
  readonly perSecond: number
  readonly nsPerOption: number
  /** Against seventy-digit values of the same doubles, over `sample` options. */
  readonly maxRelativeErrorIv: number
  readonly maxRelativeErrorGreeks: number
  readonly sample: number
  /** Forward, IV, Greeks and metrics of one expiry of 112 strikes. */
  readonly chainMs: number
}

const OPTIONS = 20_000
const ROUNDS = 12
const SAMPLE = 400
const CHAIN_REPEATS = 300
const SEED = 20_261_122

/** Measures; takes about a second. The best round counts, since others use the machine too. */
export function benchGreeks(): GreeksFigures {
  const options = tickRoundedOptions(OPTIONS, SEED)
  const room = unknownIvAndGreeks()
  let bestMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    bestMs = Math.min(bestMs, timeRound(options, room))
  }
  return {
    perSecond: OPTIONS / (bestMs / 1_000),
    nsPerOption: (bestMs * 1e6) / OPTIONS,
    ...errorsOf(options.slice(0, SAMPLE), room),
    sample: SAMPLE,
    chainMs: timeChain(),
  }
}

export function printGreeks(figures: GreeksFigures): string {
  const { perSecond, nsPerOption, chainMs, sample } = figures
  return [
    'IV + 5 Greeks, tick-rounded prices, one core',
    `  ${(perSecond / 1e6).toFixed(2)} million/s (${nsPerOption.toFixed(0)} ns each)`,
    `  chain of 112 strikes ${chainMs.toFixed(3)} ms`,
    `  max relative error over ${sample}: IV ${figures.maxRelativeErrorIv.toExponential(1)}, ` +
      `Greeks ${figures.maxRelativeErrorGreeks.toExponential(1)}`,
    '',
  ].join('\n')
}

function timeRound(options: readonly SampleOption[], room: IvAndGreeks): number {
  let solved = 0
  const startedAt = performance.now()
  for (const option of options) if (isSolved(solve(option, room))) solved++
  const elapsedMs = performance.now() - startedAt
  if (solved !== options.length) throw new Error(`solved ${solved} of ${options.length}`)
  return elapsedMs
}

function solve(option: SampleOption, room: IvAndGreeks) {
  const { optionType, price, forward, strike, timeYears, rate } = option
  return solveIvAndGreeks(
    optionType,
    price,
    forward,
    strike,
    timeYears,
    rate,
    DEFAULT_TICK_SIZE,
    room,
  )
}

function errorsOf(options: readonly SampleOption[], room: IvAndGreeks) {
  const figures = ['delta', 'gamma', 'theta', 'vega', 'rho'] as const
  let maxRelativeErrorIv = 0
  let maxRelativeErrorGreeks = 0
  for (const option of options) {
    const { optionType, price, forward, strike, timeYears, rate } = option
    solve(option, room)
    const truth = exactValues(optionType === 'CE', price, forward, strike, timeYears, rate)
    maxRelativeErrorIv = Math.max(maxRelativeErrorIv, relativeError(room.iv, truth.iv))
    for (const figure of figures) {
      const error = relativeError(room[figure], truth[figure])
      maxRelativeErrorGreeks = Math.max(maxRelativeErrorGreeks, error)
    }
  }
  return { maxRelativeErrorIv, maxRelativeErrorGreeks }
}

function relativeError(value: number, truth: number): number {
  return Math.abs(value / truth - 1)
}

function timeChain(): number {
  const input = chainInput()
  let bestMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now()
    for (let i = 0; i < CHAIN_REPEATS; i++) computeChain(input)
    bestMs = Math.min(bestMs, (performance.now() - startedAt) / CHAIN_REPEATS)
  }
  return bestMs
}

function chainInput(): ChainInput {
  const forward = 26_010
  const timeYears = 7 / 365
  return {
    expiryCloseMs: 7 * 86_400_000,
    barEndMs: 0,
    rate: 0.065,
    strikes: pricedChain(ladder(23_250, 28_800, 50), {
      forward,
      timeYears,
      rate: 0.065,
      volatility: (strike) => 0.12 + 4 * Math.log(strike / forward) ** 2,
    }),
    spot: 26_000,
    future: null,
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(printGreeks(benchGreeks()))
}
