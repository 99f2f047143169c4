/** Reads a table of published values: a header line, commas, quotes round a field that holds one. */
import { readFileSync } from 'node:fs'

export type TableRow = Readonly<Record<string, string>>

export function readTable(file: string): readonly TableRow[] {
  const [header = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/)
  const names = fieldsOf(header)
  return lines.map((line) => {
    const fields = fieldsOf(line)
    return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? '']))
  })
}

/** The field as it stands; throws where the table has no such column. */
export function textOf(row: TableRow, column: string): string {
  const value = row[column]
  if (value === undefined) throw new Error(`the table has no column ${column}`)
  return value
}

export function numberOf(row: TableRow, column: string): number {
  return Number(textOf(row, column))
}

function fieldsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  )
}
