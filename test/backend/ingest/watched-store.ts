/** A store whose live commits a test can see, and stand beside. */
import type { LiveCommit, StoreOpener } from '../../../src/backend/ports.ts'

export type Answer = 'committed' | 'superseded' | Error

export interface WatchedCommit {
  /** Option rows that were written whole, and those that were updated. */
  readonly whole: number
  readonly updated: number
  isSent: boolean
  answer: Answer | undefined
}

export interface WatchedStore {
  readonly stores: StoreOpener
  /** In the order in which they were built. */
  readonly commits: WatchedCommit[]
}

/**
 * @param takesUpdates what the store says of itself where it is not what it would say
 * @param onAnswer waited for before the answer is passed on
 */
export function watched(
  opener: StoreOpener,
  { takesUpdates, onAnswer }: { takesUpdates?: boolean; onAnswer?: () => Promise<void> } = {},
): WatchedStore {
  const commits: WatchedCommit[] = []
  /** Answers are passed on in the order in which they came, as a connection gives them. */
  let passedOn: Promise<void> = Promise.resolve()
  const openPartition: StoreOpener['openPartition'] = async (partition) => {
    const store = await opener.openPartition(partition)
    const prepare = store.prepare.bind(store)
    return Object.assign(store, {
      takesUpdates: takesUpdates ?? store.takesUpdates,
      prepare: (commit: LiveCommit) => {
        const { optionBars, optionUpdates } = commit
        const seen: WatchedCommit = {
          whole: optionBars.length,
          updated: optionUpdates.length,
          isSent: false,
          answer: undefined,
        }
        commits.push(seen)
        const send = prepare(commit)
        return async (expected: Parameters<typeof send>[0]) => {
          const sending = send(expected)
          seen.isSent = true
          const [answer] = await Promise.allSettled([sending])
          seen.answer = answer.status === 'fulfilled' ? answer.value : asError(answer.reason)
          if (onAnswer !== undefined) passedOn = passedOn.then(onAnswer)
          await passedOn
          return sending
        }
      },
    })
  }
  return { stores: { ...opener, openPartition }, commits }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
