/** What several tickers let go of, as one answer. Pure. */
import type { UnsubscribeAnswer } from '../../contract/api/subscriptions.ts'

/** Each token once; what one of them goes on streaming for others is kept. */
export function mergeUnsubscribed(answers: readonly UnsubscribeAnswer[]): UnsubscribeAnswer {
  const holders = new Map<number, Set<string>>()
  for (const { instrument_token: token, held_by } of answers.flatMap(({ kept }) => kept)) {
    holders.set(token, new Set([...(holders.get(token) ?? []), ...held_by]))
  }
  const removed = new Set(answers.flatMap((answer) => answer.removed))
  return {
    removed: [...removed].filter((token) => !holders.has(token)),
    kept: [...holders].map(([token, held]) => ({ instrument_token: token, held_by: [...held] })),
  }
}
