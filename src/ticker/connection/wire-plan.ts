/**
 * The difference between what a socket should carry and what the broker has been told on it, as the
 * fewest messages: a change of 10 instruments among 3,000 says 10, and no other stream pauses.
 */
import type { TickMode } from '../../market/tick.ts'

export type Priority = 'high' | 'normal'

/** What the broker is to be told of one token. */
export interface Wanted {
  readonly mode: TickMode
  readonly priority: Priority
}

export type WireMessage =
  | { readonly kind: 'subscribe' | 'unsubscribe'; readonly tokens: readonly number[] }
  | { readonly kind: 'mode'; readonly mode: TickMode; readonly tokens: readonly number[] }

const MODES = ['full', 'quote', 'ltp'] as const satisfies readonly TickMode[]
/** What the broker gives where nobody has said otherwise. */
const MODE_OF_SUBSCRIBE: TickMode = 'quote'

/**
 * The messages for the `changed` tokens, in the order in which they are to be written: first what
 * goes, since it makes room, then what is urgent, then the rest.
 *
 * @param told the mode that the broker has been told, by token
 */
export function planWire(
  changed: Iterable<number>,
  wanted: ReadonlyMap<number, Wanted>,
  told: ReadonlyMap<number, TickMode>,
): WireMessage[] {
  const gone: number[] = []
  const urgent = new Additions()
  const rest = new Additions()
  for (const token of changed) {
    const want = wanted.get(token)
    const before = told.get(token)
    if (want === undefined) {
      if (before !== undefined) gone.push(token)
    } else {
      const additions = want.priority === 'high' ? urgent : rest
      additions.add(token, want.mode, before)
    }
  }
  const messages = [...urgent.messages(), ...rest.messages()]
  return gone.length === 0 ? messages : [{ kind: 'unsubscribe', tokens: gone }, ...messages]
}

class Additions {
  readonly #subscribe: number[] = []
  readonly #modes = new Map<TickMode, number[]>()

  add(token: number, mode: TickMode, before: TickMode | undefined): void {
    if (before === undefined) this.#subscribe.push(token)
    if ((before ?? MODE_OF_SUBSCRIBE) === mode) return
    const tokens = this.#modes.get(mode)
    if (tokens === undefined) this.#modes.set(mode, [token])
    else tokens.push(token)
  }

  messages(): WireMessage[] {
    const messages: WireMessage[] = []
    if (this.#subscribe.length > 0) messages.push({ kind: 'subscribe', tokens: this.#subscribe })
    for (const mode of MODES) {
      const tokens = this.#modes.get(mode)
      if (tokens !== undefined) messages.push({ kind: 'mode', mode, tokens })
    }
    return messages
  }
}
