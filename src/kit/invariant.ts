/**
 * Says what must hold. A broken invariant is a programmer's error: it is thrown, not handled, and
 * stops the role; the supervisor starts it anew.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws `InvariantError` unless `condition` is truthy. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
