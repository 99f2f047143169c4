/** Finds what somebody may have meant when a name is misspelt. */

/** The known name with the fewest edits from `name`, and how many these are. */
export function nearestName(
  name: string,
  known: readonly string[],
): { readonly name: string; readonly edits: number } | undefined {
  const ranked = known.map((candidate) => ({ name: candidate, edits: edits(name, candidate) }))
  return ranked.sort((a, b) => a.edits - b.edits || a.name.localeCompare(b.name))[0]
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function edits(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= a.length; row += 1) rows.push(nextRow(a, b, rows))
  return rows.at(-1)?.at(-1) ?? 0
}

function nextRow(a: string, b: string, rows: readonly number[][]): number[] {
  const row = rows.length
  const at = (r: number, column: number) => rows[r]?.[column] ?? Number.POSITIVE_INFINITY
  const next = [row]
  for (let column = 1; column <= b.length; column += 1) {
    const replaced = at(row - 1, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1)
    const swaps = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
    const swapped = swaps ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
    const left = (next[column - 1] ?? 0) + 1
    next.push(Math.min(replaced, swapped, left, at(row - 1, column) + 1))
  }
  return next
}
