/**
 * One guarded statement for any set of tables: it takes effect as a whole, and only while
 * `stream_offsets` still holds what this writer knows (generation and position of every producer).
 *
 *   held   locks the writer's offsets and keeps those that are as expected
 *   ok     one row if all of them are, else none; every other part selects from it
 *   moved  the new position   <table>…  upserts   …_update  updates   gone_…  deletions
 *
 * Statements differ only in which tables they have, so there are few and each can be named.
 */
import type { OrderedRows, SourcePosition } from '../backend/ports.ts'
import { type ArrayElement, type ArrayWriter, arrayWriter } from './array-bytes.ts'
import { instantArray, numberArray, textArray } from './array-literal.ts'
import type { Column, Deletion, Table } from './bar-tables.ts'

/** Rows for one table; a part without rows is left out of the statement. */
export interface Part {
  readonly id: string
  readonly rows: number
  readonly columns: number
  sql(firstParameter: number): string
  parameters(): Buffer[]
}

export interface GuardedStatement {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

const texts = new Map<string, string>()

/** The element type of the array that a column of values is given as. */
const ELEMENTS: Readonly<Record<ArrayElement, string>> = {
  text: 'text',
  float8: 'float8',
  int8: 'int8',
  int4: 'int4',
  bool: 'bool',
  bytea: 'bytea',
  ms: 'timestamptz',
  date: 'date',
  jsonb: 'jsonb',
}

export function upsert<Row>(table: Table<Row>, rows: readonly Row[] | OrderedRows<Row>): Part {
  return {
    id: table.part ?? table.name,
    rows: rows.length,
    columns: table.columns.length,
    sql: (first) => upsertSql(table, first),
    parameters: () => columnArrays(table.columns, inKeyOrder(table, rows)),
  }
}

/** Changes rows that are there, by key; those that are not are left out. */
export function update<Row>(table: Table<Row>, rows: OrderedRows<Row>): Part {
  return {
    id: table.part ?? table.name,
    rows: rows.length,
    columns: table.columns.length,
    sql: (first) => updateSql(table, first),
    parameters: () => columnArrays(table.columns, rows),
  }
}

export function removal<Row>(deletion: Deletion<Row>, rows: readonly Row[]): Part {
  return {
    id: `gone_${deletion.name}`,
    rows: rows.length,
    columns: deletion.columns.length,
    sql: (first) => removalSql(deletion, first),
    parameters: () => columnArrays(deletion.columns, rows),
  }
}

/** An update of some columns of rows that are there already, by a statement of its own. */
export function change<Row>(
  id: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  sql: (given: string) => string,
): Part {
  return {
    id,
    rows: rows.length,
    columns: columns.length,
    sql: (first) => sql(givenRows(columns, first)),
    parameters: () => columnArrays(columns, rows),
  }
}

/**
 * Encodes the rows at once, and keeps none of them; what the store must hold is told when it is sent.
 *
 * @param next the position to move to; undefined where the statement only needs to hold its own
 * @returns makes a statement that answers one row, `ok` true where it took effect
 */
export function preparedStatement(
  consumer: string,
  partition: number,
  next: readonly SourcePosition[] | undefined,
  parts: readonly Part[],
): (expected: readonly SourcePosition[]) => GuardedStatement {
  const present = parts.filter((part) => part.rows > 0)
  const id = `${next === undefined ? 'hold' : 'move'}:${present.map((part) => part.id).join(',')}`
  const moved = next === undefined ? [] : placeArrays(next)
  const rows = present.flatMap((part) => part.parameters())
  let text = texts.get(id)
  if (text === undefined) {
    text = statementText(next !== undefined, present, HELD_PARAMETERS + moved.length + 1)
    texts.set(id, text)
  }
  const named = { name: nameOf(id), text }
  return (expected) => {
    const held = [consumer, partition, ...heldArrays(expected)]
    return { ...named, values: [...held, ...moved, ...rows] }
  }
}

const HELD_PARAMETERS = 6

function heldArrays(expected: readonly SourcePosition[]): unknown[] {
  return [
    textArray(expected.map((s) => s.producer)),
    numberArray(expected.map((s) => s.generation)),
    numberArray(expected.map((s) => s.position.epoch)),
    numberArray(expected.map((s) => s.position.sequence)),
  ]
}

function placeArrays(next: readonly SourcePosition[]): unknown[] {
  return [
    numberArray(next.map((s) => s.position.epoch)),
    numberArray(next.map((s) => s.position.sequence)),
    instantArray(next.map((s) => s.marketTimeMs)),
  ]
}

function statementText(moves: boolean, parts: readonly Part[], firstPart: number): string {
  const steps = [HELD, OK]
  if (moves) steps.push(MOVED)
  let parameter = firstPart
  for (const part of parts) {
    const sql = part.sql(parameter)
    parameter += part.columns
    steps.push(`${part.id} AS (\n${sql}\n)`)
  }
  return `WITH ${steps.join(',\n')}\nSELECT EXISTS (SELECT FROM ok) AS ok`
}

const HELD = `held AS (
  SELECT s.producer
  FROM stream_offsets s
  JOIN unnest($3::text[], $4::int8[], $5::int8[], $6::int8[])
    AS e(producer, generation, epoch, sequence)
    ON s.producer = e.producer AND s.generation = e.generation
   AND s.epoch = e.epoch AND s.sequence = e.sequence
  WHERE s.consumer = $1 AND s.partition = $2::int4
  FOR UPDATE OF s
)`

const OK = `ok AS (
  SELECT 1 WHERE (SELECT count(*) FROM held) = cardinality($3::text[])
)`

const MOVED = `moved AS (
  UPDATE stream_offsets s
  SET epoch = n.epoch, sequence = n.sequence, updated_at = now(),
      market_time = coalesce(n.market_time, s.market_time)
  FROM unnest($3::text[], $7::int8[], $8::int8[], $9::timestamptz[])
    AS n(producer, epoch, sequence, market_time), ok
  WHERE s.consumer = $1 AND s.partition = $2::int4 AND s.producer = n.producer
  RETURNING s.producer
)`

function upsertSql<Row>(table: Table<Row>, first: number): string {
  const names = table.columns.map((c) => quoted(c.name))
  const stamp = table.touchUpdatedAt ? ', updated_at' : ''
  const sets = table.columns.flatMap((c) => assignment(c, 'excluded'))
  sets.push(...(table.alsoSet ?? []))
  if (table.touchUpdatedAt) sets.push('updated_at = excluded.updated_at')
  const conflict =
    sets.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${sets.join(', ')}${table.updateWhere ? `\n  WHERE ${table.updateWhere}` : ''}`
  return `  INSERT INTO ${table.name} AS t (${names.join(', ')}${stamp})
  SELECT ${names.map((name) => `v.${name}`).join(', ')}${table.touchUpdatedAt ? ', now()' : ''}
  FROM ${givenRows(table.columns, first)} AS v(${names.join(', ')}), ok
  ON CONFLICT (${table.key.map(quoted).join(', ')}) ${conflict}`
}

function updateSql<Row>(table: Table<Row>, first: number): string {
  const names = table.columns.map((c) => quoted(c.name))
  const sets = table.columns.flatMap((c) => assignment(c, 'v'))
  if (table.touchUpdatedAt) sets.push('updated_at = now()')
  const matches = table.key.map((name) => `t.${quoted(name)} = v.${quoted(name)}`)
  if (table.updateWhere) matches.push(table.updateWhere)
  return `  UPDATE ${table.name} AS t SET ${sets.join(', ')}
  FROM ${givenRows(table.columns, first)} AS v(${names.join(', ')}), ok
  WHERE ${matches.join(' AND ')}`
}

function removalSql<Row>(deletion: Deletion<Row>, first: number): string {
  const names = deletion.columns.map((c) => quoted(c.name))
  const matches = deletion.columns.map((c) => `t.${quoted(c.name)} = v.${quoted(c.name)}`)
  return `  DELETE FROM ${deletion.name} AS t
  USING ${givenRows(deletion.columns, first)} AS v(${names.join(', ')}), ok
  WHERE ${matches.join(' AND ')}`
}

/** @param given what names the new row */
function assignment<Row>({ name, onConflict }: Column<Row>, given: string): string[] {
  const quotedName = quoted(name)
  if (onConflict === 'keep') return []
  if (onConflict === 'set') return [`${quotedName} = ${given}.${quotedName}`]
  return [`${quotedName} = coalesce(${given}.${quotedName}, t.${quotedName})`]
}

/**
 * The arrays side by side as rows. `FROM unnest(a, b, …)` would first write each of them to a store of
 * its own: for 36 columns that is a third of the whole statement.
 */
function givenRows<Row>(columns: readonly Column<Row>[], first: number): string {
  const arrays = columns.map((c, i) => `unnest($${first + i}::${ELEMENTS[c.type]}[])`)
  return `(SELECT ${arrays.join(', ')})`
}

function quoted(name: string): string {
  return `"${name}"`
}

/** Writers of a table's columns, kept for the buffers that they have grown. */
const writersOf = new WeakMap<readonly unknown[], readonly ArrayWriter[]>()

/** Enough for a column's loop to pay, and few enough to stay in the processor's cache and go at once. */
const ROWS_AT_ONCE = 128

/** Column by column, some rows at a time, so that rows that are made while they are read can go. */
function columnArrays<Row>(columns: readonly Column<Row>[], rows: Iterable<Row>): Buffer[] {
  const writers = writersOf.get(columns) ?? columns.map(({ type }) => arrayWriter(type))
  writersOf.set(columns, writers)
  for (const writer of writers) writer.begin()
  let some: Row[] = []
  for (const row of rows) {
    if (some.push(row) < ROWS_AT_ONCE) continue
    addColumns(columns, writers, some)
    some = []
  }
  addColumns(columns, writers, some)
  return writers.map((writer) => writer.take())
}

function addColumns<Row>(
  columns: readonly Column<Row>[],
  writers: readonly ArrayWriter[],
  rows: readonly Row[],
): void {
  columns.forEach(({ value }, i) => {
    writers[i]?.addAll(rows, value)
  })
}

/** Two writers that meet the same rows in the same order cannot deadlock. */
function inKeyOrder<Row>(
  table: Table<Row>,
  rows: readonly Row[] | OrderedRows<Row>,
): Iterable<Row> {
  if (!isArray(rows) || rows.length < 2) return rows
  const keys = table.key.map(
    (name) => (table.columns.find((c) => c.name === name) as Column<Row>).value,
  )
  return [...rows].sort((a, b) => {
    for (const key of keys) {
      const x = key(a) as string | number
      const y = key(b) as string | number
      if (x !== y) return x < y ? -1 : 1
    }
    return 0
  })
}

function isArray<Row>(rows: readonly Row[] | OrderedRows<Row>): rows is readonly Row[] {
  return Array.isArray(rows)
}

const names = new Map<string, string>()

/** Statement names are at most 63 bytes, so each set of tables gets a number. */
function nameOf(id: string): string {
  let name = names.get(id)
  if (name === undefined) {
    name = `guarded_${names.size + 1}`
    names.set(id, name)
  }
  return name
}
