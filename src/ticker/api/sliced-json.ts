/** The JSON of long lists, a few rows at a time: 4,500 subscriptions in one go would keep ticks waiting. */
import type { Clock } from '../../kit/clock.ts'
import { runInSlices } from '../../kit/slices.ts'
import { SUBSCRIPTION_SLICE_MS } from '../../limits.ts'

/** Makes the row of each item, in order. Rejects with what `rowOf` throws. */
export function rowsInSlices<Item, Row>(
  items: readonly Item[],
  rowOf: (item: Item) => Row,
  clock: Clock,
): Promise<Row[]> {
  return runInSlices(rowsInSteps(items, rowOf), clock, SUBSCRIPTION_SLICE_MS)
}

/** As `JSON.stringify` of the list, or of the object whose lists are long. */
export function jsonInSlices(value: object, clock: Clock): Promise<string> {
  const steps = Array.isArray(value) ? listInSteps(value) : objectInSteps(value)
  return runInSlices(steps, clock, SUBSCRIPTION_SLICE_MS)
}

function* rowsInSteps<Item, Row>(
  items: readonly Item[],
  rowOf: (item: Item) => Row,
): Generator<undefined, Row[]> {
  const rows: Row[] = []
  for (const item of items) {
    rows.push(rowOf(item))
    yield
  }
  return rows
}

function* objectInSteps(value: object): Generator<undefined, string> {
  const fields: string[] = []
  for (const [name, field] of Object.entries(value)) {
    const text = Array.isArray(field) ? yield* listInSteps(field) : JSON.stringify(field)
    fields.push(`${JSON.stringify(name)}:${text}`)
  }
  return `{${fields.join(',')}}`
}

function* listInSteps(rows: readonly unknown[]): Generator<undefined, string> {
  const texts: string[] = []
  for (const row of rows) {
    texts.push(JSON.stringify(row))
    yield
  }
  return `[${texts.join(',')}]`
}
