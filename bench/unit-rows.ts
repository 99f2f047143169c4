/** Decoding and Greeks, measured in this process, as rows of the table. */
import type { BenchContext } from './context.ts'
import { benchDecode } from './decode.ts'
import { benchGreeks } from './greeks.ts'
import { atLeast, atMost, type ResultRow, worst } from './report.ts'

const GREEKS_MUST_PER_SECOND = 500_000
const GREEKS_AIM_PER_SECOND = 2_000_000
const GREEKS_ERROR = 1e-9

export async function decodeRows({ say }: BenchContext): Promise<readonly ResultRow[]> {
  say('decode')
  const figures = await benchDecode()
  const { ourNs, ourWithDepthNs, theirNs, ratio, depthRatio } = figures
  const row: ResultRow = {
    bench: 'decode',
    what: `packets, ${figures.packetsPerFrame} a frame, against npm kiteconnect`,
    measured: `${ratio.toFixed(1)} × (${ourNs.toFixed(0)} ns against ${theirNs.toFixed(0)} ns)`,
    must: '5 ×',
    aim: '15 ×',
    verdict: atLeast(ratio, 5, 15),
    details: `with depth read ${depthRatio.toFixed(1)} × (${ourWithDepthNs.toFixed(0)} ns)`,
  }
  return [row]
}

export async function greeksRows({ say }: BenchContext): Promise<readonly ResultRow[]> {
  say('greeks')
  const { perSecond, chainMs, sample, ...errors } = benchGreeks()
  const { maxRelativeErrorIv, maxRelativeErrorGreeks } = errors
  const worstError = Math.max(maxRelativeErrorIv, maxRelativeErrorGreeks)
  const row: ResultRow = {
    bench: 'greeks',
    what: 'IV and 5 Greeks on one core',
    measured: `${(perSecond / 1e6).toFixed(2)} million/s, error ${worstError.toExponential(0)}`,
    must: '0.5 million/s, error 1e-9',
    aim: '2 million/s',
    verdict: worst(
      atLeast(perSecond, GREEKS_MUST_PER_SECOND, GREEKS_AIM_PER_SECOND),
      atMost(worstError, GREEKS_ERROR, GREEKS_ERROR),
    ),
    details: `error over ${sample} options; a chain of 112 strikes ${chainMs.toFixed(2)} ms`,
  }
  return [row]
}
