/** What holds of each flag, from the environment and from what stands in `system_config`. Pure. */
import { FLAG_NAMES, type FlagName, type FlagState } from '../../contract/api/flags.ts'
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
