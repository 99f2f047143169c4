/** Instants as parameters of reads. */

/** Text of epoch milliseconds, with its offset. */
export function instant(ms: number): string {
  return new Date(ms).toISOString()
}
