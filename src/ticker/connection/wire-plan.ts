/**
 * The difference between what a socket should carry and what the broker has been told on it, as the
 * fewest messages: a change of 10 instruments among 3,000 says 10, and no other stream pauses.
 */
import { KITE_TOKENS_PER_MESSAGE } from '../../limits.ts'
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
 * goes, since it makes room, then what is urgent, then the rest. The mode follows each chunk of new
 * tokens at once, so that the broker sends them in its default mode for no longer than it must.
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
  readonly #fresh = new Map<TickMode, number[]>()
  readonly #changed = new Map<TickMode, number[]>()

  add(token: number, mode: TickMode, before: TickMode | undefined): void {
    if (before === mode) return
    const byMode = before === undefined ? this.#fresh : this.#changed
    const tokens = byMode.get(mode)
    if (tokens === undefined) byMode.set(mode, [token])
    else tokens.push(token)
  }

  messages(): WireMessage[] {
    return MODES.flatMap((mode) => [
      ...chunks(this.#fresh.get(mode)).flatMap((tokens) => subscribeIn(mode, tokens)),
      ...chunks(this.#changed.get(mode)).map((tokens) => ({ kind: 'mode', mode, tokens }) as const),
    ])
  }
}

function subscribeIn(mode: TickMode, tokens: readonly number[]): WireMessage[] {
  const subscribe = { kind: 'subscribe', tokens } as const
  return mode === MODE_OF_SUBSCRIBE ? [subscribe] : [subscribe, { kind: 'mode', mode, tokens }]
}

/** As many as fit in one message: the socket would cut larger ones, and part the mode from them. */
function chunks(tokens: readonly number[] = []): number[][] {
  const count = Math.ceil(tokens.length / KITE_TOKENS_PER_MESSAGE)
  return Array.from({ length: count }, (_, i) => {
    return tokens.slice(i * KITE_TOKENS_PER_MESSAGE, (i + 1) * KITE_TOKENS_PER_MESSAGE)
  })
}
