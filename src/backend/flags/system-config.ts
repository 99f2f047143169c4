/** `system_config` as the backend sees it: texts by key, edited by hand or through `PUT /flags`. */

export interface StoredSetting {
  readonly key: string
  /** Null = follow the environment. */
  readonly value: string | null
  readonly updatedAtMs: number
}

/** Rejects while the store does not answer. */
export interface SystemConfigStore {
  read(): Promise<readonly StoredSetting[]>
  /** All of them or none; a key without a row gets one. */
  write(values: ReadonlyMap<string, string | null>): Promise<void>
}
