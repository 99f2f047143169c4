/**
 * A minute in the writer's memory: its fold, and how far the store's row is behind it.
 *
 * A row is written whole once, with IV and Greeks. While the minute is open its next changes update only
 * what packets change, until IV and Greeks are due again (`ChangedBars`). What an update does not touch
 * must not have changed since.
 */
import { BarFold } from '../../market/bar.ts'

export class HeldBar extends BarFold {
  /** Changed since its row was written. */
  isChanged = false
  /** Its row has been updated without IV and Greeks. */
  isBehind = false
  /** Its row was written whole, and IV and Greeks are young enough. */
  isFresh = false
  /** When its row was last written whole, monotonic. */
  wholeAtMs = Number.NEGATIVE_INFINITY
  #openSequence = -1
  #baseVolume: number | null = null

  /** Whether the store's row lacks nothing but what an update brings. */
  get mayBeUpdated(): boolean {
    return (
      this.isFresh &&
      this.openKey !== null &&
      this.openKey.sequence === this.#openSequence &&
      this.baseVolume === this.#baseVolume
    )
  }

  writtenWhole(nowMs: number): void {
    this.isFresh = true
    this.isBehind = false
    this.wholeAtMs = nowMs
    this.#openSequence = this.openKey?.sequence ?? -1
    this.#baseVolume = this.baseVolume
  }
}
