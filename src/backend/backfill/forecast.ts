/**
 * When everything that waits is answered: one request after the other at a known rate, the most urgent
 * class first, and what is asked again joins when it may be. Pure.
 */

/** Something that waits until it may be asked for. */
export interface Later<One> {
  readonly one: One
  /** Milliseconds until it may be. */
  readonly inMs: number
}

export interface Waits<One> {
  /** Asked for already. */
  readonly running: Iterable<One>
  /** In the order of their turns. */
  readonly ready: readonly One[]
  readonly later: readonly Later<One>[]
}

/**
 * @param classOf smallest first
 * @returns milliseconds until the answer, of each
 */
export function forecast<One>(
  { running, ready, later }: Waits<One>,
  classOf: (one: One) => number,
  perSecond: number,
): Map<One, number> {
  const answeredIn = new Map<One, number>()
  const classes = new Classes<One>(classOf)
  const joining = later.toSorted((a, b) => a.inMs - b.inMs)
  let atMs = 0
  let joined = 0
  const answer = (one: One) => {
    atMs += 1_000 / perSecond
    answeredIn.set(one, Math.round(atMs))
  }
  for (const one of running) answer(one)
  for (const one of ready) classes.add(one)
  for (;;) {
    for (; (joining[joined]?.inMs ?? Number.POSITIVE_INFINITY) <= atMs; joined++) {
      const next = joining[joined]
      if (next !== undefined) classes.add(next.one)
    }
    const one = classes.take()
    const next = joining[joined]
    if (one !== undefined) answer(one)
    else if (next !== undefined) atMs = next.inMs
    else return answeredIn
  }
}

/** First come, first served within each class. */
class Classes<One> {
  readonly #classOf: (one: One) => number
  readonly #lines: { readonly line: One[]; next: number }[] = []

  constructor(classOf: (one: One) => number) {
    this.#classOf = classOf
  }

  add(one: One): void {
    const at = this.#classOf(one)
    while (this.#lines.length <= at) this.#lines.push({ line: [], next: 0 })
    this.#lines[at]?.line.push(one)
  }

  take(): One | undefined {
    const first = this.#lines.find(({ line, next }) => next < line.length)
    return first?.line[first.next++]
  }
}
