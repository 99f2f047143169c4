/** The longest pause between two ticks of any watched instrument, read from the arrival stamps in the journal. */
import { forEachRecord } from '../../src/contract/journal-batch.ts'
import { readAll } from '../../src/journal/read-all.ts'

/** A stretch of time in which pauses are looked for; wall clock, epoch ms. */
export interface Window {
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
}

/** Milliseconds by the window's name, in the order of `windows`. Throws where a window saw no tick. */
export async function longestPauses(
  journal: string,
  watched: ReadonlySet<number>,
  windows: readonly Window[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const longest = windows.map(() => 0)
  const before = new Map<number, number>()
  let at = 0
  const seen = (token: number, receivedAtMs: number) => {
    const lastMs = before.get(token) ?? receivedAtMs
    before.set(token, receivedAtMs)
    while (at < windows.length && (windows[at] as Window).toMs < receivedAtMs) at++
    const window = windows[at]
    if (window === undefined || receivedAtMs < window.fromMs) return
    longest[at] = Math.max(longest[at] as number, receivedAtMs - lastMs)
  }
  for await (const item of readAll(journal)) {
    if (item.kind !== 'batch') throw new Error('the journal of the measurement is damaged')
    forEachRecord(item.header, item.bytes, item.header.firstSequence, {
      tick: ({ token, receivedAtMs }) => {
        if (watched.has(token)) seen(token, receivedAtMs)
      },
      control: () => undefined,
    })
  }
  if (longest.includes(0)) throw new Error('a window saw no ticks')
  return byName(windows, longest)
}

function byName(windows: readonly Window[], longest: readonly number[]) {
  const names = new Map<string, number[]>()
  windows.forEach(({ name }, i) => {
    names.set(name, [...(names.get(name) ?? []), longest[i] as number])
  })
  return names
}
