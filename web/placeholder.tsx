/** What stands where the chain will be: loading, refused, unreachable, or without strikes. */
import type { LiveChainState } from './live-chain-state.ts'
import { formatDate } from './time-format.ts'

export function Placeholder({ state }: { state: LiveChainState }) {
  const { title, text } = describe(state)
  return (
    <div className="placeholder" data-testid="placeholder">
      <h2>{title}</h2>
      <p>{text}</p>
    </div>
  )
}

function describe({ refusal, restAnswers, attempt, wanted, chain }: LiveChainState) {
  if (refusal !== null) {
    return { title: 'This chain cannot be shown', text: refusal.message }
  }
  if (chain !== null) {
    const series = `${chain.symbol}, ${formatDate(chain.expiry)}`
    return { title: `No strikes of ${series} yet`, text: 'They appear here with the first data.' }
  }
  if (restAnswers === false || attempt > 1) {
    const text = 'The page tries again by itself, there is no need to reload it.'
    return { title: 'The backend does not answer', text }
  }
  const text = wanted === null ? 'Asking the backend what there is.' : 'Waiting for the first data.'
  return { title: wanted === null ? 'Loading' : `Loading the chain of ${wanted.symbol}`, text }
}
