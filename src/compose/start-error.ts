/** Something outside the program keeps it from starting; the message says what, and which setting helps. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
