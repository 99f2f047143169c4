/** What holds of each flag, from the environment and from what stands in `system_config`. Pure. */
import {
  FLAG_NAMES,
  type FlagName,
  type FlagState,
  type IgnoredSetting,
} from '../../contract/api/flags.ts'
import { nearestName } from '../../kit/nearest-name.ts'
import { parseSwitch } from '../../kit/switch-word.ts'
import { formatIst } from '../../market/ist.ts'
import type { StoredSetting } from './system-config.ts'

/** What holds while `system_config` says nothing; `isGiven`: it was set, and is no default. */
export type EnvironmentFlags = Readonly<
  Record<FlagName, { readonly value: boolean; readonly isGiven: boolean }>
>

export function flagStates(
  environment: EnvironmentFlags,
  stored: readonly StoredSetting[],
): FlagState[] {
  const rows = new Map(stored.map((row) => [row.key, row]))
  return FLAG_NAMES.map((name) => flagState(name, environment[name], rows.get(name)))
}

/** Values under keys that are no flags: they have no effect. By key. */
export function ignoredSettings(stored: readonly StoredSetting[]): IgnoredSetting[] {
  const known: ReadonlySet<string> = new Set(FLAG_NAMES)
  const ignored = stored.flatMap(({ key, value, updatedAtMs }) => {
    if (value === null || known.has(key)) return []
    return [{ key, stored: value, stored_at: formatIst(updatedAtMs), nearest: nearestFlag(key) }]
  })
  return ignored.sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** A few slips of the pen away, or written as the setting is. */
function nearestFlag(key: string): string | null {
  const nearest = nearestName(key.toLowerCase(), FLAG_NAMES)
  return nearest !== undefined && nearest.edits <= SLIPS ? nearest.name : null
}

const SLIPS = 3

function flagState(
  name: FlagName,
  { value: environment, isGiven }: EnvironmentFlags[FlagName],
  row: StoredSetting | undefined,
): FlagState {
  const told = {
    name,
    environment,
    stored: row?.value ?? null,
    stored_at: row === undefined ? null : formatIst(row.updatedAtMs),
  }
  const text = row?.value ?? null
  if (text === null) {
    return { ...told, value: environment, origin: isGiven ? 'environment' : 'default' }
  }
  const value = parseSwitch(text)
  if (value === undefined) return { ...told, value: environment, origin: 'invalid' }
  return { ...told, value, origin: 'system_config' }
}
