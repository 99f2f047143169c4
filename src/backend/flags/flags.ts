/** What may be switched while the backend runs, as its parts see it. */
import type { FlagName, FlagState } from '../../contract/api/flags.ts'

export interface Flags {
  isOn(name: FlagName): boolean
  /** Tells of every flag that is switched; returns how to stop listening. */
  onChange(listener: (name: FlagName, on: boolean) => void): () => void
  list(): readonly FlagState[]
}
