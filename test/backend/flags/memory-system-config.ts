/** `system_config` in memory; it can be away, and an answer can be held back. */
import type { StoredSetting, SystemConfigStore } from '../../../src/backend/flags/system-config.ts'

export class MemorySystemConfig implements SystemConfigStore {
  readonly rows = new Map<string, string | null>()
  isAway = false
  reads = 0
  /** Readings resolve when this does, with what stood there before. */
  held: Promise<void> | undefined

  async read(): Promise<StoredSetting[]> {
    this.reads++
    if (this.isAway) throw new Error('connect ECONNREFUSED 127.0.0.1:5432')
    const rows = [...this.rows].map(([key, value]) => ({ key, value, updatedAtMs: 0 }))
    await this.held
    return rows
  }

  async write(values: ReadonlyMap<string, string | null>): Promise<void> {
    if (this.isAway) throw new Error('connect ECONNREFUSED 127.0.0.1:5432')
    for (const [key, value] of values) this.rows.set(key, value)
  }
}
