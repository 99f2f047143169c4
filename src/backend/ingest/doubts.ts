/**
 * What makes a partition's writer doubt its memory. After any of these the memory is thrown away and
 * built again from the store, except that of a writer that was superseded: it ends.
 */

/** Another writer has taken the partition over: this process must end. */
export class SupersededError extends Error {
  readonly code = 'superseded'
}

/** The memory no longer describes the store. */
export class StartOver extends Error {}

/** Another log is to be folded: no fault, the memory is built again with it. */
export class AnotherLog extends Error {}

/**
 * A record that the store refuses is looked for: commits hold ever fewer records until one of them
 * alone is refused, which is then set aside.
 */
export interface Suspect {
  /** Records a commit may hold; 0 where the next one alone is set aside. */
  readonly step: number
  /** Beyond this position nothing is suspected. */
  readonly untilEpoch: number
  readonly untilSequence: number
  readonly reason: string
}

/** The store refused a row of a commit for what it holds (SQLSTATE class 22 or 23). */
export class RefusedByStore extends Error {
  readonly suspect: Suspect

  constructor(suspect: Suspect) {
    super(suspect.reason)
    this.suspect = suspect
  }
}
