/**
 * One line of CSV to its cells and back. Quotes are rare in an instrument dump (a company's name
 * with a comma), so a line without any is only split.
 */

/** Undefined where a quote does not end. A doubled quote inside quotes stands for one. */
export function splitCsvRow(line: string): string[] | undefined {
  return line.includes('"') ? splitQuoted(line) : line.split(',')
}

export function joinCsvRow(cells: readonly string[]): string {
  return cells.map(quoteIfNeeded).join(',')
}

function quoteIfNeeded(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

function splitQuoted(line: string): string[] | undefined {
  const cells: string[] = []
  let at = 0
  while (at <= line.length) {
    const end = line[at] === '"' ? closingQuote(line, at + 1) : at
    if (end === undefined) return undefined
    const comma = commaFrom(line, end)
    cells.push(end > at ? unquote(line.slice(at, comma)) : line.slice(at, comma))
    at = comma + 1
  }
  return cells
}

/** Position of the quote that ends the cell. */
function closingQuote(line: string, from: number): number | undefined {
  for (let at = line.indexOf('"', from); at !== -1; at = line.indexOf('"', at + 2)) {
    if (line[at + 1] !== '"') return at
  }
  return undefined
}

function commaFrom(line: string, from: number): number {
  const comma = line.indexOf(',', from)
  return comma === -1 ? line.length : comma
}

function unquote(cell: string): string {
  const end = cell.lastIndexOf('"')
  return cell.slice(1, end).replaceAll('""', '"') + cell.slice(end + 1)
}
